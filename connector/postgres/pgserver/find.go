package pgserver

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MajorMin is the oldest PostgreSQL that Tandem works with: 14 is the oldest that the project still supports, and the
// first whose pgoutput sends logical messages.
const MajorMin = 14

// ErrNotFound is returned when no usable server binaries are installed. Its text says what to install.
type ErrNotFound struct{ Looked []string }

func (e *ErrNotFound) Error() string {
	return fmt.Sprintf("no PostgreSQL %d or newer server found (initdb and postgres; looked in %s): install the package postgresql, "+
		"or name the folder that holds initdb", MajorMin, strings.Join(e.Looked, ", "))
}

// BinVariable names the folder of the binaries to use where none is given, so that one test run takes one version: see make matrix.
const BinVariable = "POSTGRES_BIN"

// Find gives the folder of initdb and postgres: dir if it is given (nothing else is tried then), else what POSTGRES_BIN names (nothing
// else either), else what pg_config names, else the newest under the distribution's usual folders, else PATH.
func Find(ctx context.Context, dir string) (string, error) {
	dir = cmp.Or(dir, os.Getenv(BinVariable))
	candidates := []string{dir}
	if dir == "" {
		candidates = installed(ctx)
	}
	for _, c := range candidates {
		if _, err := Version(ctx, c); err == nil {
			return c, nil
		}
	}
	return "", &ErrNotFound{Looked: candidates}
}

func installed(ctx context.Context) []string {
	var found []string
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		found = append(found, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		dirs, _ := filepath.Glob(pattern) // the only error is a bad pattern
		slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(majorIn(b), majorIn(a)) })
		found = append(found, dirs...)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, filepath.Dir(path))
	}
	return append(slices.Compact(found), "PATH")
}

var digits = regexp.MustCompile(`\d+`)

func majorIn(path string) int {
	n, _ := strconv.Atoi(digits.FindString(path)) // no digits: 0, last
	return n
}

// Version gives the major version of the server in dir. It fails for servers that are too old or not complete.
func Version(ctx context.Context, dir string) (int, error) {
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(binary(dir, name)); err != nil {
			return 0, fmt.Errorf("look for server binaries: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, binary(dir, "postgres"), "--version")
	cmd.Env = environment(dir)
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("ask the server for its version: %w", err)
	}
	_, number, _ := strings.Cut(string(out), "(PostgreSQL) ")
	major := majorIn(number)
	if major < MajorMin {
		return 0, fmt.Errorf("server in %s is PostgreSQL %d, want %d or newer", dir, major, MajorMin)
	}
	return major, nil
}

func binary(dir, name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dir, name)
}

// environment is all that the server sees of ours. The library path serves unpacked npm or Maven packages.
func environment(bin string) []string {
	return []string{
		"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC",
		"LD_LIBRARY_PATH=" + filepath.Join(filepath.Dir(bin), "lib"),
	}
}
