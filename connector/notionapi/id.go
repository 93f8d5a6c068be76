package notionapi

import (
	"net/url"
	"strings"
)

// CanonicalID gives a property id its one form for comparing and for map keys: percent-encoded as JavaScript's encodeURIComponent
// does, which is how Notion writes ids in answers and webhooks. It takes the encoded and the plain form.
func CanonicalID(id string) string {
	if plainID(id) {
		return id
	}
	decoded, err := url.PathUnescape(id)
	if err != nil {
		decoded = id // a plain id with a percent sign in it
	}
	var b strings.Builder
	for i := range len(decoded) {
		if c := decoded[i]; unreserved(c) {
			b.WriteByte(c)
		} else {
			const hex = "0123456789ABCDEF"
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

func plainID(id string) bool {
	for i := range len(id) {
		if !unreserved(id[i]) {
			return false
		}
	}
	return true
}

// unreserved are the bytes that encodeURIComponent leaves alone.
func unreserved(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-_.!~*'()", c) >= 0
}

// ObjectID gives the id of a page, database, data source or user its one form: dashed, lower case. It takes ids with and without
// dashes. Text that is no id comes back unchanged, with false.
func ObjectID(text string) (string, bool) {
	var hex [32]byte
	n := 0
	for i := range len(text) {
		c := text[i]
		switch {
		case c == '-':
			continue
		case 'A' <= c && c <= 'F':
			c += 'a' - 'A'
		case ('0' <= c && c <= '9') || ('a' <= c && c <= 'f'):
		default:
			return text, false
		}
		if n == len(hex) {
			return text, false
		}
		hex[n] = c
		n++
	}
	if n != len(hex) {
		return text, false
	}
	s := string(hex[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:], true
}

// canonObjectID is ObjectID for ids that Notion itself sent.
func canonObjectID(text string) string {
	id, _ := ObjectID(text)
	return id
}
