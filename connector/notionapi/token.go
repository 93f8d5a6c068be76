package notionapi

import (
	"fmt"
	"io"
	"log/slog"
)

// Token is a secret: an integration's token, or a webhook's verification token. It never prints.
type Token string

const redacted = "***"

// String hides the token.
func (Token) String() string { return redacted }

// Format hides the token from every verb, also those that ignore String.
func (Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue hides the token from slog.
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the token from JSON and every other text encoding.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }
