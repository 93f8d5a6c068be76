package cdc

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/converter"
)

// write gives the record an event's key and value. A value that is larger than record.bytes.max loses its largest columns, which the headers that it returns say.
func (e *emitter) write(ctx context.Context, ev *change.Event, to destination, r *Record) (cut []change.Header, err error) {
	if r.Key, r.Value, err = e.render(ctx, ev, to); err != nil {
		return nil, err
	}
	if most := e.config.RecordBytesMax; most == 0 || int64(len(r.Value)) <= most {
		return nil, nil
	}
	if cut, err = e.shorten(ctx, ev, r, to, int(e.config.RecordBytesMax)); cut == nil || err != nil {
		return nil, err
	}
	e.faults.cut.Add(1)
	table := tableName{ev.Source.Schema, ev.Source.Table}
	if !e.cut[table] {
		e.cut[table] = true
		e.log.Warn("a row is too large for a record; its largest columns are the placeholder, and the header "+HeaderCut+" says which", "table", table.String(),
			"columns", string(cut[0].Value), "record.bytes.max", e.config.RecordBytesMax)
	}
	return cut, nil
}

// render writes an event for its destination as the converters have it.
func (e *emitter) render(ctx context.Context, ev *change.Event, to destination) (key, value []byte, err error) {
	switch {
	case e.converter == nil:
		key, value = e.plain(ev)
		return key, value, nil
	case ev.Op == change.Message:
		return e.converter.Message(ctx, to.topic, ev)
	}
	return e.converter.Event(ctx, to.name, to.topic, ev)
}

// plain writes JSON without schemas. Key and value are parts of one piece of memory, which has no room to spare: thousands of them wait for Kafka.
func (e *emitter) plain(ev *change.Event) (key, value []byte) {
	b := e.appendKey(e.scratch[:0], ev)
	n := len(b)
	b = e.config.Format.AppendValue(b, ev)
	if e.scratch = b; cap(b) > scratchMax {
		e.scratch = nil // it is the record's
	} else {
		b = bytes.Clone(b)
	}
	if n > 0 {
		key = b[:n:n]
	}
	return key, b[n:]
}

// plainKey is the key alone; nil: there is none.
func (e *emitter) plainKey(ev *change.Event) []byte { return e.appendKey(nil, ev) }

func (e *emitter) appendKey(dst []byte, ev *change.Event) []byte {
	switch {
	case len(ev.Key) > 0:
		return e.config.Format.AppendKey(dst, ev.Key)
	case ev.Op == change.Message:
		return e.config.Format.AppendKey(dst, change.Row{{Name: "prefix", Value: change.TextValue(ev.Message.Prefix)}})
	}
	return dst
}

// convert writes a record that belongs to no table.
func (e *emitter) convert(ctx context.Context, r *Record, key, value *change.Schema) (err error) {
	if e.converter == nil {
		return nil
	}
	r.Key, r.Value, err = e.converter.Record(ctx, r.Topic, key, r.Key, value, r.Value)
	return err
}

// useConverters makes what the configuration asks for; nothing for JSON without schemas.
func (s *Source) useConverters() error {
	if !s.config.Converters.Needed() {
		return nil
	}
	s.catalog = newCatalog(s.config.Database)
	var err error
	if s.converter, err = converter.New(s.config.Converters, s.config.Format, s.catalog); err != nil {
		return fmt.Errorf("configure the converters: %w", err)
	}
	return nil
}

// learnTables asks the catalog about all captured tables, before anything is read.
func (s *session) learnTables(ctx context.Context) error {
	if s.catalog == nil {
		return nil
	}
	for i := range s.facts.tables {
		if err := s.catalog.load(ctx, s.control, s.facts.tables[i].tableName, s.types, nil); err != nil {
			return err
		}
	}
	return nil
}
