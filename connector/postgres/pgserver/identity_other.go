//go:build !linux

package pgserver

import (
	"context"
	"os"
	"syscall"
)

// Elsewhere than on Linux the server runs as the caller, who must not be root, and outlives a caller that is killed.
func identities(context.Context) []identity {
	return []identity{{name: "the caller", attr: func() *syscall.SysProcAttr { return nil }}}
}

func (id identity) own(path string, mode os.FileMode) error { return os.Chmod(path, mode) }
