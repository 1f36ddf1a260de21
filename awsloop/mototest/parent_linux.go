package mototest

import "syscall"

// withParent makes the kernel end the server with the test binary, even one
// that was killed.
func withParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
