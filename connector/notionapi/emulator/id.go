package emulator

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// newUUID draws a version 8 uuid (Notion's page ids carry an 8 there) from the injected source.
func newUUID(r *rand.Rand) string {
	var b [16]byte
	for i := 0; i < 16; i += 8 {
		v := r.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return dashed(hex.EncodeToString(b[:]))
}

func dashed(h string) string {
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// parseUUID accepts a uuid with dashes in their places or none, in any case.
func parseUUID(s string) (string, bool) {
	switch {
	case len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-':
		s = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	case len(s) != 32:
		return "", false
	}
	if _, err := hex.DecodeString(s); err != nil {
		return "", false
	}
	return dashed(strings.ToLower(s)), true
}

// propertyIDChars is what Notion's four-letter property ids are made of; more
// than half of it must be percent-encoded in a URL, which is the point.
const propertyIDChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:;<=>?@[\\]^`{|}~"

func newPropertyID(r *rand.Rand) string {
	var b [4]byte
	for i := range b {
		b[i] = propertyIDChars[r.IntN(len(propertyIDChars))]
	}
	return string(b[:])
}

// encodeID is encodeURIComponent: property ids are answered in this form.
func encodeID(s string) string {
	const up = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_.!~*'()", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(up[c>>4])
			b.WriteByte(up[c&15])
		}
	}
	return b.String()
}
