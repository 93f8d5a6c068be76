//go:build unix

package bench

import (
	"syscall"
	"time"
)

// processor is the time that this process has had of the processors, garbage collection included.
func processor() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		panic(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
