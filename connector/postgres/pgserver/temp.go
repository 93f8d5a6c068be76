package pgserver

import (
	"errors"
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
	dir, err := os.MkdirTemp(tempParent(), prefix)
	if err != nil {
		return "", fmt.Errorf("make a temporary folder for the server: %w", err)
	}
	return dir, nil
}

func tempParent() string {
	const bytesMax = 50
	if parent := os.TempDir(); len(parent) <= bytesMax {
		return parent
	}
	return "/tmp"
}

// removeOrphans removes folders whose owners were killed before they could. Best effort: it frees disk, no more.
func removeOrphans() {
	dirs, _ := filepath.Glob(filepath.Join(tempParent(), tempPrefix+"*"))
	for _, dir := range dirs {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), tempPrefix), "-")
		pid, err := strconv.Atoi(number)
		if err != nil || pid == os.Getpid() {
			continue
		}
		if owner, err := os.FindProcess(pid); err != nil || errors.Is(owner.Signal(syscall.Signal(0)), os.ErrProcessDone) {
			os.RemoveAll(dir)
		}
	}
}
