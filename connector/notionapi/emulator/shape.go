package emulator

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Shape checks produce Notion's own sentences. A check returns the lines that
// are wrong; none means that the value may be read without looking again.

// shownMax is where the service cuts a quoted value.
const shownMax = 55

// quoted shows a value as the service does: its JSON in backticks, cut at 55 characters.
func quoted(v any) string {
	s := string(appendJSON(nil, v))
	if r := []rune(s); len(r) > shownMax {
		s = string(r[:shownMax]) + "..."
	}
	return "`" + s + "`"
}

func should(path, expect string, got any) string {
	return path + " should be " + expect + ", instead was " + quoted(got) + "."
}

// failed makes the error of a request part (body, path, query); nil when nothing is wrong.
func failed(part string, lines []string) *apiError {
	switch len(lines) {
	case 0:
		return nil
	case 1:
		return invalid("%s failed validation: %s", part, lines[0])
	default:
		return invalid("%s failed validation. Fix one:\n%s", part, strings.Join(lines, "\n"))
	}
}

func one(line string) []string { return []string{line} }

// allowed refuses keys that are not in the list.
func allowed(path string, o *object, keys ...string) []string {
	for i, k := range o.keys {
		ok := false
		for _, want := range keys {
			ok = ok || k == want
		}
		if !ok {
			return one(should(path+"."+k, "not present", o.vals[i]))
		}
	}
	return nil
}

func wantObject(path string, v any) (*object, []string) {
	switch v := v.(type) {
	case *object:
		return v, nil
	case undefined:
		return nil, one(should(path, "defined", v))
	default:
		return nil, one(should(path, "an object", v))
	}
}

// optObject is wantObject for a key that may be absent; it must be there to be read.
func optObject(path string, v any) (*object, []string) {
	if o, ok := v.(*object); ok {
		return o, nil
	}
	return nil, one(should(path, "an object or `undefined`", v))
}

// optArray is wantArray for a key that may be absent.
func optArray(path string, v any, check func(string, any) []string) []string {
	switch v.(type) {
	case undefined:
		return nil
	case []any:
		return check(path, v)
	default:
		return one(should(path, "an array or `undefined`", v))
	}
}

// wantArray checks an array of at most limit elements.
func wantArray(path string, v any, limit int) ([]any, []string) {
	switch v := v.(type) {
	case []any:
		if len(v) > limit {
			return nil, one(fmt.Sprintf("%s.length should be ≤ `%d`, instead was `%d`.", path, limit, len(v)))
		}
		return v, nil
	case undefined:
		return nil, one(should(path, "defined", v))
	default:
		return nil, one(should(path, "an array", v))
	}
}

// utf16Len counts as the service's runtime does.
func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// wantString checks a string of minimum (0 or 1) to limit UTF-16 units; limit 0 is none.
func wantString(path string, v any, minimum, limit int, orNull bool) (string, []string) {
	s, ok := v.(string)
	switch {
	case !ok && orNull:
		return "", one(should(path, "a string or `null`", v))
	case !ok:
		if _, absent := v.(undefined); absent {
			return "", one(should(path, "defined", v))
		}
		return "", one(should(path, "a string", v))
	case s == "" && minimum > 0:
		return "", one(should(path, "populated", v))
	case limit > 0 && utf16Len(s) > limit:
		return "", one(fmt.Sprintf("%s.length should be ≤ `%d`, instead was `%d`.", path, limit, utf16Len(s)))
	}
	return s, nil
}

func wantBool(path string, v any) []string {
	if _, ok := v.(bool); ok {
		return nil
	}
	return one(should(path, "a boolean", v))
}

// optBool is wantBool for a key that may be absent.
func optBool(path string, o *object, key string) []string {
	v := o.get(key)
	if _, absent := v.(undefined); absent {
		return nil
	}
	if _, ok := v.(bool); ok {
		return nil
	}
	return one(should(path+"."+key, "a boolean or `undefined`", v))
}

func wantUUID(path string, v any) (string, []string) {
	s, ok := v.(string)
	if !ok {
		if _, absent := v.(undefined); absent {
			return "", one(should(path, "defined", v))
		}
		return "", one(should(path, "a string", v))
	}
	id, ok := parseUUID(s)
	if !ok {
		return "", one(should(path, "a valid uuid", v))
	}
	return id, nil
}

// oneOf lists choices as the service does: `"a"` or `"b"`; `"a"`, `"b"`, or `"c"`.
func oneOf(choices []string, orUndefined bool) string {
	parts := make([]string, 0, len(choices)+1)
	for _, c := range choices {
		parts = append(parts, "`"+strconv.Quote(c)+"`")
	}
	if orUndefined {
		parts = append(parts, "`undefined`")
	}
	switch len(parts) {
	case 1:
		return parts[0]
	case 2:
		return parts[0] + " or " + parts[1]
	default:
		return strings.Join(parts[:len(parts)-1], ", ") + ", or " + parts[len(parts)-1]
	}
}

func wantOneOf(path string, v any, choices ...string) []string {
	s, ok := v.(string)
	for _, c := range choices {
		if ok && s == c {
			return nil
		}
	}
	if _, absent := v.(undefined); absent {
		return one(should(path, "defined", v))
	}
	return one(should(path, oneOf(choices, false), v))
}

func optOneOf(path string, v any, choices ...string) []string {
	if _, absent := v.(undefined); absent {
		return nil
	}
	s, ok := v.(string)
	for _, c := range choices {
		if ok && s == c {
			return nil
		}
	}
	return one(should(path, oneOf(choices, true), v))
}
