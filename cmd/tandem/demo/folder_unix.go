//go:build unix

package demo

import (
	"io/fs"
	"os"
	"syscall"
)

// ours tells whether a folder in a place that all may write to is the caller's own.
func ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
