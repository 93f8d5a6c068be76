package change

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Infinite times in epoch numbers, as Debezium (in truth pgjdbc's PGStatement) writes timestamps; dates get PostgreSQL's own.
const (
	infinityMicros    = 9223372036825200000
	negInfinityMicros = -9223372036832400000
	infinityDays      = math.MaxInt32
	negInfinityDays   = math.MinInt32
)

// AppendColumn writes one value as Debezium represents its type (facts: "Data types" of Debezium's PostgreSQL page).
func (f Format) AppendColumn(dst []byte, t Type, v Value) []byte {
	switch v.Kind() {
	case Absent, Null:
		return append(dst, "null"...)
	case Bool:
		return strconv.AppendBool(dst, v.Bool())
	case Int:
		return strconv.AppendInt(dst, v.Int(), 10)
	case Float:
		return appendFloat(dst, v.Float(), t.Name)
	case Decimal:
		return f.appendDecimal(dst, t, v.Text())
	case Bytes:
		return f.appendBytes(dst, v.Text())
	case Date:
		return f.appendDate(dst, v)
	case Time:
		return f.appendTime(dst, t, v)
	case Timestamp:
		return f.appendTimestamp(dst, t, v)
	case TimestampTZ:
		return appendInstant(dst, t, v)
	case TimeTZ:
		return appendString(dst, timeTZToUTC(v.Text()))
	case Interval:
		return f.appendInterval(dst, v.Text())
	case List, Set:
		return f.appendItems(dst, t, v.Items())
	default: // Text, JSON, UUID
		return f.appendText(dst, t, v.Text())
	}
}

func (f Format) appendItems(dst []byte, t Type, items []Value) []byte {
	elem := t
	if e, ok := t.Elem(); ok {
		elem = e
	}
	dst = append(dst, '[')
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		of := elem
		if item.Kind() == List { // a further dimension of the same array
			of = t
		}
		dst = f.AppendColumn(dst, of, item)
	}
	return append(dst, ']')
}

func (f Format) appendText(dst []byte, t Type, text string) []byte {
	switch t.Name {
	case "bit", "varbit":
		return f.appendBits(dst, t, text)
	case "point":
		if out, ok := appendPoint(dst, text); ok {
			return out
		}
	case "hstore":
		if object, ok := hstoreToJSON(text); ok {
			if f.HstoreMode == "map" {
				return append(dst, object...)
			}
			return appendString(dst, string(unpair([]byte(object)))) // JSON in a text is escaped once
		}
	default:
		if f.opaque(t) {
			return f.appendBytes(dst, text)
		}
	}
	return appendString(dst, text)
}

// textTypes are those whose text Debezium writes as text (PostgresValueConverter). Others are dropped there, or bytes.
var textTypes = map[string]bool{
	"text": true, "varchar": true, "bpchar": true, "char": true, "name": true, "citext": true, "enum": true, "json": true, "jsonb": true, "xml": true, "uuid": true, "hstore": true, "isbn": true,
	"ltree": true, "tsvector": true, "inet": true, "cidr": true, "macaddr": true, "macaddr8": true, "bit": true, "varbit": true, "point": true, "interval": true, "timetz": true,
	"int4range": true, "int8range": true, "numrange": true, "tsrange": true, "tstzrange": true, "daterange": true,
}

// opaque reports that values of t are text for want of anything better, and are to be bytes.
func (f Format) opaque(t Type) bool { return f.UnknownBytes && !textTypes[t.Name] }

// appendFloat writes a number as Java does (Double.toString and Float.toString), which is what Connect's converter writes: with a point always,
// and with an exponent below a thousandth and from ten million on. What JSON has no number for is text.
func appendFloat(dst []byte, x float64, typ string) []byte {
	switch size := math.Abs(x); {
	case math.IsNaN(x):
		return append(dst, `"NaN"`...)
	case math.IsInf(x, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(x, -1):
		return append(dst, `"-Infinity"`...)
	case x == 0 || size >= 1e-3 && size < 1e7:
		from := len(dst)
		dst = strconv.AppendFloat(dst, x, 'f', -1, bits(typ))
		if bytes.IndexByte(dst[from:], '.') < 0 {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, x, 'E', -1, bits(typ))
	if bytes.IndexByte(dst[from:], '.') < 0 { // one digit: Java writes two, those nearest to the number (4.9E-324)
		dst = strconv.AppendFloat(dst[:from], x, 'E', 1, bits(typ))
	}
	at := from + bytes.IndexByte(dst[from:], 'E') + 1
	if dst[at] == '+' { // Go's exponents have a sign and two digits
		dst = append(dst[:at], dst[at+1:]...)
	} else {
		at++
	}
	if dst[at] == '0' {
		dst = append(dst[:at], dst[at+1:]...)
	}
	return dst
}

// bits is a float's size.
func bits(typ string) int {
	if typ == "float4" {
		return 32
	}
	return 64
}

func (f Format) appendBytes(dst []byte, b string) []byte {
	dst = append(dst, '"')
	switch f.BinaryMode {
	case "hex":
		dst = hex.AppendEncode(dst, []byte(b))
	case "base64-url-safe":
		dst = base64.URLEncoding.AppendEncode(dst, []byte(b))
	default:
		dst = base64.StdEncoding.AppendEncode(dst, []byte(b))
	}
	return append(dst, '"')
}

// appendDecimal writes Connect's Decimal (base64 of the unscaled integer) where the type has a scale, else Debezium's
// VariableScaleDecimal. NaN and the infinities, which neither can hold, are text: wrong for a decoder, but not silently null.
func (f Format) appendDecimal(dst []byte, t Type, text string) []byte {
	switch f.DecimalMode {
	case "string":
		return appendString(dst, text)
	case "double":
		x, err := strconv.ParseFloat(text, 64)
		if err != nil && !math.IsInf(x, 0) {
			return appendString(dst, text)
		}
		return appendFloat(dst, x, "")
	}
	if declared, ok := f.declaredScale(t); ok && !f.inHeader {
		if out, ok := appendSmallDecimal(dst, text, declared); ok {
			return out
		}
	}
	unscaled, scale, ok := unscale(text)
	if !ok {
		return appendString(dst, text)
	}
	if declared, ok := f.declaredScale(t); ok {
		if f.inHeader {
			return append(dst, text...)
		}
		return appendUnscaled(dst, rescale(unscaled, scale, declared))
	}
	unscaled, scale = stripZeros(unscaled, scale)
	dst = append(dst, `{"scale":`...)
	dst = strconv.AppendInt(dst, int64(scale), 10)
	dst = append(dst, `,"value":`...)
	dst = appendUnscaled(dst, unscaled)
	return append(dst, '}')
}

func unscale(text string) (unscaled *big.Int, scale int, ok bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	unscaled, ok = new(big.Int).SetString(whole+fraction, 10)
	return unscaled, len(fraction), ok
}

// stripZeros drops zeros behind the point, as Debezium does before it writes a VariableScaleDecimal: 1.10 has scale 1.
func stripZeros(unscaled *big.Int, scale int) (*big.Int, int) {
	ten, rest := big.NewInt(10), new(big.Int)
	for scale > 0 {
		shorter, _ := new(big.Int).QuoRem(unscaled, ten, rest)
		if rest.Sign() != 0 {
			break
		}
		unscaled, scale = shorter, scale-1
	}
	return unscaled, scale
}

// declaredScale reads numeric(p,s) out of the modifier; s may be negative since PostgreSQL 15 (numeric.c, NUMERIC_TYPMOD).
func (f Format) declaredScale(t Type) (int, bool) {
	switch {
	case t.Name == "money":
		if f.MoneyDigits != nil {
			return *f.MoneyDigits, true
		}
		return 2, true
	case t.Modifier < 4:
		return 0, false
	}
	return int((t.Modifier-4)&0x7ff^1024) - 1024, true
}

func rescale(unscaled *big.Int, from, to int) *big.Int {
	if from == to {
		return unscaled
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(from-to, to-from))), nil)
	if to > from {
		return power.Mul(power, unscaled)
	}
	half := new(big.Int).Rsh(power, 1) // Java's HALF_UP: away from zero
	if unscaled.Sign() < 0 {
		half.Neg(half)
	}
	return power.Quo(half.Add(half, unscaled), power)
}

// appendUnscaled writes what Java's BigInteger.toByteArray gives: two's complement, big-endian, as short as can be.
func appendUnscaled(dst []byte, n *big.Int) []byte {
	size := n.BitLen()/8 + 1
	if n.Sign() < 0 {
		size = new(big.Int).Not(n).BitLen()/8 + 1
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, n.FillBytes(make([]byte, size)))
	return append(dst, '"')
}

// appendBits writes bit(1) as a boolean and longer ones as little-endian bytes, as many as the bits need: leading zeros stay.
func (f Format) appendBits(dst []byte, t Type, bits string) []byte {
	if t.Modifier == 1 || t.Name == "bit" && t.Modifier < 0 {
		if bits == "" { // varbit(1): neither true nor false
			return append(dst, "null"...)
		}
		return strconv.AppendBool(dst, bits == "1")
	}
	out := make([]byte, (len(bits)+7)/8)
	for i := range len(bits) {
		if bits[len(bits)-1-i] == '1' {
			out[i/8] |= 1 << (i % 8)
		}
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, out)
	return append(dst, '"')
}

// appendPoint writes io.debezium.data.geometry.Point; wkb is OGC's well-known binary, little-endian.
func appendPoint(dst []byte, text string) ([]byte, bool) {
	left, right, ok := strings.Cut(strings.Trim(text, "()"), ",")
	x, errX := strconv.ParseFloat(left, 64)
	y, errY := strconv.ParseFloat(right, 64)
	if !ok || errX != nil || errY != nil {
		return dst, false
	}
	wkb := []byte{1, 1, 0, 0, 0}
	wkb = binary.LittleEndian.AppendUint64(wkb, javaBits(x))
	wkb = binary.LittleEndian.AppendUint64(wkb, javaBits(y))
	dst = append(dst, `{"x":`...)
	dst = appendFloat(dst, x, "")
	dst = append(dst, `,"y":`...)
	dst = appendFloat(dst, y, "")
	dst = append(dst, `,"wkb":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, wkb)
	return append(dst, `","srid":null}`...), true
}

// javaBits knows one NaN, Java's.
func javaBits(x float64) uint64 {
	if math.IsNaN(x) {
		return 0x7ff8000000000000
	}
	return math.Float64bits(x)
}

const hexDigits = "0123456789ABCDEF"

func appendEscape(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// AppendString writes a JSON string in the form that values have.
func AppendString(dst []byte, s string) []byte { return appendString(dst, s) }

// appendString writes a JSON string as Jackson does: characters beyond the first plane as two escapes, escapes in capitals. Bytes that are not
// UTF-8 (a SQL_ASCII database) become U+FFFD, as encoding/json has it.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), `\ufffd`...)
				start = i + size
			}
			if r > 0xffff {
				high, low := utf16.EncodeRune(r)
				dst = appendEscape(appendEscape(append(dst, s[start:i]...), high), low)
				start = i + size
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			dst = appendEscape(dst, rune(c))
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
