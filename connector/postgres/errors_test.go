package postgres

import (
	"strings"
	"testing"
)

// pgconn tries each address with TLS and without, and lists both; a refusal that is the same is told once.
func TestAFailedConnectionIsToldOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, given, want string }{
		{"refused with TLS and without", "failed to connect:\n\ta: connection refused\n\ta: connection refused", "failed to connect:\n\ta: connection refused"},
		{"a name that is not known", "failed to connect:\n\tresolving: lookup x: no such host\n\tlookup x: no such host", "failed to connect:\n\tresolving: lookup x: no such host"},
		{"two hosts", "failed to connect:\n\ta: connection refused\n\tb: connection refused", "failed to connect:\n\ta: connection refused\n\tb: connection refused"},
		{"one line", "failed to connect", "failed to connect"},
	} {
		if got := withoutEchoes(tt.given); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	_, err := Connect(t.Context(), Config{Host: "127.0.0.1", Port: 1, Database: "x", User: "x", SSLMode: "prefer"})
	if err == nil || strings.Count(err.Error(), "connection refused") != 1 || !strings.HasSuffix(err.Error(), "listen on this address and port?") {
		t.Errorf("nothing listens there: %v", err)
	}
}
