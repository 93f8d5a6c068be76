package change

import "strings"

// hstoreToJSON turns '"a"=>"1", "b"=>NULL' into '{"a":"1","b":null}'. hstore's output quotes everything but NULL.
func hstoreToJSON(text string) (string, bool) {
	out := []byte{'{'}
	for rest := text; rest != ""; {
		key, after, ok := cutQuoted(rest)
		if !ok || !strings.HasPrefix(after, "=>") {
			return "", false
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(appendString(out, key), ':')
		if tail, isNull := strings.CutPrefix(after[2:], "NULL"); isNull {
			out, rest = append(out, "null"...), tail
		} else {
			value, tail, ok := cutQuoted(after[2:])
			if !ok {
				return "", false
			}
			out, rest = appendString(out, value), tail
		}
		if rest != "" {
			if rest, ok = strings.CutPrefix(rest, ", "); !ok || rest == "" {
				return "", false
			}
		}
	}
	return string(append(out, '}')), true
}

// cutQuoted takes a quoted text, with backslash escapes, off the front.
func cutQuoted(s string) (content, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
