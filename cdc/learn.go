package cdc

import (
	"context"
	"slices"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// What the stream leaves out is asked of the catalog, right before the message that needs it is decoded.

func (s *session) newDecoder() pgoutput.Decoder {
	messageKeys, _ := parseMessageKeys(s.config.MessageKeys) // New has seen that it is well-formed
	d := pgoutput.Decoder{
		Source: s.sourceBlock(), Types: s.types, Keys: s.keys(), Guessed: func() { s.faults.asText.Add(1) },
		Includes: func(t pgoutput.Table) bool { return s.filter.includes(tableName{t.Schema, t.Name}) },
		MessageKey: func(t pgoutput.Table, columns change.Row) []int {
			return messageKeys.of(tableName{t.Schema, t.Name}, columns)
		},
	}
	if s.stored.TxID != 0 {
		d.Resume(s.stored.LSN)
	}
	return d
}

// keys are those that the catalog named, newest first, by table. They outlive a session: the catalog may be ahead of the stream when the next one begins.
func (s *session) keys() map[uint32][][]string {
	before := s.named
	s.named = map[uint32][][]string{}
	for _, t := range s.facts.tables {
		s.named[t.oid] = newestKey(before[t.oid], t.key)
	}
	return s.named
}

// newestKey puts key in front of those that were named before.
func newestKey(said [][]string, key []string) [][]string {
	if len(said) > 0 && slices.Equal(said[0], key) {
		return said
	}
	said = slices.Insert(slices.Clone(said), 0, key)
	return said[:min(len(said), keysMax)]
}

// keysMax is how many of a table's former keys are remembered for a stream that is behind the catalog.
const keysMax = 4

// learnKey asks the catalog for the key of a table that the stream is about to describe, where the stream does not say it. A table that is gone
// keeps its last.
func (r *reader) learnKey(message []byte) error {
	oid, ok := r.decoder.LacksKey(message)
	if !ok {
		return nil
	}
	return r.ask(func(ctx context.Context) error {
		key, err := loadKey(ctx, r.control, oid)
		if err == nil && key != nil {
			r.decoder.Keys[oid] = newestKey(r.decoder.Keys[oid], key)
		}
		return err
	})
}

// learnTypes asks for the types again, when a table has one that was made since.
func (r *reader) learnTypes() error {
	return r.ask(func(ctx context.Context) (err error) {
		r.types, err = postgres.LoadTypes(ctx, r.control)
		r.decoder.Types = r.types
		return err
	})
}

// learnDefinitions asks the catalog again for a table that the stream has just described.
func (r *reader) learnDefinitions(message []byte) error {
	if r.catalog == nil {
		return nil
	}
	said, of, ok := r.decoder.Described(message)
	t := tableName{said.Schema, said.Name}
	if !ok || !r.filter.includes(t) {
		return nil
	}
	return r.ask(func(ctx context.Context) error { return r.catalog.load(ctx, r.control, t, r.types, of) })
}
