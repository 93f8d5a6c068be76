package converter

import (
	"fmt"
	"strings"
)

// Adjustment is how names are made that Avro takes: letters, digits and underscores, a digit not first (https://avro.apache.org/docs/1.12.0/specification/#names).
type Adjustment string

// The adjustments, as in Debezium's SchemaNameAdjuster.
const (
	AdjustNone        Adjustment = "none"
	AdjustAvro        Adjustment = "avro"
	AdjustAvroUnicode Adjustment = "avro_unicode"
)

func (a Adjustment) changes() bool { return a == AdjustAvro || a == AdjustAvroUnicode }

// schemaName adjusts a name with dots in it.
func (a Adjustment) schemaName(name string) string {
	if !a.changes() {
		return name
	}
	var b strings.Builder
	for i, r := range name {
		if r == '.' && i > 0 || a.takes(r, i == 0) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(a.replace(r))
	}
	return b.String()
}

// fieldName adjusts a column's name. A digit that comes first stays, behind an underscore.
func (a Adjustment) fieldName(name string) string {
	if !a.changes() {
		return name
	}
	var b strings.Builder
	for i, r := range name {
		switch {
		case i == 0 && r >= '0' && r <= '9' && a == AdjustAvro:
			b.WriteByte('_')
			b.WriteRune(r)
		case a.takes(r, i == 0):
			b.WriteRune(r)
		default:
			b.WriteString(a.replace(r))
		}
	}
	return b.String()
}

func (a Adjustment) takes(r rune, first bool) bool {
	switch {
	case r == '_':
		return a == AdjustAvro // in unicode mode it begins an escape
	case r >= '0' && r <= '9':
		return !first
	}
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func (a Adjustment) replace(r rune) string {
	if a == AdjustAvro {
		if r > 0xffff { // Java counts two characters
			return "__"
		}
		return "_"
	}
	if r > 0xffff {
		r -= 0x10000
		return fmt.Sprintf("_u%04x_u%04x", 0xd800+r>>10, 0xdc00+r&0x3ff)
	}
	return fmt.Sprintf("_u%04x", r)
}
