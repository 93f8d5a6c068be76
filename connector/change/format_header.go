package change

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Headers gives the headers that tell the two halves of a key change of each other.
func (f Format) Headers(e *Event) []Header {
	f.inHeader = true
	var headers []Header
	if e.NewKey != nil {
		headers = append(headers, Header{Key: HeaderNewKey, Value: unpair(f.AppendKey(nil, e.NewKey))})
	}
	if e.OldKey != nil {
		headers = append(headers, Header{Key: HeaderOldKey, Value: unpair(f.AppendKey(nil, e.OldKey))})
	}
	return headers
}

// unpair writes characters beyond the first plane as they are: Connect's converter of headers escapes none of them, as its converter of values does.
func unpair(json []byte) []byte {
	const pair = len(`\uD83D\uDE00`)
	if !bytes.Contains(json, []byte(`\uD`)) {
		return json
	}
	out := make([]byte, 0, len(json))
	for i := 0; i < len(json); i++ {
		if json[i] != '\\' {
			out = append(out, json[i])
			continue
		}
		if i+pair <= len(json) {
			if r := utf16.DecodeRune(escaped(json[i:]), escaped(json[i+pair/2:])); r != utf8.RuneError {
				out = utf8.AppendRune(out, r)
				i += pair - 1
				continue
			}
		}
		out = append(out, json[i], json[i+1]) // a backslash never stands alone
		i++
	}
	return out
}

// escaped is the code unit of an escape like \uD83D; -1: there is none.
func escaped(json []byte) rune {
	if json[0] != '\\' || json[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(json[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
