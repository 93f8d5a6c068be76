package kafka

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a password that never prints: every way of formatting, logging or encoding it gives three stars. string(s)
// is the value; it belongs in the one place that sends it.
type Secret string

const stars = "***"

// String hides the value.
func (s Secret) String() string { return stars }

// Format hides the value from every verb, %#v and %x among them.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, stars) }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(stars) }

// MarshalText hides the value from JSON and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(stars), nil }
