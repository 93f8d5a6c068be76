//go:build unix && !linux

package host

import (
	"os/exec"
	"syscall"
)

// isolate puts the plugin into a process group of its own, so that Ctrl-C does not reach it and a kill reaches its children.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
