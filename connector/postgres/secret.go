package postgres

import "log/slog"

// Secret is text that never prints: String, fmt, JSON and slog give "***". Convert it to string to use it.
type Secret string

const hidden = "***"

// String hides the content; an empty secret shows that it is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString is String for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String for JSON and friends.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
