package jvm

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of /proc's times: USER_HZ, which is 100 on every architecture that Go runs on.
const ticksPerSecond = 100

// Usage reads the kernel's account of a running child. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func (p *Process) Usage() (Usage, error) { return UsageOf(p.cmd.Process.Pid) }

// UsageOf reads the kernel's account of any running process.
func UsageOf(pid int) (u Usage, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, fmt.Errorf("read what process %d uses: %w", pid, err)
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "VmRSS":
			u.RSS = kilobytes(value)
		case "VmHWM":
			u.Peak = kilobytes(value)
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, fmt.Errorf("read what process %d uses: %w", pid, err)
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the command's name may hold spaces
	fields := strings.Fields(after)                // from the third field on
	if len(fields) < 13 {
		return u, fmt.Errorf("read what process %d uses: %q is not what proc(5) describes", pid, stat)
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	u.CPU = time.Duration(user+system) * time.Second / ticksPerSecond
	return u, nil
}

func kilobytes(text string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")), 10, 64)
	return n << 10
}
