package change

import (
	"encoding/base64"
	"encoding/binary"
	"time"
)

// smallDigits is how many digits fit 64 bits whatever they are.
const smallDigits = 18

// appendSmallDecimal writes what appendDecimal does in its precise form, for numbers of few digits in a column with a scale: nearly all there are. It allocates nothing;
// ok is false for the others.
func appendSmallDecimal(dst []byte, text string, scale int) (out []byte, ok bool) {
	negative := text != "" && text[0] == '-'
	digits := text
	if negative {
		digits = text[1:]
	}
	if digits == "" || len(digits) > smallDigits+1 {
		return dst, false
	}
	var n int64
	count, fraction := 0, -1 // digits; those after the point, if there is one
	for i := range len(digits) {
		switch c := digits[i]; {
		case c == '.' && fraction < 0:
			fraction = 0
			continue
		case c < '0' || c > '9':
			return dst, false
		default:
			n = n*10 + int64(c-'0')
		}
		count++
		if fraction >= 0 {
			fraction++
		}
	}
	if count == 0 || count > smallDigits || max(fraction, 0) > scale || count+scale-max(fraction, 0) > smallDigits {
		return dst, false
	}
	for range scale - max(fraction, 0) {
		n *= 10
	}
	if negative {
		n = -n
	}
	var bytes [8]byte
	binary.BigEndian.PutUint64(bytes[:], uint64(n))
	short := bytes[:]
	for len(short) > 1 && (short[0] == 0 && short[1] < 0x80 || short[0] == 0xff && short[1] >= 0x80) {
		short = short[1:] // what the sign says already
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, short)
	return append(dst, '"'), true
}

// appendInstant writes a TimestampTZ as [Value.String] has it.
func appendInstant(dst []byte, v Value) []byte {
	t := time.UnixMicro(v.Int()).UTC()
	if y := t.Year(); isInfinite(v.Int()) || y < 0 || y > 9999 {
		return appendString(dst, v.String())
	}
	dst = append(dst, '"')
	dst = t.AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}
