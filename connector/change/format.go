package change

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Format writes events as Debezium's JSON without schemas (schemas.enable=false). Names and values of its modes are
// Debezium's options; the zero Format has Debezium's defaults. Where Debezium loses or damages a value the right one is
// written; docs/debezium-differences.md lists each difference.
type Format struct {
	DecimalMode  string // decimal.handling.mode: precise (default), string, double
	TimeMode     string // time.precision.mode: adaptive (default), adaptive_time_microseconds, connect, isostring, microseconds, nanoseconds
	BinaryMode   string // binary.handling.mode: bytes (default), base64, base64-url-safe, hex
	IntervalMode string // interval.handling.mode: numeric (default), string
	HstoreMode   string // hstore.handling.mode: json (default), map
	MoneyDigits  *int   // money.fraction.digits; nil: 2
	UnknownBytes bool   // include.unknown.datatypes: the text of types that Debezium does not know is written as bytea is; without it, as text
	Placeholder  string // unavailable.value.placeholder, default [Unavailable]

	inHeader bool // keys in headers are written by another converter of Connect's (SimpleHeaderConverter): decimals are numbers there
}

// Unavailable stands for a value that PostgreSQL did not send, because an update left a TOAST column as it was.
const Unavailable = "__debezium_unavailable_value"

// Validate reports every mode that does not exist.
func (f Format) Validate() error {
	var problems []error
	for _, option := range []struct {
		name, value string
		allowed     []string
	}{
		{"decimal.handling.mode", f.DecimalMode, []string{"precise", "string", "double"}},
		{"time.precision.mode", f.TimeMode,
			[]string{"adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"}},
		{"binary.handling.mode", f.BinaryMode, []string{"bytes", "base64", "base64-url-safe", "hex"}},
		{"interval.handling.mode", f.IntervalMode, []string{"numeric", "string"}},
		{"hstore.handling.mode", f.HstoreMode, []string{"json", "map"}},
	} {
		if option.value != "" && !slices.Contains(option.allowed, option.value) {
			problems = append(problems, fmt.Errorf("%s: %q is none of %v", option.name, option.value, option.allowed))
		}
	}
	return errors.Join(problems...)
}

// AppendKey writes a record's key, or nothing for a row without one (its record has a null key).
func (f Format) AppendKey(dst []byte, key Row) []byte {
	if len(key) == 0 {
		return dst
	}
	return f.appendRow(dst, key, false)
}

// AppendValue writes the envelope. The caller has validated e.
func (f Format) AppendValue(dst []byte, e *Event) []byte {
	if e.Op == Message {
		return f.appendMessage(dst, e)
	}
	dst = append(dst, `{"before":`...)
	dst = f.appendRow(dst, e.Before, false)
	dst = append(dst, `,"after":`...)
	dst = f.appendRow(dst, e.After, true)
	dst = append(dst, `,"source":`...)
	dst = appendSource(dst, &e.Source)
	dst = append(dst, `,"transaction":`...)
	dst = appendTransaction(dst, e.Tx)
	dst = append(dst, `,"op":"`...)
	dst = append(dst, e.Op...)
	dst = append(dst, '"')
	dst = appendTimes(dst, e.At, true)
	return append(dst, '}')
}

// appendMessage writes an op m, which has fields of its own and no ts_us and ts_ns.
func (f Format) appendMessage(dst []byte, e *Event) []byte {
	dst = append(dst, `{"op":"m","ts_ms":`...)
	dst = strconv.AppendInt(dst, e.At.UnixMilli(), 10)
	dst = append(dst, `,"source":`...)
	dst = appendSource(dst, &e.Source)
	dst = append(dst, `,"transaction":`...)
	dst = appendTransaction(dst, e.Tx)
	dst = append(dst, `,"message":{"prefix":`...)
	dst = appendString(dst, e.Message.Prefix)
	dst = append(dst, `,"content":`...)
	dst = f.appendBytes(dst, string(e.Message.Content))
	return append(dst, `}}`...)
}

// AppendRow writes a row as a value of its own. What was not sent is the placeholder, or null, where it is an old row.
func (f Format) AppendRow(dst []byte, row Row, placeholders bool) []byte {
	return f.appendRow(dst, row, placeholders)
}

// appendRow writes a row. In an old row a value that was not sent is null, as Debezium has it; in a new one it is the placeholder.
func (f Format) appendRow(dst []byte, row Row, placeholders bool) []byte {
	if row == nil {
		return append(dst, "null"...)
	}
	for i := range row {
		dst = append(dst, ',')
		if i == 0 {
			dst[len(dst)-1] = '{'
		}
		dst = appendString(dst, row[i].Name)
		dst = append(dst, ':')
		switch v := row[i].Value; {
		case !v.IsAbsent():
			dst = f.AppendColumn(dst, row[i].Type, v)
		case placeholders:
			dst = f.appendPlaceholder(dst, row[i].Type)
		default:
			dst = append(dst, "null"...)
		}
	}
	if len(row) == 0 {
		dst = append(dst, '{')
	}
	return append(dst, '}')
}

// appendPlaceholder writes the placeholder in the form of the column: in base64 for bytes, in a list for arrays.
func (f Format) appendPlaceholder(dst []byte, t Type) []byte {
	text := f.Placeholder
	if text == "" {
		text = Unavailable
	}
	if elem, ok := t.Elem(); ok {
		dst = append(dst, '[')
		dst = f.appendPlaceholder(dst, elem)
		return append(dst, ']')
	}
	if t.Name == "bytea" || f.opaque(t) {
		return f.appendBytes(dst, text)
	}
	return appendString(dst, text)
}

func appendSource(dst []byte, s *Source) []byte {
	field := func(name, value string) {
		dst = append(append(append(dst, ',', '"'), name...), '"', ':')
		dst = appendString(dst, value)
	}
	number := func(name string, n int64) {
		dst = append(append(append(dst, ',', '"'), name...), '"', ':')
		if n == 0 {
			dst = append(dst, "null"...)
			return
		}
		dst = strconv.AppendInt(dst, n, 10)
	}
	dst = append(dst, `{"version":`...)
	dst = appendString(dst, s.Version)
	field("connector", s.Connector)
	field("name", s.Name)
	dst = append(dst, `,"ts_ms":`...)
	dst = strconv.AppendInt(dst, s.Time.UnixMilli(), 10)
	mark := s.Snapshot
	if mark == "" {
		mark = NoSnapshot
	}
	field("snapshot", string(mark))
	field("db", s.DB)
	dst = append(dst, `,"sequence":`...)
	dst = appendSequence(dst, s.LastCommit, s.LSN)
	dst = appendTimes(dst, s.Time, false)
	field("schema", s.Schema)
	field("table", s.Table)
	number("txId", s.TxID)
	if s.Snapshot == SnapshotIncremental {
		dst = append(dst, `,"lsn":null`...) // Debezium's has the stream's place in the sequence alone
	} else {
		number("lsn", int64(s.LSN))
	}
	number("xmin", s.XMin)
	if s.Origin == "" {
		dst = append(dst, `,"origin":null,"origin_lsn":null`...)
	} else {
		field("origin", s.Origin)
		dst = strconv.AppendInt(append(dst, `,"origin_lsn":`...), int64(s.OriginLSN), 10) // 0: the session did not say where it stands there
	}
	return append(dst, '}')
}

// appendSequence writes a JSON array as text, which consumers parse to put events with one timestamp in order.
func appendSequence(dst []byte, last, this LSN) []byte {
	dst = append(dst, '"', '[')
	for i, lsn := range [...]LSN{last, this} {
		if i > 0 {
			dst = append(dst, ',')
		}
		if lsn == 0 {
			dst = append(dst, "null"...)
			continue
		}
		dst = append(dst, '\\', '"')
		dst = strconv.AppendUint(dst, uint64(lsn), 10)
		dst = append(dst, '\\', '"')
	}
	return append(dst, ']', '"')
}

func appendTimes(dst []byte, t time.Time, millis bool) []byte {
	if millis {
		dst = append(dst, `,"ts_ms":`...)
		dst = strconv.AppendInt(dst, t.UnixMilli(), 10)
	}
	dst = append(dst, `,"ts_us":`...)
	dst = strconv.AppendInt(dst, t.UnixMicro(), 10)
	dst = append(dst, `,"ts_ns":`...)
	return strconv.AppendInt(dst, t.UnixNano(), 10)
}

func appendTransaction(dst []byte, tx *Transaction) []byte {
	if tx == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, tx.ID)
	dst = append(dst, `,"total_order":`...)
	dst = strconv.AppendInt(dst, tx.TotalOrder, 10)
	dst = append(dst, `,"data_collection_order":`...)
	dst = strconv.AppendInt(dst, tx.DataCollectionOrder, 10)
	return append(dst, '}')
}
