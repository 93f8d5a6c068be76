package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	kafkatest.Stop()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// built holds the binaries, which are built once for all tests.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// binary gives the path of a built program: "tandem", or "phone", the example plugin that the example mapping uses.
func binary(t testing.TB, name string) string {
	t.Helper()
	built.once.Do(func() {
		//nolint:usetesting // it outlives the test that asks for it first
		if built.dir, built.err = os.MkdirTemp("", "tandem-e2e-"); built.err != nil {
			return
		}
		for out, pkg := range map[string]string{"tandem": "cmd/tandem", "phone": "plugins/examples/phone"} {
			build := exec.Command("go", "build", "-o", filepath.Join(built.dir, out), "github.com/tandem-sync/tandem/"+pkg)
			if text, err := build.CombinedOutput(); err != nil {
				built.err = fmt.Errorf("%w: %s", err, text)
				return
			}
		}
	})
	if built.err != nil {
		t.Fatal("build what is tested: ", built.err)
	}
	return filepath.Join(built.dir, name)
}
