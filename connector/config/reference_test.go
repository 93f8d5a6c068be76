package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-sync/tandem/connector/config"
)

// files writes files into a fresh folder and returns it.
func files(t *testing.T, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func environment(vars map[string]string) config.Resolver {
	return config.Resolver{LookupEnv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{
		"secrets.properties": "password=p\\u00e4ss\nempty=\n",
		"token":              "ntn_123\n",
		"two":                "a\n\n",
	})
	r := environment(map[string]string{"HOST": "db", "EMPTY": "", "TRICK": "${env:HOST}"})
	for text, want := range map[string]string{
		"plain":                "plain",
		"":                     "",
		"${env:HOST}":          "db",
		"${env:EMPTY}":         "",
		"${env:TRICK}":         "${env:HOST}", // resolved once, not again: a value is data
		"${topic}-dlq":         "${topic}-dlq",
		"$${env:HOST}":         "$db",
		"${env:HOST":           "${env:HOST",
		"x://${env:HOST}:5432": "x://db:5432",
		"${file:" + dir + "/secrets.properties:password}": "päss",
		"${file:" + dir + "/secrets.properties:empty}":    "",
		"${dir:" + dir + ":token}":                        "ntn_123",
		"${dir:" + dir + ":two}":                          "a\n",
		"${dir:" + dir + ":token}/${env:HOST}":            "ntn_123/db",
	} {
		got, err := r.Resolve(text)
		if err != nil || got != want {
			t.Errorf("Resolve(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestResolveSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"a.properties": "x=y\n", "huge": strings.Repeat("x", 1<<20+1)})
	for text, want := range map[string]string{
		"${env:TOKEN}":                       "cannot resolve ${env:TOKEN}: set the environment variable TOKEN",
		"${vault:a:b}":                       "holds a reference whose provider is not one of env, file and dir",
		"${file:/nowhere/a:x}":               "there is no such file",
		"${file:" + dir + "/a.properties:z}": `the file has no key "z"`,
		"${file:" + dir + "/a.properties}":   "write ${file:/path/of/a.properties:key}",
		"${file:relative.properties:x}":      "absolute path",
		"${dir:" + dir + ":../x}":            "a file name that has no folder in it",
		"${dir:" + dir + ":huge}":            "larger than 1048576 bytes",
		"${dir:" + filepath.Dir(dir) + ":" + filepath.Base(dir) + "}": "not a regular file",
	} {
		got, err := environment(nil).Resolve(text)
		if err == nil || !strings.Contains(err.Error(), want) || got != "" {
			t.Errorf("Resolve(%q) = %q, %v; want an error with %q", text, got, err, want)
		}
	}
}

// A configuration that comes over the network must not read files that its sender could not.
func TestAllowedPathsHoldAgainstLinks(t *testing.T) {
	t.Parallel()
	outside := files(t, map[string]string{"key": "root's"})
	inside := files(t, map[string]string{"key": "ours"})
	if err := os.Symlink(filepath.Join(outside, "key"), filepath.Join(inside, "link")); err != nil {
		t.Fatal(err)
	}
	r := config.Resolver{AllowedPaths: []string{inside}}
	if got, err := r.Resolve("${dir:" + inside + ":key}"); err != nil || got != "ours" {
		t.Errorf("inside: %q, %v", got, err)
	}
	for _, text := range []string{"${dir:" + outside + ":key}", "${dir:" + inside + ":link}", "${dir:" + inside + "/../" + filepath.Base(outside) + ":key}"} {
		if got, err := r.Resolve(text); err == nil {
			t.Errorf("%s was read: %q", text, got)
		}
	}
}
