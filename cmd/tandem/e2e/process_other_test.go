//go:build !linux

package e2e

import "os/exec"

// dieWithTest can promise nothing here: only Linux has a parent-death signal. The test's cleanup ends the child everywhere.
func dieWithTest(*exec.Cmd) {}
