package jvm

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is a child that dies with us.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has been reaped
	err  error         // how it ended; written before done is closed
}

// Begin starts cmd. The goroutine stays locked to its thread for the child's life, because Pdeathsig fires when
// the *thread* that forked ends, not the process (https://go.dev/issue/27505).
func Begin(cmd *exec.Cmd) (*Process, error) {
	dieWithParent(cmd)
	p := &Process{cmd: cmd, done: make(chan struct{})}
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

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the child ended; call it after Done.
func (p *Process) Err() error { return p.err }

// End sends sig, and SIGKILL to a child that has not ended after patience.
func (p *Process) End(sig syscall.Signal, patience time.Duration) {
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
