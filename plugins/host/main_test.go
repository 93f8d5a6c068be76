//go:build unix

package host_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

var rogue string // path of the misbehaving plugin

func TestMain(m *testing.M) {
	if path := os.Getenv(envBeHost); path != "" {
		beHost(path)
	}
	dir, err := os.MkdirTemp("", "rogue")
	if err != nil {
		panic(err)
	}
	rogue = filepath.Join(dir, "rogue")
	if out, err := exec.Command("go", "build", "-o", rogue, "./testdata/rogue").CombinedOutput(); err != nil {
		panic(string(out))
	}
	os.Setenv("TANDEM_TEST_SECRET", "hunter2")
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { os.RemoveAll(dir); os.Exit(code) }))
}
