package change

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
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

// instantLayouts are ISO 8601 with as many digits of the second as a timestamptz(n) has; six where it does not say.
var instantLayouts = [...]string{
	"2006-01-02T15:04:05Z", "2006-01-02T15:04:05.0Z", "2006-01-02T15:04:05.00Z", "2006-01-02T15:04:05.000Z", "2006-01-02T15:04:05.0000Z",
	"2006-01-02T15:04:05.00000Z", "2006-01-02T15:04:05.000000Z",
}

// appendInstant writes a TimestampTZ with as many digits of the second as its column has. Years that have not four digits take longer.
func appendInstant(dst []byte, t Type, v Value) []byte {
	width := len(instantLayouts) - 1
	if t.Modifier >= 0 && int(t.Modifier) < width {
		width = int(t.Modifier)
	}
	at := time.UnixMicro(v.Int()).UTC()
	if y := at.Year(); isInfinite(v.Int()) || y < 0 || y > 9999 {
		return appendFarInstant(dst, v, width)
	}
	dst = append(dst, '"')
	dst = at.AppendFormat(dst, instantLayouts[width])
	return append(dst, '"')
}

func appendFarInstant(dst []byte, v Value, width int) []byte {
	text := v.String()
	rest, finite := strings.CutSuffix(text, "Z")
	if !finite || width == 0 {
		return appendString(dst, text)
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	return appendString(dst, whole+"."+(fraction + "000000")[:width]+"Z")
}
