package config

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// mask is what a secret looks like to everybody but Reveal.
const mask = "***"

// Secret is text that never prints: fmt, JSON, slog and panics all show ***. The zero Secret is the empty one.
//
// The text sits behind a pointer because fmt walks unexported fields of structs without asking their methods; it prints a pointer as an address.
type Secret struct{ text *string }

// NewSecret hides text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal gives the text. Call it where the text is used (a header, a handshake), and keep the result nowhere.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal compares in constant time.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String shows whether there is one, and nothing else.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return mask
}

// GoString is String for %#v.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format is String for every verb, among them %x and %d.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, s.GoString())
		return
	}
	_, _ = io.WriteString(f, s.String())
}

// MarshalText covers JSON, XML and text encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue covers slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
