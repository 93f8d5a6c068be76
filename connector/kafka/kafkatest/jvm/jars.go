package jvm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// javaMin is what Kafka 4's programs and Debezium 3 demand.
const javaMin = 17

// fetchMax bounds the first download: some 45 MB from Maven's repositories.
const fetchMax = 5 * time.Minute

// Jars are the jars that a pom's runtime dependencies come to.
type Jars struct {
	Program string // what they run, for messages: "Apache Kafka 4.3.1"
	Name    string // of the cache folder
	Pom     []byte // pins every version; any edit fetches anew
}

// Missing says what this machine lacks to run the program, nil when nothing is. When the jars are in the cache already,
// Maven is not asked for.
func (j Jars) Missing() error {
	var missing []error
	if err := j.checkJava(); err != nil {
		missing = append(missing, err)
	}
	if dir, err := j.cacheDir(); err != nil {
		missing = append(missing, err)
	} else if !fetched(dir) {
		if _, err := exec.LookPath("mvn"); err != nil {
			missing = append(missing, errors.New("mvn is not in PATH: install Maven 3.6 or newer (Debian: maven)"))
		}
	}
	return errors.Join(missing...)
}

// Java is the command to run: JAVA_HOME's before PATH's, as Kafka's own scripts have it.
func Java() string {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return filepath.Join(home, "bin", "java")
	}
	return "java"
}

var javaMajor = regexp.MustCompile(`version "(\d+)`)

func (j Jars) checkJava() error {
	out, err := exec.Command(Java(), "-version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("java cannot be run (%w): install a Java runtime, %d or newer (Debian: openjdk-17-jre-headless), or set JAVA_HOME", err, javaMin)
	}
	found := javaMajor.FindSubmatch(out)
	if found == nil {
		return nil // an unusual runtime: let the program judge
	}
	if major, err := strconv.Atoi(string(found[1])); err == nil && major < javaMin {
		return fmt.Errorf("java is version %d, %s needs %d or newer", major, j.Program, javaMin)
	}
	return nil
}

// cacheDir is where the jars of this very pom live.
func (j Jars) cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder (set HOME or XDG_CACHE_HOME): %w", err)
	}
	return filepath.Join(base, "tandem", fmt.Sprintf("%s-%x", j.Name, sha256.Sum256(j.Pom))[:len(j.Name)+17]), nil
}

// fetched tells whether dir holds a complete set: its lib folder gets its name only when it is whole.
func fetched(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, "lib"))
	return err == nil && info.IsDir()
}

// Fetch returns the folder with the jars, fetching them first when this pom was never fetched on this machine.
func (j Jars) Fetch(ctx context.Context) (string, error) {
	dir, err := j.cacheDir()
	if err != nil {
		return "", err
	}
	lib := filepath.Join(dir, "lib")
	if fetched(dir) {
		return lib, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if fetched(dir) { // by the process that held the lock
		return lib, nil
	}
	return lib, j.fetch(ctx, dir, lib)
}

// fetch asks Maven for the jars. -C: a jar whose checksum differs fails the build instead of warning.
func (j Jars) fetch(ctx context.Context, dir, lib string) error {
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), j.Pom, 0o644); err != nil {
		return fmt.Errorf("write pom: %w", err)
	}
	part := filepath.Join(dir, "lib.part")
	if err := os.RemoveAll(part); err != nil {
		return fmt.Errorf("clear a broken download: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchMax)
	defer cancel()
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "-C", "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+part)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetch %s with Maven: %w\n%s", j.Program, err, Tail(out, 20))
	}
	if err := os.Rename(part, lib); err != nil {
		return fmt.Errorf("keep the fetched jars: %w", err)
	}
	return nil
}

// lock takes an exclusive lock on a file, waiting for whoever has it. The kernel drops it when the process ends.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// Tail is the last lines of a program's output, for an error message.
func Tail(out []byte, lines int) []byte {
	out = bytes.TrimSpace(out)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i] != '\n' {
			continue
		}
		if lines--; lines == 0 {
			return out[i+1:]
		}
	}
	return out
}
