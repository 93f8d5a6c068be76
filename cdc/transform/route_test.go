package transform

import "testing"

// Replacements are written as Java has them.
func TestReplacementsAreJavas(t *testing.T) {
	t.Parallel()
	for java, want := range map[string]string{"$1x": "${1}x", `\$1`: "$$1", "a$": "a$", `a\\b`: `a\b`, "${name}": "${name}"} {
		if got := template(java); got != want {
			t.Errorf("%q is %q, want %q", java, got, want)
		}
	}
}
