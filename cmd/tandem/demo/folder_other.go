//go:build !unix

package demo

import "io/fs"

// ours trusts: temporary folders are each user's own here.
func ours(fs.FileInfo) bool { return true }
