package notionapi

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// exponentMax is beyond every double's; it keeps a hostile "1e999999999" from becoming a gigabyte.
const exponentMax = 400

// canonDecimal gives a decimal its one text: no exponent, no plus, no needless zeros, no negative zero. False for what is no decimal.
func canonDecimal(text string) (string, bool) {
	rest, negative := strings.CutPrefix(text, "-")
	if !negative {
		rest = strings.TrimPrefix(rest, "+")
	}
	mantissa, exponent := rest, 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		n, err := strconv.Atoi(rest[i+1:])
		if err != nil || n > exponentMax || n < -exponentMax {
			return "", false
		}
		mantissa, exponent = rest[:i], n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return "", false
	}
	whole, fraction = movePoint(whole, fraction, exponent)
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	out := whole
	if out == "" {
		out = "0"
	}
	if fraction != "" {
		out += "." + fraction
	}
	if negative && out != "0" {
		out = "-" + out
	}
	return out, true
}

// movePoint shifts the decimal point to the right by n digits, to the left for a negative n.
func movePoint(whole, fraction string, n int) (string, string) {
	if n > 0 {
		fraction += strings.Repeat("0", max(n-len(fraction), 0))
		return whole + fraction[:n], fraction[n:]
	}
	whole = strings.Repeat("0", max(-n-len(whole), 0)) + whole
	return whole[:len(whole)+n], whole[len(whole)+n:] + fraction
}

// canonNumber refuses what a double does not give back: Notion keeps numbers as JavaScript does.
func canonNumber(v change.Value) (change.Value, error) {
	var text string
	switch v.Kind() {
	case change.Null:
		return v, nil
	case change.Decimal:
		text = v.Text()
	case change.Int:
		text = strconv.FormatInt(v.Int(), 10)
	case change.Float:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return v, valueErrorf("%v is no number that Notion can hold", f)
		}
		text = strconv.FormatFloat(v.Float(), 'f', -1, 64)
	default:
		return v, valueErrorf("a %s for a number property", v.Kind())
	}
	canonical, ok := canonDecimal(text)
	if !ok {
		return v, valueErrorf("%s is no number that Notion can hold", shorten(text))
	}
	f, err := strconv.ParseFloat(canonical, 64)
	back, _ := canonDecimal(strconv.FormatFloat(f, 'f', -1, 64))
	if err != nil || back != canonical {
		return v, valueErrorf("the number %s has more digits than Notion keeps (a double: 15 to 17); map it to a text property", shorten(canonical))
	}
	return change.DecimalValue(canonical), nil
}

func numberBody(v change.Value) (any, error) {
	if v.IsNull() {
		return nil, nil
	}
	f, err := strconv.ParseFloat(v.Text(), 64)
	if err != nil {
		return nil, valueErrorf("%s is no number", shorten(v.Text()))
	}
	// The shortest text that gives the double back, with an exponent where JSON has one.
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64)), nil
}

// shorten keeps messages readable.
func shorten(text string) string {
	const unitsMax = 60
	if runes := []rune(text); len(runes) > unitsMax {
		return string(runes[:unitsMax]) + "…"
	}
	return text
}
