package change

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Op says what happened, in Debezium's letters.
type Op string

// The operations.
const (
	Create   Op = "c"
	Update   Op = "u"
	Delete   Op = "d"
	Read     Op = "r" // a row of a snapshot
	Truncate Op = "t"
	Message  Op = "m" // pg_logical_emit_message
)

var ops = []Op{Create, Update, Delete, Read, Truncate, Message}

// Valid reports that o is one of the operations.
func (o Op) Valid() bool { return slices.Contains(ops, o) }

// Event is one committed change of one row, as `cdc` reads it. [Format] writes it as Debezium would; [Decode] is the
// way back for consumers, who need less.
type Event struct {
	Op       Op
	Position Position
	Key      Row // the key's columns in key order; nil: the table has none
	Before   Row // nil: not known. A column that the old row's image leaves out is absent
	After    Row // nil after a delete. An unchanged TOAST column is absent
	Source   Source
	Tx       *Transaction    // nil unless asked for
	Message  *LogicalMessage // op m only
	At       time.Time       // when we processed it; the envelope's own ts_ms
	NewKey   Row             // delete half of a key change: the key that the row has now
	OldKey   Row             // create half of a key change: the key that the row had
	Mark     string          // what the writer of the transaction says of itself (HeaderOrigin); "" where it says nothing
}

// Row is a row's columns in table order.
type Row []Column

// Column is one value of a row.
type Column struct {
	Name  string
	Type  Type
	Value Value
}

// UserType names what a database's users made, but for enums and domains: composites, ranges, base types. Their values are text.
const UserType = "user"

// Type is a column's type as PostgreSQL knows it, domains resolved to what is under them.
type Type struct {
	Name     string // pg_type.typname ("int4", "numeric", "_text"); "enum" for every enum, "_" before an array's element
	Modifier int32  // pg_attribute.atttypmod; -1 for none
}

// Elem is the type of an array's elements.
func (t Type) Elem() (Type, bool) {
	if len(t.Name) < 2 || t.Name[0] != '_' {
		return Type{}, false
	}
	return Type{Name: t.Name[1:], Modifier: t.Modifier}, true
}

// Get gives a column's value, absent if there is no such column.
func (r Row) Get(name string) Value {
	for i := range r {
		if r[i].Name == name {
			return r[i].Value
		}
	}
	return Value{}
}

// SnapshotMark places an event in a snapshot. The zero mark is "false": the event is from the stream.
type SnapshotMark string

// The marks, as Debezium's SnapshotRecord has them.
const (
	NoSnapshot          SnapshotMark = "false"
	SnapshotFirst       SnapshotMark = "first"
	SnapshotFirstOf     SnapshotMark = "first_in_data_collection"
	SnapshotRow         SnapshotMark = "true"
	SnapshotLastOf      SnapshotMark = "last_in_data_collection"
	SnapshotLast        SnapshotMark = "last"
	SnapshotIncremental SnapshotMark = "incremental"
)

// Source is the envelope's block about where an event comes from.
type Source struct {
	Version    string
	Connector  string    // "postgresql", or "notion"
	Name       string    // topic.prefix
	Time       time.Time // of the commit; of a snapshot: its begin. Microseconds
	Snapshot   SnapshotMark
	DB         string
	LastCommit LSN // of the last transaction that was complete before this event; 0: none seen
	Schema     string
	Table      string
	TxID       int64 // 32-bit transaction id, as pgoutput gives it; 0: none
	LSN        LSN   // of the change itself
	XMin       int64 // 0: not asked for
	Origin     string
	OriginLSN  LSN
}

// Transaction is the envelope's transaction block.
type Transaction struct {
	ID                  string `json:"id"`                    // "<txid>:<commit LSN>", the same in every event of the transaction
	TotalOrder          int64  `json:"total_order"`           // from 1
	DataCollectionOrder int64  `json:"data_collection_order"` // from 1, among events of one table
}

// LogicalMessage is the content of an op m.
type LogicalMessage struct {
	Prefix        string
	Content       []byte
	Transactional bool
}

// Header is a Kafka record's header.
type Header struct {
	Key   string
	Value []byte
}

// Names of headers, as Debezium has them.
const (
	HeaderNewKey        = "__debezium.newkey"
	HeaderOldKey        = "__debezium.oldkey"
	HeaderLogicalName   = "__debezium.context.connectorLogicalName"
	HeaderTaskID        = "__debezium.context.taskId"
	HeaderConnectorName = "__debezium.context.connectorName"
	HeaderRunID         = "__debezium.context.runId"

	// HeaderOrigin is the header of every event of a transaction whose writer said who it is, and the prefix of the transactional message that says so
	// (pg_logical_emit_message), before its first change. It is information for whoever reads; nothing is decided by it.
	HeaderOrigin = "tandem.origin"
)

// Validate finds what makes an event impossible to write: called before encoding.
func (e *Event) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !e.Op.Valid() {
		bad("unknown operation %q", e.Op)
	}
	if needsAfter := e.Op == Create || e.Op == Update || e.Op == Read; needsAfter != (e.After != nil) {
		bad("operation %q with after=%t", e.Op, e.After != nil)
	}
	if e.Op == Delete && e.Before == nil {
		bad("a delete without the old row's key")
	}
	if (e.Op == Message) != (e.Message != nil) {
		bad("operation %q with message=%t", e.Op, e.Message != nil)
	}
	if e.Source.Connector == "" || e.Source.Name == "" {
		bad("source without connector or name")
	}
	if e.Op != Message && e.Source.Table == "" {
		bad("source without table")
	}
	for _, c := range e.Key {
		if c.Value.IsAbsent() {
			bad("key column %q was not read", c.Name)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("change event of %s.%s at %s: %w", e.Source.Schema, e.Source.Table, e.Position, errors.Join(problems...))
	}
	return nil
}

// TopicName puts the parts of a topic's name together, as Debezium does: characters that Kafka does not take become underscores.
func TopicName(parts ...string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, strings.Join(parts, "."))
}
