package cdc

import (
	"context"
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/converter"
)

// write gives an event's key and value. A value that is too large loses its largest columns, since a reason to look is worth more than none.
func (e *emitter) write(ctx context.Context, ev *change.Event, to destination) (key, value []byte, err error) {
	if e.converter == nil {
		return e.plainKey(ev), e.encode(ev), nil
	}
	for {
		if ev.Op == change.Message {
			key, value, err = e.converter.Message(ctx, to.topic, ev)
		} else {
			key, value, err = e.converter.Event(ctx, to.name, to.topic, ev)
		}
		if err != nil || int64(len(value)) <= e.config.RecordBytesMax || !e.drop(ev) {
			return key, value, err
		}
	}
}

func (e *emitter) plainKey(ev *change.Event) []byte {
	switch {
	case len(ev.Key) > 0:
		return e.config.Format.AppendKey(make([]byte, 0, 32), ev.Key)
	case ev.Op == change.Message:
		return e.config.Format.AppendKey(nil, change.Row{{Name: "prefix", Value: change.TextValue(ev.Message.Prefix)}})
	}
	return nil
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
		if err := s.catalog.load(ctx, s.control, s.facts.tables[i].tableName, s.types); err != nil {
			return err
		}
	}
	return nil
}
