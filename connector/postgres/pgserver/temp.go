package pgserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const tempPrefix = "tandem-pg-" // and the number of the process that owns it

// makeTemp makes a folder with a short name: a unix socket's whole path may have 107 bytes (unix(7)).
func makeTemp(prefix string) (string, error) {
	parent := os.TempDir()
	if len(parent) > 60 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return "", fmt.Errorf("make a temporary folder for the server: %w", err)
	}
	return dir, nil
}

// removeOrphans removes data folders whose owners were killed before they could. Best effort: it frees disk, no more.
func removeOrphans() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), tempPrefix+"*"))
	for _, dir := range dirs {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), tempPrefix), "-")
		pid, err := strconv.Atoi(number)
		if err != nil || pid == os.Getpid() {
			continue
		}
		if owner, err := os.FindProcess(pid); err != nil || owner.Signal(syscall.Signal(0)) == os.ErrProcessDone {
			os.RemoveAll(dir)
		}
	}
}
