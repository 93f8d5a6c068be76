package change

import (
	"math/big"
	"strconv"
)

// Conform gives a row whose values fit its schema; row itself is left as it is. What JSON without schemas can say and a schema cannot:
//   - a column that was not sent, where null must not stand: the column's default, or its type's zero, as Debezium has it. Only in an old row, which
//     says no more than its key then;
//   - NaN and the infinities where numeric is written as Connect's Decimal: null, as Debezium has it. Where null must not stand either, ok is false;
//   - the placeholder of a value that was not sent, where the schema has no text (arrays of numbers): its bytes, as numbers.
//
// definitions are the columns', in their order.
func (f Format) Conform(row Row, definitions []Definition, old bool) (fit Row, column string, ok bool) {
	fit = row
	put := func(i int, v Value) {
		if &fit[0] == &row[0] {
			fit = append(Row(nil), row...)
		}
		fit[i].Value = v
	}
	for i := range row {
		t, v, d := row[i].Type, row[i].Value, definitions[i]
		switch {
		case v.IsAbsent() && old:
			if d.NotNull {
				put(i, d.standIn(t))
			}
		case v.IsAbsent():
			if stand, needed := f.placeholderValue(t); needed {
				put(i, stand)
			}
		case v.IsNull() && d.NotNull: // the catalog is ahead of the stream, or behind it
			put(i, d.standIn(t))
		case v.Kind() == Decimal && f.precise() && !finite(v.Text()):
			if d.NotNull {
				return nil, row[i].Name, false
			}
			put(i, NullValue())
		case v.Kind() == List && f.precise() && hasInfinite(v):
			put(i, finiteItems(v))
		}
	}
	return fit, "", true
}

func (f Format) precise() bool { return f.DecimalMode == "" || f.DecimalMode == "precise" }

// standIn is what an old row says of a column that was not sent.
func (d Definition) standIn(t Type) Value {
	if d.Default != "" && !d.Domain && hasDefaults[t.Name] {
		if v, ok := literal(t, d.Default); ok {
			return v
		}
	}
	v, _ := zeroOf(t)
	return v
}

// finite tells numbers from "NaN", "Infinity" and "-Infinity".
func finite(text string) bool {
	return text == "" || text[len(text)-1] >= '0' && text[len(text)-1] <= '9'
}

func hasInfinite(v Value) bool {
	for _, item := range v.Items() {
		if item.Kind() == Decimal && !finite(item.Text()) || item.Kind() == List && hasInfinite(item) {
			return true
		}
	}
	return false
}

func finiteItems(v Value) Value {
	items := append([]Value(nil), v.Items()...)
	for i, item := range items {
		switch {
		case item.Kind() == Decimal && !finite(item.Text()):
			items[i] = NullValue()
		case item.Kind() == List:
			items[i] = finiteItems(item)
		}
	}
	return ListValue(items...)
}

// placeholderValue gives the placeholder where its text would not fit: its bytes, as a number or as numbers. Only numeric, hstore and arrays are ever so
// large that they are not sent.
func (f Format) placeholderValue(t Type) (Value, bool) {
	text := f.Placeholder
	if text == "" {
		text = Unavailable
	}
	elem, isArray := t.Elem()
	switch {
	case isArray:
		if s := f.columnSchema(elem, Definition{}, Value{}); s.Type == SchemaString || s.Type == SchemaBytes && s.Name == "" {
			return Value{}, false
		}
		items := make([]Value, len(text))
		for i := range text {
			items[i] = codeOf(elem, int64(text[i]))
		}
		return ListValue(items...), true
	case t.Name == "hstore" && f.HstoreMode == "map":
		return TextValue(`"` + text + `"=>"` + text + `"`), true
	case t.Name == "numeric" && f.DecimalMode == "double":
		return DecimalValue("NaN"), true
	case t.Name == "numeric" && f.precise():
		digits := new(big.Int).SetBytes([]byte(text)).String()
		scale, _ := f.declaredScale(t)
		if scale > 0 && len(digits) > scale {
			digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
		}
		return DecimalValue(digits), true
	}
	return Value{}, false
}

// codeOf is a byte of the placeholder as a value of an array.
func codeOf(elem Type, code int64) Value {
	switch elem.Name {
	case "float4", "float8":
		return FloatValue(float64(code))
	case "numeric", "money":
		return DecimalValue(strconv.FormatInt(code, 10))
	case "int2", "int4", "int8", "oid":
		return IntValue(code)
	case "date":
		return DateValue(code)
	case "time":
		return TimeValue(code)
	case "timestamp":
		return TimestampValue(code)
	case "interval":
		return TextKindValue(Interval, "00:00:"+strconv.FormatInt(code, 10))
	}
	v, _ := zeroOf(elem)
	return v
}
