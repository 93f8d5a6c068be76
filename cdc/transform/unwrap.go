package transform

import (
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
)

// What becomes of deletes and their tombstones: delete.tombstone.handling.mode.
const (
	unwrapDrop             = "drop"
	unwrapTombstone        = "tombstone" // the default: deletes go, tombstones stay
	unwrapRewrite          = "rewrite"   // deletes become the old row with __deleted=true; tombstones go
	unwrapRewriteTombstone = "rewrite-with-tombstone"
	unwrapDeleteTombstone  = "delete-to-tombstone" // deletes become tombstones, and those go
)

var unwrapModes = []string{unwrapTombstone, unwrapDrop, unwrapRewrite, unwrapRewriteTombstone, unwrapDeleteTombstone}

// Unwrap is Debezium's ExtractNewRecordState: a record's value is the row.
type Unwrap struct {
	mode            string
	fields, headers []addition
}

// addition is a part of the envelope that is added to the row, or to the headers.
type addition struct{ path, name string }

// additions reads add.fields and add.headers: op, table, source.ts_ms, each with another name after a colon.
func additions(path, list, prefix string, problems *config.Problems) (out []addition) {
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		field, name, renamed := strings.Cut(word, ":")
		if !renamed {
			name = strings.ReplaceAll(field, ".", "_")
		}
		if _, plain := envelopeFields[field]; !plain {
			if _, inSource := envelopeFields["source."+field]; inSource {
				field = "source." + field
			} else if _, inBlock := envelopeFields["transaction."+field]; inBlock {
				field = "transaction." + field
			} else {
				problems.Errorf(path, "%q is no field of the envelope: %s", field, strings.Join(change.Sorted(envelopeFields), ", "))
				continue
			}
		}
		out = append(out, addition{field, prefix + name})
	}
	return out
}

var (
	typeText = change.Type{Name: "text", Modifier: -1}
	typeLong = change.Type{Name: "int8", Modifier: -1}
)

func textOrNull(s string) change.Value {
	if s == "" {
		return change.NullValue()
	}
	return change.TextValue(s)
}

func longOrNull(n int64) change.Value {
	if n == 0 {
		return change.NullValue()
	}
	return change.IntValue(n)
}

// envelopeFields are what may be added.
var envelopeFields = map[string]struct {
	typ change.Type
	of  func(*change.Event) change.Value
}{
	"op":               {typeText, func(e *change.Event) change.Value { return change.TextValue(string(e.Op)) }},
	"ts_ms":            {typeLong, func(e *change.Event) change.Value { return change.IntValue(e.At.UnixMilli()) }},
	"ts_us":            {typeLong, func(e *change.Event) change.Value { return change.IntValue(e.At.UnixMicro()) }},
	"ts_ns":            {typeLong, func(e *change.Event) change.Value { return change.IntValue(e.At.UnixNano()) }},
	"source.version":   {typeText, func(e *change.Event) change.Value { return change.TextValue(e.Source.Version) }},
	"source.connector": {typeText, func(e *change.Event) change.Value { return change.TextValue(e.Source.Connector) }},
	"source.name":      {typeText, func(e *change.Event) change.Value { return change.TextValue(e.Source.Name) }},
	"source.ts_ms":     {typeLong, func(e *change.Event) change.Value { return change.IntValue(e.Source.Time.UnixMilli()) }},
	"source.ts_us":     {typeLong, func(e *change.Event) change.Value { return change.IntValue(e.Source.Time.UnixMicro()) }},
	"source.ts_ns":     {typeLong, func(e *change.Event) change.Value { return change.IntValue(e.Source.Time.UnixNano()) }},
	"source.snapshot":  {typeText, func(e *change.Event) change.Value { return change.TextValue(string(e.Source.Snapshot)) }},
	"source.db":        {typeText, func(e *change.Event) change.Value { return change.TextValue(e.Source.DB) }},
	"source.schema":    {typeText, func(e *change.Event) change.Value { return change.TextValue(e.Source.Schema) }},
	"source.table":     {typeText, func(e *change.Event) change.Value { return change.TextValue(e.Source.Table) }},
	"source.txId":      {typeLong, func(e *change.Event) change.Value { return longOrNull(e.Source.TxID) }},
	"source.lsn":       {typeLong, func(e *change.Event) change.Value { return longOrNull(int64(e.Source.LSN)) }},
	"source.xmin":      {typeLong, func(e *change.Event) change.Value { return longOrNull(e.Source.XMin) }},
	"source.origin":    {typeText, func(e *change.Event) change.Value { return textOrNull(e.Source.Origin) }},
	"source.origin_lsn": {typeLong, func(e *change.Event) change.Value {
		if e.Source.Origin == "" {
			return change.NullValue()
		}
		return change.IntValue(int64(e.Source.OriginLSN))
	}},
	"transaction.id": {typeText, func(e *change.Event) change.Value {
		if e.Tx == nil {
			return change.NullValue()
		}
		return change.TextValue(e.Tx.ID)
	}},
	"transaction.total_order": {typeLong, func(e *change.Event) change.Value {
		if e.Tx == nil {
			return change.NullValue()
		}
		return change.IntValue(e.Tx.TotalOrder)
	}},
	"transaction.data_collection_order": {typeLong, func(e *change.Event) change.Value {
		if e.Tx == nil {
			return change.NullValue()
		}
		return change.IntValue(e.Tx.DataCollectionOrder)
	}},
}

// unwrapping reads the transform, and what is wrong with it.
func (c Config) unwrapping(name string, problems *config.Problems) *Unwrap {
	get := func(key, otherwise string) string {
		if v, given := c.Keys[name+"."+key]; given {
			return v
		}
		return otherwise
	}
	path := "transforms." + name + "."
	u := &Unwrap{mode: get("delete.tombstone.handling.mode", unwrapTombstone)}
	if !slices.Contains(unwrapModes, u.mode) {
		problems.Errorf(path+"delete.tombstone.handling.mode", "must be one of %s", strings.Join(unwrapModes, ", "))
	}
	u.fields = additions(path+"add.fields", get("add.fields", ""), get("add.fields.prefix", "__"), problems)
	u.headers = additions(path+"add.headers", get("add.headers", ""), get("add.headers.prefix", "__"), problems)
	if last := c.Names[len(c.Names)-1]; last != name {
		problems.Errorf("transforms", "%s (%s) must come last: the others read the envelope that it takes away", name, ExtractNewRecordState)
	}
	return u
}

// Unwrap gives the transform, if there is one.
func (c Config) Unwrap() *Unwrap {
	for _, name := range c.Names {
		if c.Keys[name+".type"] == ExtractNewRecordState {
			return c.unwrapping(name, &config.Problems{})
		}
	}
	return nil
}

// Row gives what the value of ev's record is to be: the row, or nothing (a tombstone). keep is false where there is no record.
func (u *Unwrap) Row(ev *change.Event) (row change.Row, keep bool) {
	row = ev.After
	rewrites := u.mode == unwrapRewrite || u.mode == unwrapRewriteTombstone
	switch {
	case ev.Op == change.Truncate:
		return nil, false
	case ev.Op != change.Delete:
	case rewrites:
		row = ev.Before
	default:
		return nil, u.mode == unwrapDeleteTombstone
	}
	row = row[:len(row):len(row)]
	if rewrites {
		deleted := "false"
		if ev.Op == change.Delete {
			deleted = "true"
		}
		row = append(row, change.Column{Name: "__deleted", Type: typeText, Value: change.TextValue(deleted)})
	}
	for _, a := range u.fields {
		f := envelopeFields[a.path]
		row = append(row, change.Column{Name: a.name, Type: f.typ, Value: f.of(ev)})
	}
	return row, true
}

// Headers are the headers that the transform adds, in JSON without quotes around text, as Connect's SimpleHeaderConverter writes.
func (u *Unwrap) Headers(f change.Format, ev *change.Event) (out []change.Header) {
	for _, a := range u.headers {
		v := envelopeFields[a.path].of(ev)
		text := []byte(v.Text())
		switch v.Kind() {
		case change.Null:
			text = nil
		case change.Int:
			text = f.AppendColumn(nil, typeLong, v)
		}
		out = append(out, change.Header{Key: a.name, Value: text})
	}
	return out
}

// KeepsTombstones reports that the tombstone after a delete stays.
func (u *Unwrap) KeepsTombstones() bool {
	return u.mode == unwrapTombstone || u.mode == unwrapRewriteTombstone
}
