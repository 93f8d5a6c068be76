package host

import (
	"os/exec"
	"syscall"
)

// isolate puts the plugin into a process group of its own, so that Ctrl-C does not reach it and a kill reaches its children,
// and has the kernel kill it when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG): the supervisor holds that thread.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
