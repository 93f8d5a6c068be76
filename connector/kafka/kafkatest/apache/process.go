package apache

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a child that dies with us.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has been reaped
	err  error         // how it ended; written before done is closed
}

// begin starts cmd. The goroutine stays locked to its thread for the child's life, because Pdeathsig fires when
// the *thread* that forked ends, not the process (https://go.dev/issue/27505).
func begin(cmd *exec.Cmd) (*process, error) {
	dieWithParent(cmd)
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.done)
	}()
	return p, <-started
}

// end sends sig, and SIGKILL to a child that has not ended after patience.
func (p *process) end(sig syscall.Signal, patience time.Duration) {
	_ = p.cmd.Process.Signal(sig) // it may have ended already
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
		return
	case <-timer.C:
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}
