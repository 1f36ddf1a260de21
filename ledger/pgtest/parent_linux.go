package pgtest

import "syscall"

// withParent makes the kernel end the server with the test binary, even one
// that was killed.
func withParent(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGQUIT, Setpgid: true}
}
