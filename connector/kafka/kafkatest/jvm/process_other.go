//go:build !linux

package jvm

import "os/exec"

// dieWithParent can promise nothing here: only Linux has a parent-death signal. Stop ends the child everywhere.
func dieWithParent(*exec.Cmd) {}
