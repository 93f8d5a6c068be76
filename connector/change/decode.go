package change

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Envelope is what a consumer gets of a record in Debezium's format: enough to know which row changed, how and when.
// Column values stay JSON: their form depends on the writer's modes, and images are never taken from records.
type Envelope struct {
	Tombstone   bool // a null value: only Key and Headers count
	Op          Op
	Key         RawRow // nil: the record has no key
	Before      RawRow
	After       RawRow
	Source      Source // LSN, TxID, Time and so on; what is not there is zero
	Transaction *Transaction
	Message     *LogicalMessage
	At          time.Time // when the writer processed the change
	NewKey      RawRow    // from the headers of a key change
	OldKey      RawRow
}

// RawRow is a row's columns in the order of the record, each as JSON.
type RawRow []RawColumn

// RawColumn is one column as JSON.
type RawColumn struct {
	Name string
	JSON json.RawMessage
}

// Get gives a column's JSON.
func (r RawRow) Get(name string) (json.RawMessage, bool) {
	for _, c := range r {
		if c.Name == name {
			return c.JSON, true
		}
	}
	return nil, false
}

// Text gives a column as plain text: a string without its quotes, a number or boolean as it stands. Null, a missing
// column and the placeholder for unavailable values have none.
func (r RawRow) Text(name string) (string, bool) {
	raw, ok := r.Get(name)
	if !ok || string(raw) == "null" {
		return "", false
	}
	if raw[0] != '"' {
		return string(raw), true
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil || text == Unavailable {
		return "", false
	}
	return text, true
}

// ErrNotEnvelope is returned when a record's value is JSON but no change event, as after ExtractNewRecordState.
var ErrNotEnvelope = errors.New("not a change event in Debezium's envelope (no \"op\"); remove transformations that flatten it")

// ErrAvro is returned when a record is in Confluent's wire format, which begins with a zero byte. No JSON does.
var ErrAvro = errors.New("it is Avro with a schema registry's id (or another of Confluent's formats): only JSON is read here, with or without schemas; " +
	"set key.converter and value.converter of its source to org.apache.kafka.connect.json.JsonConverter")

// Decode reads a record that we or Debezium wrote as JSON, with or without schemas. key may be nil; a nil value is a
// tombstone. Unknown fields are ignored. Nothing of the arguments is kept.
func Decode(key, value []byte, headers []Header) (*Envelope, error) {
	e := &Envelope{}
	var err error
	if len(key) > 0 && key[0] == 0 || len(value) > 0 && value[0] == 0 {
		return nil, ErrAvro
	}
	if e.Key, err = decodeKey(key); err != nil {
		return nil, fmt.Errorf("decode record key: %w", err)
	}
	for _, h := range headers {
		switch h.Key {
		case HeaderNewKey:
			e.NewKey, err = decodeHeaderKey(h.Value)
		case HeaderOldKey:
			e.OldKey, err = decodeHeaderKey(h.Value)
		}
		if err != nil {
			return nil, fmt.Errorf("decode header %s: %w", h.Key, err)
		}
	}
	if value == nil {
		e.Tombstone = true
		return e, nil
	}
	if err := e.decodeValue(value); err != nil {
		return nil, fmt.Errorf("decode record value: %w", err)
	}
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("decode record value: %w", err)
	}
	return e, nil
}

// Validate finds envelopes that say nothing that can be acted on: called after decoding.
func (e *Envelope) Validate() error {
	switch {
	case e.Tombstone:
		return nil
	case !e.Op.Valid():
		return fmt.Errorf("unknown operation %q", e.Op)
	case (e.Op == Create || e.Op == Update || e.Op == Read) && e.After == nil:
		return fmt.Errorf("operation %q without after", e.Op)
	case e.Op == Delete && e.Before == nil && e.Key == nil:
		return errors.New("a delete with neither before nor key")
	}
	return nil
}

type wireEnvelope struct {
	Before      json.RawMessage `json:"before"`
	After       json.RawMessage `json:"after"`
	Source      wireSource      `json:"source"`
	Transaction *Transaction    `json:"transaction"`
	Op          *Op             `json:"op"`
	wireTimes
	Message *struct {
		Prefix  string `json:"prefix"`
		Content []byte `json:"content"`
	} `json:"message"`
}

type wireTimes struct {
	Millis json.Number `json:"ts_ms"`
	Micros json.Number `json:"ts_us"`
	Nanos  json.Number `json:"ts_ns"`
}

// wireSource takes numbers as json.Number, since null must be told from a wrong type only by the codec.
type wireSource struct {
	Version   string `json:"version"`
	Connector string `json:"connector"`
	Name      string `json:"name"`
	wireTimes
	Snapshot  any         `json:"snapshot"` // a text, or a boolean from old versions
	DB        string      `json:"db"`
	Sequence  string      `json:"sequence"`
	Schema    string      `json:"schema"`
	Table     string      `json:"table"`
	TxID      json.Number `json:"txId"`
	LSN       json.Number `json:"lsn"`
	XMin      json.Number `json:"xmin"`
	Origin    string      `json:"origin"`
	OriginLSN json.Number `json:"origin_lsn"`
}

func (e *Envelope) decodeValue(value []byte) error {
	value = unwrap(value)
	var wire wireEnvelope
	if !wire.plain(value) {
		wire = wireEnvelope{}
		if err := json.Unmarshal(value, &wire); err != nil {
			return err
		}
	}
	if wire.Op == nil {
		return ErrNotEnvelope
	}
	e.Op, e.Transaction, e.At = *wire.Op, wire.Transaction, wire.time()
	if wire.Message != nil {
		e.Message = &LogicalMessage{Prefix: wire.Message.Prefix, Content: wire.Message.Content}
	}
	var errs [3]error
	e.Before, errs[0] = decodeRow(wire.Before)
	e.After, errs[1] = decodeRow(wire.After)
	e.Source, errs[2] = wire.Source.source()
	return errors.Join(errs[:]...)
}

// plain reads an envelope as it is nearly always: without message and transaction, every text a text and every number a number. It reports false
// of any other, which encoding/json has to read.
func (w *wireEnvelope) plain(value []byte) bool {
	plain := true
	err := Members(value, func(name, v []byte) {
		null := string(v) == "null"
		switch string(name) {
		case "before":
			w.Before = v
		case "after":
			w.After = v
		case "source":
			plain = plain && w.Source.plain(v)
		case "op":
			text, ok := JSONText(v)
			op := Op(text)
			w.Op, plain = &op, plain && ok
		case "transaction", "message":
			plain = plain && null
		default:
			plain = plain && w.number(name, v)
		}
	})
	return err == nil && plain
}

func (w *wireSource) plain(value []byte) bool {
	plain := true
	err := Members(value, func(name, v []byte) {
		var text *string
		var number *json.Number
		switch string(name) {
		case "version":
			text = &w.Version
		case "connector":
			text = &w.Connector
		case "name":
			text = &w.Name
		case "db":
			text = &w.DB
		case "sequence":
			text = &w.Sequence
		case "schema":
			text = &w.Schema
		case "table":
			text = &w.Table
		case "origin":
			text = &w.Origin
		case "txId":
			number = &w.TxID
		case "lsn":
			number = &w.LSN
		case "xmin":
			number = &w.XMin
		case "origin_lsn":
			number = &w.OriginLSN
		case "snapshot":
			mark, ok := JSONText(v)
			w.Snapshot, plain = mark, plain && ok
			return
		default:
			plain = plain && w.number(name, v)
			return
		}
		plain = plain && put(v, text, number)
	})
	return err == nil && plain
}

// number takes one of the clocks; other members are nobody's.
func (w *wireTimes) number(name, v []byte) bool {
	switch string(name) {
	case "ts_ms":
		return put(v, nil, &w.Millis)
	case "ts_us":
		return put(v, nil, &w.Micros)
	case "ts_ns":
		return put(v, nil, &w.Nanos)
	}
	return !looksLike(name)
}

// looksLike reports that encoding/json, which does not mind capitals, may take a name for one of ours.
func looksLike(name []byte) bool {
	return bytes.ContainsFunc(name, func(r rune) bool { return r >= 'A' && r <= 'Z' || r >= utf8.RuneSelf })
}

func put(v []byte, text *string, number *json.Number) bool {
	switch {
	case string(v) == "null":
		return true
	case text != nil:
		var ok bool
		*text, ok = JSONText(v)
		return ok
	case v[0] == '-' || v[0] >= '0' && v[0] <= '9':
		*number = json.Number(v)
		return true
	}
	return false
}

func (w *wireSource) source() (Source, error) {
	s := Source{
		Version: w.Version, Connector: w.Connector, Name: w.Name, Time: w.time(), DB: w.DB,
		Schema: w.Schema, Table: w.Table, Origin: w.Origin,
	}
	switch mark := w.Snapshot.(type) {
	case string:
		s.Snapshot = SnapshotMark(mark)
	case bool:
		s.Snapshot = SnapshotMark(strconv.FormatBool(mark))
	}
	var lsn, originLSN int64
	for _, field := range []struct {
		from json.Number
		to   *int64
		name string
	}{{w.TxID, &s.TxID, "txId"}, {w.LSN, &lsn, "lsn"}, {w.XMin, &s.XMin, "xmin"}, {w.OriginLSN, &originLSN, "origin_lsn"}} {
		if field.from == "" {
			continue
		}
		n, err := field.from.Int64()
		if err != nil {
			return Source{}, fmt.Errorf("source.%s: %q is no 64-bit integer", field.name, field.from)
		}
		*field.to = n
	}
	s.LSN, s.OriginLSN = LSN(lsn), LSN(originLSN)
	s.LastCommit = lastCommit(w.Sequence)
	return s, nil
}

// lastCommit reads the first half of ["<last commit>","<this>"]; it orders nothing for us, so a strange one is no error.
func lastCommit(sequence string) LSN {
	var pair []string
	if json.Unmarshal([]byte(sequence), &pair) != nil || len(pair) == 0 {
		return 0
	}
	n, err := strconv.ParseUint(pair[0], 10, 64)
	if err != nil {
		return 0
	}
	return LSN(n)
}

// time takes the finest of the three clocks that the record has.
func (w *wireTimes) time() time.Time {
	if n, err := w.Nanos.Int64(); err == nil {
		return time.Unix(0, n).UTC()
	}
	if n, err := w.Micros.Int64(); err == nil {
		return time.UnixMicro(n).UTC()
	}
	if n, err := w.Millis.Int64(); err == nil {
		return time.UnixMilli(n).UTC()
	}
	return time.Time{}
}

// unwrap takes the payload out of what JsonConverter writes with schemas.enable=true.
func unwrap(data []byte) []byte {
	var wrapped struct {
		Schema  json.RawMessage `json:"schema"`
		Payload json.RawMessage `json:"payload"`
		Op      json.RawMessage `json:"op"`
	}
	if !bytes.Contains(data, []byte(`"payload"`)) || json.Unmarshal(data, &wrapped) != nil {
		return data
	}
	if wrapped.Schema == nil || wrapped.Payload == nil || wrapped.Op != nil {
		return data
	}
	return wrapped.Payload
}

// decodeKey reads a struct key; a plain JSON value is a key of one column without a name.
func decodeKey(key []byte) (RawRow, error) {
	if len(key) == 0 {
		return nil, nil
	}
	data := unwrap(key)
	if data[0] != '{' && json.Valid(data) && string(data) != "null" {
		return RawRow{{JSON: bytes.Clone(data)}}, nil
	}
	return decodeRow(data)
}

// decodeHeaderKey reads a key in a header: JSON, or what Connect's SimpleHeaderConverter makes of a struct: Struct{id=5}.
func decodeHeaderKey(value []byte) (RawRow, error) {
	body, isStruct := strings.CutPrefix(string(value), "Struct{")
	if !isStruct {
		return decodeKey(value)
	}
	body, ok := strings.CutSuffix(body, "}")
	if !ok {
		return nil, errors.New("unfinished Struct{…}")
	}
	var row RawRow
	for _, pair := range strings.Split(body, ",") {
		name, text, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, errors.New("a text key with a comma cannot be read from Struct{…}: use JsonConverter as header.converter")
		}
		raw := json.RawMessage(text)
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			raw = appendString(nil, text)
		}
		row = append(row, RawColumn{Name: name, JSON: raw})
	}
	return row, nil
}

// decodeRow reads an object, keeping order and the exact text of every value.
func decodeRow(data []byte) (RawRow, error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	data = bytes.Clone(data)
	row := RawRow{}
	if err := Members(data, func(name, value []byte) { row = append(row, RawColumn{Name: string(name), JSON: value}) }); err != nil {
		return nil, fmt.Errorf("%w, got %.40q", err, data)
	}
	return row, nil
}
