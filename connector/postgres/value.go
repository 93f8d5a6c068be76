package postgres

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// ParseValue reads what PostgreSQL prints for a value that is not null, in a session of ours (see Config.session: the form of
// dates and bytes depends on it). It is total: what it cannot read, and types that it does not know, stay text.
func ParseValue(t change.Type, text string) change.Value {
	if v, ok := parseKnown(t, text); ok {
		return v
	}
	return change.TextValue(text)
}

func parseKnown(t change.Type, text string) (change.Value, bool) {
	switch t.Name {
	case "text", "varchar", "bpchar", "name", "citext", "enum", change.UserType:
		return change.TextValue(text), true
	case "int8", "int4", "int2", "oid":
		n, err := strconv.ParseInt(text, 10, 64)
		return change.IntValue(n), err == nil
	case "bool":
		return change.BoolValue(text == "t"), text == "t" || text == "f"
	case "numeric":
		return change.DecimalValue(text), true
	case "timestamptz":
		n, ok := parseTimestamp(text)
		return change.TimestampTZValue(n), ok
	case "timestamp":
		n, ok := parseTimestamp(text)
		return change.TimestampValue(n), ok
	case "date":
		n, ok := parseDate(text)
		return change.DateValue(n), ok
	case "uuid":
		return change.UUIDValue(text), true
	case "json", "jsonb":
		return change.JSONValue(text), true
	case "float8", "float4":
		f, err := strconv.ParseFloat(text, 64)
		return change.FloatValue(f), err == nil
	case "time":
		n, ok := parseClock(text)
		return change.TimeValue(n), ok
	case "timetz":
		return change.TextKindValue(change.TimeTZ, text), true
	case "interval":
		return change.TextKindValue(change.Interval, text), true
	case "bytea":
		digits, ok := strings.CutPrefix(text, `\x`)
		b, err := hex.DecodeString(digits)
		return change.BytesValue(b), ok && err == nil
	case "money":
		return change.DecimalValue(strings.NewReplacer("$", "", ",", "").Replace(text)), true
	}
	if t.Name == "int2vector" || t.Name == "oidvector" {
		return parseVector(text)
	}
	if elem, ok := t.Elem(); ok {
		return parseArray(t, elem, text)
	}
	return change.Value{}, false
}

// parseVector reads "1 2 3", as the catalog's own arrays are printed.
func parseVector(text string) (change.Value, bool) {
	var items []change.Value
	for word := range strings.FieldsSeq(text) {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return change.Value{}, false
		}
		items = append(items, change.IntValue(n))
	}
	return change.ListValue(items...), true
}

// parseArray reads '{1,NULL,"a b",{…}}' into nested lists. Lower bounds other than one ("[2:3]={…}") are left out.
// https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
func parseArray(t, elem change.Type, text string) (change.Value, bool) {
	if strings.HasPrefix(text, "[") {
		_, text, _ = strings.Cut(text, "=")
	}
	p := arrayParser{text: text, elem: elem, delimiter: ','}
	if elem.Name == "box" { // pg_type.typdelim; the only built-in type with another
		p.delimiter = ';'
	}
	v, ok := p.list(0)
	return v, ok && p.at == len(text)
}

const arrayDepthMax = 6 // MAXDIM in PostgreSQL's c.h

type arrayParser struct {
	text      string
	at        int
	elem      change.Type
	delimiter byte
}

func (p *arrayParser) list(depth int) (change.Value, bool) {
	if !p.take('{') || depth == arrayDepthMax {
		return change.Value{}, false
	}
	var items []change.Value
	if p.take('}') {
		return change.ListValue(items...), true
	}
	for {
		item, ok := p.item(depth)
		if !ok {
			return change.Value{}, false
		}
		items = append(items, item)
		if p.take('}') {
			return change.ListValue(items...), true
		}
		if !p.take(p.delimiter) {
			return change.Value{}, false
		}
	}
}

func (p *arrayParser) item(depth int) (change.Value, bool) {
	if p.at == len(p.text) {
		return change.Value{}, false
	}
	switch p.text[p.at] {
	case '{':
		return p.list(depth + 1)
	case '"':
		text, ok := p.quoted()
		return ParseValue(p.elem, text), ok
	}
	from := p.at
	for p.at < len(p.text) && p.text[p.at] != p.delimiter && p.text[p.at] != '}' {
		p.at++
	}
	if word := p.text[from:p.at]; word != "NULL" {
		return ParseValue(p.elem, word), word != ""
	}
	return change.NullValue(), true
}

func (p *arrayParser) quoted() (string, bool) {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		c := p.text[p.at]
		switch c {
		case '"':
			p.at++
			return b.String(), true
		case '\\':
			if p.at++; p.at == len(p.text) {
				return "", false
			}
			c = p.text[p.at]
		}
		b.WriteByte(c)
	}
	return "", false
}

func (p *arrayParser) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}
