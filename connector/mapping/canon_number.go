package mapping

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// A Notion number is a double. 400 is beyond any exponent that a double has, and keeps "1e999999999" from becoming a gigabyte.
const exponentMax = 400

func canonNumber(v change.Value) (change.Value, error) {
	switch v.Kind() {
	case change.Null:
		return v, nil
	case change.Bool:
		return change.Value{}, fmt.Errorf("it is true or false, where a number belongs")
	}
	s, err := plain(v)
	if err != nil {
		return change.Value{}, err
	}
	if s = strings.TrimSpace(s); s == "" {
		return change.NullValue(), nil
	}
	switch strings.ToLower(s) {
	case "nan", "infinity", "-infinity", "+inf", "-inf", "inf", "+infinity":
		return change.Value{}, fmt.Errorf("%s is no number that Notion can hold", s)
	}
	d, err := parseDecimal(s)
	if err != nil {
		return change.Value{}, err
	}
	if !d.exactDouble() {
		return change.Value{}, fmt.Errorf("%s has more digits than a Notion number keeps (about 15 to 17); map it as text", shorten(s))
	}
	return change.DecimalValue(d.String()), nil
}

// decimal is digits × 10^exp, digits without leading or trailing zeros, "" for zero.
type decimal struct {
	negative bool
	digits   string
	exp      int
}

func parseDecimal(s string) (decimal, error) {
	bad := fmt.Errorf("%q is no number", shorten(s))
	mantissa, exponent, hasExp := strings.Cut(strings.ToLower(s), "e")
	var d decimal
	switch {
	case strings.HasPrefix(mantissa, "-"):
		d.negative, mantissa = true, mantissa[1:]
	case strings.HasPrefix(mantissa, "+"):
		mantissa = mantissa[1:]
	}
	whole, part, _ := strings.Cut(mantissa, ".")
	d.digits = whole + part
	if d.digits == "" || strings.Trim(d.digits, "0123456789") != "" {
		return decimal{}, bad
	}
	d.exp = -len(part)
	if hasExp {
		e, err := strconv.Atoi(exponent)
		if err != nil {
			return decimal{}, bad
		}
		d.exp += e
	}
	trimmed := strings.TrimRight(d.digits, "0")
	d.exp += len(d.digits) - len(trimmed)
	d.digits = strings.TrimLeft(trimmed, "0")
	if d.digits == "" {
		return decimal{}, nil
	}
	if d.exp > exponentMax || d.exp < -exponentMax {
		return decimal{}, fmt.Errorf("%s is beyond what a Notion number can hold", shorten(s))
	}
	return d, nil
}

// exactDouble reports that the nearest double's shortest text is this very number.
func (d decimal) exactDouble() bool {
	f, err := strconv.ParseFloat(d.String(), 64)
	if err != nil {
		return false
	}
	back, err := parseDecimal(strconv.FormatFloat(f, 'e', -1, 64))
	return err == nil && back == d
}

// String is the plain decimal: no exponent, no trailing zeros, no minus zero.
func (d decimal) String() string {
	if d.digits == "" {
		return "0"
	}
	var b strings.Builder
	if d.negative {
		b.WriteByte('-')
	}
	switch point := len(d.digits) + d.exp; {
	case d.exp >= 0:
		b.WriteString(d.digits)
		b.WriteString(strings.Repeat("0", d.exp))
	case point > 0:
		b.WriteString(d.digits[:point] + "." + d.digits[point:])
	default:
		b.WriteString("0." + strings.Repeat("0", -point) + d.digits)
	}
	return b.String()
}
