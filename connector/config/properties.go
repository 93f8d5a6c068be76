package config

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

type property struct{ key, value string }

// properties reads Java's format (java.util.Properties.load): comments with # or !, keys ended by =, : or a blank, a
// backslash at the end of a line to go on, \t \n \r \f \uXXXX, and any other escaped character as itself.
func properties(text string, problems *Problems) []property {
	var out []property
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	for i := 0; i < len(lines); i++ {
		line := trimLeft(lines[i])
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continues(line) && i+1 < len(lines) {
			i++
			line = line[:len(line)-1] + trimLeft(lines[i])
		}
		if continues(line) {
			line = line[:len(line)-1]
		}
		rawKey, rawValue := split(line)
		key, ok := unescape(rawKey)
		value, ok2 := unescape(rawValue)
		if !ok || !ok2 {
			problems.Errorf(shorten(key), "holds a \\u that is not followed by four hexadecimal digits")
			continue
		}
		out = append(out, property{key, value})
	}
	return out
}

func trimLeft(s string) string { return strings.TrimLeft(s, " \t\f") }

// continues tells whether a line ends in an odd number of backslashes.
func continues(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

// split cuts a line at the first separator that is not escaped.
func split(line string) (key, value string) {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '=', ':':
			return line[:i], trimLeft(line[i+1:])
		case ' ', '\t', '\f':
			rest := trimLeft(line[i:])
			if rest != "" && (rest[0] == '=' || rest[0] == ':') {
				rest = trimLeft(rest[1:])
			}
			return line[:i], rest
		}
	}
	return line, ""
}

func unescape(s string) (string, bool) {
	if !strings.Contains(s, `\`) {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if plain := strings.IndexByte("tnrf", s[i]); plain >= 0 {
			b.WriteByte("\t\n\r\f"[plain])
			continue
		}
		if s[i] != 'u' {
			b.WriteByte(s[i])
			continue
		}
		r, size := escapedRune(s[i+1:])
		if size == 0 {
			return b.String(), false
		}
		b.WriteRune(r)
		i += size
	}
	return b.String(), true
}

// escapedRune reads what follows \u: four digits, or a surrogate pair over two escapes. A lone half becomes U+FFFD.
func escapedRune(s string) (r rune, size int) {
	unit := func(s string) (rune, bool) {
		if len(s) < 4 {
			return 0, false
		}
		n, err := strconv.ParseUint(s[:4], 16, 16)
		return rune(n), err == nil
	}
	high, ok := unit(s)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(high) && strings.HasPrefix(s[4:], `\u`) {
		if low, ok := unit(s[6:]); ok {
			if pair := utf16.DecodeRune(high, low); pair != utf8.RuneError {
				return pair, 10
			}
		}
	}
	return high, 4
}
