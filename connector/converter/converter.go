package converter

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/tandem-sync/tandem/connector/change"
)

// Table is what the catalog says of a table. A new one is made whenever something of it changes: layouts compare pointers.
type Table struct {
	Columns     change.Row // names and types
	Definitions map[string]change.Definition
}

// Catalog says of tables what the stream leaves out.
type Catalog interface {
	// Table may be called from several goroutines. A table that is gone is nil without an error.
	Table(ctx context.Context, schema, name string) (*Table, error)
}

// Converter writes keys and values: see the package comment.
type Converter struct {
	config     Config
	format     change.Format
	catalog    Catalog
	key, value side
	layouts    sync.Map // of tables by name: *layout
	fixed      sync.Map // of records that belong to no table, by schema: *encoding
}

// side is what keys, or values, become.
type side struct {
	kind     Kind
	schemas  bool
	strategy string
	suffix   string
	registry *registry // of Avro
}

// New makes a converter; registries are asked later. The caller has seen [Config.Problems], and that one is [Config.Needed].
func New(c Config, format change.Format, catalog Catalog) (*Converter, error) {
	conv := &Converter{config: c, format: format, catalog: catalog}
	for _, s := range []struct {
		from   Side
		to     *side
		suffix string
	}{{c.Key, &conv.key, "-key"}, {c.Value, &conv.value, "-value"}} {
		*s.to = side{kind: s.from.kind(), schemas: s.from.schemas(), strategy: s.from.strategy(), suffix: s.suffix}
		if s.to.kind != Avro {
			continue
		}
		var err error
		if s.to.registry, err = openRegistry(c, s.from); err != nil {
			return nil, err
		}
	}
	return conv, nil
}

// Event writes the key and the value of an event of a table. name is what schemas are called by, topic where the record goes.
func (c *Converter) Event(ctx context.Context, name, topic string, e *change.Event) (key, value []byte, err error) {
	l, err := c.layout(ctx, name, "", topic, e)
	if err != nil {
		return nil, nil, err
	}
	fit, err := l.fit(c.format, e)
	if err != nil {
		return nil, nil, err
	}
	if len(fit.Key) > 0 {
		if key, err = c.key.write(ctx, l.key, c.format.AppendKey(nil, fit.Key)); err != nil {
			return nil, nil, err
		}
	}
	value, err = c.value.write(ctx, l.value, c.format.AppendValue(make([]byte, 0, 768), &fit))
	return key, value, err
}

// Row writes an event as a row of its own: that of the event, and what was added to it. A nil row has no value.
func (c *Converter) Row(ctx context.Context, name, topic string, e *change.Event, row change.Row) (key, value []byte, err error) {
	flat := *e
	if flat.Before, flat.After = nil, row; e.Op == change.Delete {
		flat.Before, flat.After = row, nil
	}
	var cache string
	if row == nil {
		flat, cache = *e, name+" without a value" // another layout: the row has not what is added to others
	}
	l, err := c.layout(ctx, name, cache, topic, &flat)
	if err != nil {
		return nil, nil, err
	}
	fit, err := l.fit(c.format, &flat)
	if err != nil {
		return nil, nil, err
	}
	if len(fit.Key) > 0 {
		if key, err = c.key.write(ctx, l.key, c.format.AppendKey(nil, fit.Key)); err != nil {
			return nil, nil, err
		}
	}
	if row == nil {
		return key, nil, nil
	}
	value, err = c.value.write(ctx, l.row, c.format.AppendRow(nil, rowOf(&fit), fit.After != nil))
	return key, value, err
}

// Message writes an event of operation m.
func (c *Converter) Message(ctx context.Context, topic string, e *change.Event) (key, value []byte, err error) {
	prefix := change.Row{{Name: "prefix", Value: change.TextValue(e.Message.Prefix)}}
	return c.Record(ctx, topic, change.MessageKeySchema, c.format.AppendKey(nil, prefix), messageSchema(c.format), c.format.AppendValue(nil, e))
}

var messageSchemas sync.Map // by format

func messageSchema(f change.Format) *change.Schema {
	if s, ok := messageSchemas.Load(f); ok {
		return s.(*change.Schema)
	}
	s, _ := messageSchemas.LoadOrStore(f, f.MessageSchema())
	return s.(*change.Schema)
}

// Record writes a key and a value that belong to no table, and stand in JSON already.
func (c *Converter) Record(ctx context.Context, topic string, keySchema *change.Schema, keyJSON []byte, valueSchema *change.Schema, valueJSON []byte) (key, value []byte, err error) {
	if key, err = c.simple(ctx, &c.key, topic, keySchema, keyJSON); err != nil {
		return nil, nil, err
	}
	value, err = c.simple(ctx, &c.value, topic, valueSchema, valueJSON)
	return key, value, err
}

type fixedKey struct {
	topic  string
	schema *change.Schema
}

func (c *Converter) simple(ctx context.Context, s *side, topic string, schema *change.Schema, text []byte) ([]byte, error) {
	at := fixedKey{topic, schema}
	enc, ok := c.fixed.Load(at)
	if !ok {
		made, err := s.encoding(topic, adjusted(schema, c.config.SchemaNames))
		if err != nil {
			return nil, err
		}
		enc, _ = c.fixed.LoadOrStore(at, made)
	}
	return s.write(ctx, enc.(*encoding), text)
}

// adjusted changes the name of a schema that has none of ours in it.
func adjusted(s *change.Schema, a Adjustment) *change.Schema {
	name := a.schemaName(s.Name)
	if name == s.Name {
		return s
	}
	other := *s
	other.Name = name
	return &other
}

// encoding is how one schema is written on one side. It is made once and shared.
type encoding struct {
	schema  *change.Schema
	prefix  []byte // JSON with a schema: up to the payload
	text    string // Avro: the schema
	subject string
	mu      sync.Mutex
	id      []byte // Avro: magic byte and id; nil: not asked for yet
}

func (s *side) encoding(topic string, schema *change.Schema) (*encoding, error) {
	e := &encoding{schema: schema}
	switch {
	case s.kind == Avro:
		var err error
		if e.text, err = avroSchema(schema); err != nil {
			return nil, fmt.Errorf("make an Avro schema of %s: %w", schema.Name, err)
		}
		e.subject = s.subject(topic, schema.Name)
	case s.schemas:
		e.prefix = append(schema.AppendJSON([]byte(`{"schema":`)), `,"payload":`...)
	}
	return e, nil
}

func (s *side) subject(topic, record string) string {
	switch s.strategy {
	case recordNames:
		return record
	case topicRecordNames:
		return topic + "-" + record
	}
	return topic + s.suffix
}

// write turns JSON into what the side writes.
func (s *side) write(ctx context.Context, e *encoding, text []byte) ([]byte, error) {
	switch {
	case s.kind == Avro:
		id, err := s.idOf(ctx, e)
		if err != nil {
			return nil, err
		}
		return appendAvro(append(make([]byte, 0, len(id)+len(text)/2), id...), e.schema, text)
	case s.schemas:
		out := append(make([]byte, 0, len(e.prefix)+len(text)+1), e.prefix...)
		return append(append(out, text...), '}'), nil
	}
	return text, nil
}

// idOf asks the registry at the first event that has the schema.
func (s *side) idOf(ctx context.Context, e *encoding) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.id == nil {
		id, err := s.registry.id(ctx, e.subject, e.text)
		if err != nil {
			return nil, err
		}
		e.id = []byte{0, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)} // Confluent's wire format
	}
	return e.id, nil
}

// layout is how a table's events are written, as long as its columns, their definitions and its topic are these.
type layout struct {
	table       *Table
	topic       string
	columns     change.Row // values absent
	dimensions  []int
	definitions []change.Definition
	names       []string // of columns, adjusted; nil: as they are
	keys        []int    // positions of the key's columns; -1 for one that is added to the key
	keyNames    []string
	key, value  *encoding
	row         *encoding // of a row as a value of its own
}

// layout gives that of a table's events; cache tells several of one table apart.
func (c *Converter) layout(ctx context.Context, name, cache, topic string, e *change.Event) (*layout, error) {
	if cache == "" {
		cache = name
	}
	table, err := c.catalog.Table(ctx, e.Source.Schema, e.Source.Table)
	if err != nil {
		return nil, err
	}
	if table == nil {
		table = goneTable
	}
	if known, ok := c.layouts.Load(cache); ok {
		if l := known.(*layout); l.table == table && l.topic == topic && l.matches(e) {
			return l, nil
		}
	}
	l, err := c.newLayout(name, topic, table, e)
	if err != nil {
		return nil, fmt.Errorf("describe %s.%s: %w", e.Source.Schema, e.Source.Table, err)
	}
	c.layouts.Store(cache, l) // one for each table: no more than there are tables
	return l, nil
}

// goneTable stands for tables that the catalog does not have any more: nothing is known of their columns but what the stream says.
var goneTable = &Table{}

func rowOf(e *change.Event) change.Row {
	if e.After != nil {
		return e.After
	}
	return e.Before
}

// matches compares what the event has. Names and types are nearly always the same strings, so that this is cheap.
func (l *layout) matches(e *change.Event) bool {
	row := rowOf(e)
	if row == nil { // a truncate
		return true
	}
	if len(row) != len(l.columns) || len(e.Key) > 0 && len(e.Key) != len(l.keys) {
		return false
	}
	for i := range row {
		if row[i].Name != l.columns[i].Name || row[i].Type != l.columns[i].Type {
			return false
		}
		if items := row[i].Value.Items(); len(items) > 0 && deep(items) != (l.dimensions[i] > 1) {
			return false
		}
	}
	for i := range e.Key {
		if e.Key[i].Name != l.keyNames[i] {
			return false
		}
	}
	return true
}

func deep(items []change.Value) bool { return items[0].Kind() == change.List }

func (c *Converter) newLayout(name, topic string, table *Table, e *change.Event) (*layout, error) {
	l := &layout{table: table, topic: topic}
	row := rowOf(e)
	if row == nil {
		row = table.Columns
	}
	row = slices.Clone(row)
	for i := range row {
		d := 0
		if items := row[i].Value.Items(); len(items) > 0 && deep(items) {
			d = 2
		}
		l.dimensions = append(l.dimensions, d)
		l.definitions = append(l.definitions, table.Definitions[row[i].Name])
	}
	for _, k := range e.Key {
		l.keys = append(l.keys, slices.IndexFunc(row, func(col change.Column) bool { return col.Name == k.Name }))
		l.keyNames = append(l.keyNames, k.Name)
	}
	if c.config.Fields.changes() {
		for i := range row {
			l.names = append(l.names, c.config.Fields.fieldName(row[i].Name))
		}
	}
	named := l.renamed(row)
	byName := map[string]change.Definition{}
	for i := range named {
		if _, twice := byName[named[i].Name]; twice {
			return nil, fmt.Errorf("two of its columns become %q: choose another field.name.adjustment.mode", named[i].Name)
		}
		byName[named[i].Name] = l.definitions[i]
	}
	definition := func(column string) change.Definition { return byName[column] }
	name = c.config.SchemaNames.schemaName(name)
	var err error
	if l.value, err = c.value.encoding(topic, change.EnvelopeSchema(name, c.format.RowSchema(name+".Value", named, definition))); err != nil {
		return nil, err
	}
	if l.row, err = c.value.encoding(topic, c.format.RowSchema(name+".Value", named, definition)); err != nil {
		return nil, err
	}
	key := make(change.Row, len(l.keys))
	for i, at := range l.keys {
		if key[i] = e.Key[i]; at >= 0 {
			key[i] = named[at]
		} else {
			byName[key[i].Name] = change.Definition{NotNull: true}
		}
	}
	if len(key) > 0 {
		if l.key, err = c.key.encoding(topic, c.format.RowSchema(name+".Key", key, definition)); err != nil {
			return nil, err
		}
	}
	l.columns = row
	for i := range l.columns {
		l.columns[i].Value = change.Value{}
	}
	return l, nil
}

func (l *layout) renamed(row change.Row) change.Row {
	if l.names == nil || row == nil {
		return row
	}
	out := slices.Clone(row)
	for i := range out {
		out[i].Name = l.names[i]
	}
	return out
}

// fit gives the event with rows that the schemas can hold, and names as they say.
func (l *layout) fit(f change.Format, e *change.Event) (change.Event, error) {
	out := *e
	for _, row := range []struct {
		at  *change.Row
		old bool
	}{{&out.Before, true}, {&out.After, false}} {
		if *row.at == nil {
			continue
		}
		fitted, column, ok := f.Conform(*row.at, l.definitions, row.old)
		if !ok {
			return out, &UnfitError{Table: e.Source.Schema + "." + e.Source.Table, Column: column}
		}
		*row.at = l.renamed(fitted)
	}
	if l.names != nil && e.Key != nil {
		out.Key = slices.Clone(e.Key)
		for i, at := range l.keys {
			if at >= 0 {
				out.Key[i].Name = l.names[at]
			}
		}
	}
	return out, nil
}

// UnfitError is returned for NaN or an infinity in a numeric column that is NOT NULL: Connect's Decimal has neither, and null must not stand there.
type UnfitError struct{ Table, Column string }

func (e *UnfitError) Error() string {
	return "column " + strconv.Quote(e.Column) + " of " + e.Table + " is NaN or infinite, and NOT NULL: neither can be written with a schema; set decimal.handling.mode=string, or double"
}
