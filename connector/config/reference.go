package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// reference is Kafka's own pattern (ConfigTransformer): ${provider:path:key} or ${provider:key}. What has no colon, such as ${topic}, is plain text.
var reference = regexp.MustCompile(`\$\{([^}:]*):(?:([^}]*?):)?([^}]*?)\}`)

// referencedBytesMax bounds a file that a reference names: secrets are short, and /dev/zero is not one.
const referencedBytesMax = 1 << 20

// Resolver gives references their values: ${env:NAME}, ${file:/path:key} (a properties file), ${dir:/path:file} (a file's
// content, without one line break at its end, as Kubernetes and Docker mount secrets). The zero Resolver reads the process's own environment and any file.
type Resolver struct {
	// LookupEnv stands in for os.LookupEnv where it is not nil.
	LookupEnv func(name string) (string, bool)

	// AllowedPaths bounds file and dir to these folders and what is below them, where it is not empty: for configurations that come over a network.
	AllowedPaths []string
}

// errProvider is what Resolve returns for a reference to anything but env, file and dir.
var errProvider = errors.New("holds a reference whose provider is not one of env, file and dir")

// HasReference tells whether text refers to something.
func HasReference(text string) bool { return reference.MatchString(text) }

// Resolve replaces every reference in text, once: what a reference yields is not looked at again. The error names the
// reference, never a value.
func (r Resolver) Resolve(text string) (string, error) {
	var first error
	out := reference.ReplaceAllStringFunc(text, func(ref string) string {
		parts := reference.FindStringSubmatch(ref)
		value, err := r.lookup(parts[1], parts[2], parts[3])
		switch {
		case err == nil || first != nil:
		case errors.Is(err, errProvider): // perhaps no reference at all, but a password that looks like one
			first = err
		default:
			first = fmt.Errorf("cannot resolve %s: %w", ref, err)
		}
		return value
	})
	if first != nil {
		return "", first
	}
	return out, nil
}

func (r Resolver) lookup(provider, path, key string) (string, error) {
	switch provider {
	case "env":
		return r.env(key)
	case "file":
		return r.file(path, key)
	case "dir":
		return r.dir(path, key)
	}
	return "", errProvider
}

func (r Resolver) env(name string) (string, error) {
	lookup := r.LookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	value, ok := lookup(name)
	if !ok {
		return "", fmt.Errorf("set the environment variable %s", name)
	}
	return value, nil
}

func (r Resolver) file(path, key string) (string, error) {
	if path == "" || key == "" {
		return "", fmt.Errorf("write ${file:/path/of/a.properties:key}")
	}
	data, err := r.read(path)
	if err != nil {
		return "", err
	}
	var broken Problems
	found, value := false, ""
	for _, p := range properties(string(data), &broken) {
		if p.key == key {
			found, value = true, p.value
		}
	}
	if !found {
		return "", fmt.Errorf("the file has no key %q", key)
	}
	return value, nil
}

func (r Resolver) dir(path, name string) (string, error) {
	if path == "" || name == "" || name != filepath.Base(name) || name == ".." || name == "." {
		return "", fmt.Errorf("write ${dir:/path/of/a/folder:file}, with a file name that has no folder in it")
	}
	data, err := r.read(filepath.Join(path, name))
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(string(data), "\n")
	return strings.TrimSuffix(text, "\r"), nil
}

// read reads a regular file that the resolver may read. Links are followed first, so that none leads out of the allowed folders.
func (r Resolver) read(path string) ([]byte, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("give the file's absolute path: a service's working folder is nobody's choice")
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, plain(err)
	}
	if !r.allows(real) {
		return nil, fmt.Errorf("the file is outside the folders that references may read")
	}
	if info, err := os.Stat(real); err != nil {
		return nil, plain(err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file")
	}
	return readFileMax(real, referencedBytesMax)
}

func (r Resolver) allows(real string) bool {
	if len(r.AllowedPaths) == 0 {
		return true
	}
	for _, folder := range r.AllowedPaths {
		if f, err := filepath.EvalSymlinks(folder); err == nil {
			folder = f
		}
		if rel, err := filepath.Rel(folder, real); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}
