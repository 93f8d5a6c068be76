package jvm

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the child when we end, however we end. Its own process group keeps a terminal's
// Ctrl-C from reaching it: the owner stops it in order.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
