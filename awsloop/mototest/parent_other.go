//go:build !linux

package mototest

import "syscall"

func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
