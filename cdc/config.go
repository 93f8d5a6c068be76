package cdc

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/converter"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// Config says what is captured and how it is written. Keys are Debezium's where they mean the same.
type Config struct {
	config.Common
	Database postgres.Config

	TopicPrefix     string // names the database in topics and events
	Slot            string // the replication slot; also the lock between copies
	Publication     string
	RowFilters      map[string]string // by schema.table: an SQL expression that rows must meet to be captured
	ViaRoot         bool              // publish.via.partition.root
	Generated       string            // publish.generated.columns
	ListMode        string            // publication.column.lists
	ColumnLists     map[string]string // by schema.table: the columns that the server sends
	IdentityRules   string            // replica.identity.autoset.values
	AutoCreate      string            // filtered: the publication is made and kept up; disabled: it must be there
	Tables          []string          // regular expressions over schema.table, anchored; the mapped tables
	SnapshotMode    SnapshotMode
	SnapshotTables  []string          // that snapshots read, regular expressions over schema.table; none: all
	Overridden      []string          // snapshot.select.statement.overrides
	Overrides       map[string]string // … by schema.table
	SnapshotThreads int               // connections that read a snapshot; 0: as many as there are processors, but for threadsMax
	snapshotPages   int64             // read at a time; 0 but in tests
	Selection       Selection
	Columns         Columns
	Format          change.Format
	Converters      converter.Config
	Tombstones      bool     // a record without value after each delete, for compacted topics
	Skipped         []string // operations that are not written: c, u, d, t
	Messages        bool     // write pg_logical_emit_message's messages to {prefix}.message
	TransactionInfo bool     // fill the transaction block
	ContextHeaders  bool

	HeartbeatInterval time.Duration // 0: none
	HeartbeatQuery    string        // run in the database with each of them
	HeartbeatPrefix   string
	MessageKeys       string // message.key.columns
	Delimiter         string
	TransactionTopic  string            // the last part of its name
	Transforms        []string          // names, in order
	TransformKeys     map[string]string // by name and key: route.regex
	StatusInterval    time.Duration     // between reports to PostgreSQL while nothing happens
	OffsetInterval    time.Duration     // between writes of the position to Kafka; PostgreSQL keeps WAL at least as long
	SlotRetryDelay    time.Duration     // between looks at a slot that another copy holds
	DrainTimeout      time.Duration     // how long Stop waits for acknowledgements; what is not acknowledged is sent again
	InFlightBytesMax  int64             // keys and values that Kafka has not acknowledged
	RecordBytesMax    int64             // larger values lose their largest columns to the placeholder; 0: none does

	DeadLetterTopic       string // of changes that Kafka refuses, with errors.tolerance=all
	DeadLetterReplication int

	SlotOptions SlotOptions
	Mismatch    Mismatch // which position holds when the stored one and the slot's differ

	ChunkSize      int      // rows of an incremental snapshot that are read at a time
	ReadOnly       bool     // nothing is written to the database
	SignalChannels []string // by which incremental snapshots are asked for
	SignalTable    string   // schema.table; "": none
	SignalTopic    string   // "": {topic.prefix}-signal

	Reselect Reselect // when values that were not sent are read from the table

	Protocol      int    // the newest version of pgoutput's protocol that is asked for
	SpillDir      string // where transactions that have not ended are kept, from protocol 2 on; "": the system's folder for temporary files
	SpillBytesMax int64
	spillFile     func(dir, pattern string) (*os.File, error) // nil but in tests

	ExactlyOnceSupport   string        // required: records and position share Kafka transactions
	TransactionLinger    time.Duration // how long a Kafka transaction waits for another change
	TransactionBytesMax  int64         // of one Kafka transaction, where PostgreSQL's leave the choice
	TransactionEventsMax int64

	Holder  string // names this process where two may want the same work; not a key
	Version string // of the program, for source.version; not a key
}

// SnapshotMode says when tables are read whole.
type SnapshotMode string

// The modes.
const (
	SnapshotInitial     SnapshotMode = "initial"      // when no position is stored
	SnapshotInitialOnly SnapshotMode = "initial_only" // as initial, and then nothing: no slot is made, no change is read
	SnapshotAlways      SnapshotMode = "always"       // at every start
	SnapshotNoData      SnapshotMode = "no_data"      // never: changes from now on
	SnapshotNever       SnapshotMode = "never"        // Debezium's old name for no_data
	SnapshotWhenNeeded  SnapshotMode = "when_needed"  // when no position is stored, or changes were lost
)

const (
	autoCreateAll      = "all_tables"
	autoCreateNone     = "no_tables"
	autoCreateFiltered = "filtered"
	autoCreateDisabled = "disabled"
)

// ownSchema is the ledger's: it is never captured, or our own bookkeeping would go round and round.
const ownSchema = "tandem"

// Define tells of c's keys.
func (c *Config) Define(s *config.Set) {
	c.Common.Define(s)
	c.Database.Define(s)
	c.defineCapture(s)
	c.SlotOptions.define(s)
	c.defineSelection(s)
	c.defineSnapshot(s)
	c.Mismatch.define(s)
	c.defineFormat(s)
	c.Converters.Define(s)
	c.defineTopics(s)
	c.defineColumns(s)
	c.defineDelivery(s)
	c.defineLimits(s)
	c.defineProtocol(s)
	c.defineSignals(s)
	c.defineRefused(s)
}

func (c *Config) defineCapture(s *config.Set) {
	name := config.Matches(`[a-z_][a-z0-9_]{0,62}`, "must be lower-case letters, digits and underscores, 63 at most")
	s.String(&c.TopicPrefix, config.Key{Name: "topic.prefix", Required: true, Importance: config.High, Group: "Capture",
		Doc:      "The name of this database in topics ({prefix}.{schema}.{table}) and events. Changing it starts from the beginning.",
		Validate: config.Matches(`[A-Za-z0-9._-]{1,100}`, "must be letters, digits, dots, dashes or underscores, 100 at most")})
	s.List(&c.Tables, config.Key{Name: "table.include.list", Required: true, Importance: config.High, Group: "Capture",
		Doc: "The tables to capture: schema.table, each a regular expression that must match the whole name.", Validate: validTables})
	s.String(&c.Slot, config.Key{Name: "slot.name", Default: "tandem", Importance: config.High, Group: "Capture", Validate: name,
		Doc: "The replication slot, made if it is missing. Of two copies with one slot the second waits. Drop the slot when the connector is removed for good: it keeps WAL."})
	s.String(&c.Publication, config.Key{Name: "publication.name", Default: "tandem", Importance: config.High, Group: "Capture", Validate: name,
		Doc: "The publication, made if it is missing and publication.autocreate.mode allows it."})
	config.Enum(s, &c.AutoCreate, config.Key{Name: "publication.autocreate.mode", Default: autoCreateFiltered, Group: "Capture",
		Doc: "filtered makes the publication of exactly the included tables and adds what is missing; disabled leaves that to the database's owner; no_tables makes an empty one; " +
			"all_tables makes one of all tables, which takes a superuser, and PostgreSQL then refuses updates of every table that has no replica identity."},
		autoCreateFiltered, autoCreateDisabled, autoCreateNone, autoCreateAll)
	c.definePublication(s)
	config.Enum(s, &c.SnapshotMode, config.Key{Name: "snapshot.mode", Default: string(SnapshotInitial), Importance: config.High, Group: "Capture",
		Doc: "When the tables are read whole: initial at the first start, always at every start, no_data never, when_needed also after changes were lost with the slot. " +
			"initial_only reads them once and no changes, without a slot: the connector is completed then."},
		SnapshotInitial, SnapshotInitialOnly, SnapshotAlways, SnapshotNoData, SnapshotNever, SnapshotWhenNeeded)
	s.Int(&c.SnapshotThreads, config.Key{Name: "snapshot.max.threads", Default: "0", Group: "Capture", Validate: config.Between(0, 64),
		Doc: "How many connections read a snapshot, within tables and across them. 0 for as many as there are processors, 4 at most."})
	s.List(&c.Skipped, config.Key{Name: "skipped.operations", Default: "t", Group: "Capture",
		Doc: "Operations that are not written: c, u, d, t, or none.", Validate: validOperations})
	s.Bool(&c.Messages, config.Key{Name: "logical.messages", Default: "true", Importance: config.Low, Group: "Capture",
		Doc: "Whether messages of pg_logical_emit_message are written to {prefix}.message."})
}

func (c *Config) defineFormat(s *config.Set) {
	text := func(dst *string, name, def, doc string, values ...string) {
		config.Enum(s, dst, config.Key{Name: name, Default: def, Group: "Format", Doc: doc}, values...)
	}
	text(&c.Format.DecimalMode, "decimal.handling.mode", "precise", "How numeric and money are written: precise (Connect's Decimal), string or double.",
		"precise", "string", "double")
	c.Format.MoneyDigits = new(int)
	s.Int(c.Format.MoneyDigits, config.Key{Name: "money.fraction.digits", Default: "2", Importance: config.Low, Group: "Format", Validate: config.Between(0, 30),
		Doc: "How many digits money has behind the point where decimal.handling.mode is precise. More are rounded, half away from zero."})
	text(&c.Format.TimeMode, "time.precision.mode", "adaptive", "The unit of times: adaptive to the column, or one for all.",
		"adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds")
	text(&c.Format.BinaryMode, "binary.handling.mode", "bytes", "How bytea is written.", "bytes", "base64", "base64-url-safe", "hex")
	s.Bool(&c.Format.UnknownBytes, config.Key{Name: "include.unknown.datatypes", Default: "false", Importance: config.Low, Group: "Format",
		Doc: "Whether types that Debezium does not know, such as composites, multiranges and most of extensions, are written as the bytes of their text, as binary.handling.mode says. Without it they are written as text: none is left out."})
	text(&c.Format.IntervalMode, "interval.handling.mode", "numeric", "How intervals are written: numeric (microseconds, months of 30.4375 days) or string (ISO 8601, exact).",
		"numeric", "string")
	text(&c.Format.HstoreMode, "hstore.handling.mode", "json", "How hstore is written: json (text) or map (object).", "json", "map")
	s.String(&c.Format.Placeholder, config.Key{Name: "unavailable.value.placeholder", Default: change.Unavailable, Importance: config.Low, Group: "Format",
		Doc: "What stands for a large value that an update left as it was, because PostgreSQL does not send it."})
	config.Enum(s, &c.Reselect, config.Key{Name: "reselect.unavailable.values", Default: string(ReselectKeyChange), Importance: config.Low, Group: "Format",
		Doc: "When such a value is read from the table, as it is by then: key.change when the row got another key, under which nobody has it yet; all; none."},
		ReselectNone, ReselectKeyChange, ReselectAll)
	s.Bool(&c.Tombstones, config.Key{Name: "tombstones.on.delete", Default: "true", Group: "Format",
		Doc: "Whether each delete is followed by a record without value, which makes compacted topics forget the key."})
	s.Bool(&c.TransactionInfo, config.Key{Name: "provide.transaction.metadata", Default: "false", Importance: config.Low, Group: "Format",
		Doc: "Whether events carry their transaction's id and their place in it, and {prefix}.transaction says where transactions begin and end."})
	s.Bool(&c.ContextHeaders, config.Key{Name: "extended.headers.enabled", Default: "true", Importance: config.Low, Group: "Format",
		Doc: "Whether records carry the __debezium.context.* headers."})
	s.String(&c.HeartbeatPrefix, config.Key{Name: "topic.heartbeat.prefix", Default: "__debezium-heartbeat", Importance: config.Low, Group: "Format",
		Doc: "Heartbeats go to {topic.heartbeat.prefix}.{topic.prefix}."})
}

func (c *Config) defineLimits(s *config.Set) {
	millis := func(dst *time.Duration, name, def string, least float64, doc string) {
		s.Duration(dst, config.Key{Name: name, Default: def, Importance: config.Low, Group: "Limits", Doc: doc + " In milliseconds.", Validate: config.AtLeast(least)})
	}
	millis(&c.HeartbeatInterval, "heartbeat.interval.ms", "0", 0,
		"How often a heartbeat record is written; 0 for never. An idle database needs none: its position moves with PostgreSQL's keepalives.")
	millis(&c.StatusInterval, "status.update.interval.ms", "10000", 100, "How often PostgreSQL is told where we are while nothing happens.")
	millis(&c.OffsetInterval, "offset.flush.interval.ms", "5000", 10, "How often the position is written to Kafka. PostgreSQL is told after that.")
	millis(&c.SlotRetryDelay, "slot.retry.delay.ms", "2000", 10, "How often a slot that another copy holds is looked at.")
	millis(&c.DrainTimeout, "drain.timeout.ms", "10000", 0, "How long a stop waits for Kafka's acknowledgements. What is not acknowledged is sent again after the start.")
	bytes := func(dst *int64, name, def, doc string) {
		s.Long(dst, config.Key{Name: name, Default: def, Importance: config.Low, Group: "Limits", Doc: doc, Validate: config.AtLeast(1024)})
	}
	bytes(&c.InFlightBytesMax, "in.flight.bytes.max", "4194304",
		"How many bytes of keys and values, and 512 for each record, may wait for Kafka's acknowledgement; then reading pauses. Less than the producer's buffer.memory. More where Kafka is far away.")
	s.Long(&c.RecordBytesMax, config.Key{Name: "record.bytes.max", Default: "0", Importance: config.Low, Group: "Limits",
		Doc: "The largest value to write. In a larger one the largest columns become the placeholder, and the header tandem.cut names them. 0: none does, and errors.tolerance says what becomes of a record that " +
			"Kafka refuses. Less than the topic's max.message.bytes.",
		Validate: func(value string) error {
			if value == "0" {
				return nil
			}
			return config.AtLeast(1024)(value)
		}})
}

func (c *Config) defineProtocol(s *config.Set) {
	s.Int(&c.Protocol, config.Key{Name: "protocol.version", Default: "1", Importance: config.Low, Group: "Limits", Validate: config.Between(protocolWhole, protocolParallel),
		Doc: "The version of pgoutput's protocol. 1: PostgreSQL keeps large transactions on its disk and sends them after their commit. 2 and more (PostgreSQL 14; 3: 15; 4: 16): it sends them while they run, " +
			"and they are kept in spill.directory."})
	s.String(&c.SpillDir, config.Key{Name: "spill.directory", Default: "", Importance: config.Low, Group: "Limits",
		Doc: "Where large transactions that have not ended are kept, from protocol.version 2 on. Empty: the system's folder for temporary files."})
	s.Long(&c.SpillBytesMax, config.Key{Name: "spill.bytes.max", Default: "10737418240", Importance: config.Low, Group: "Limits", Validate: config.AtLeast(1 << 20),
		Doc: "How many bytes they may need there. When that is not enough, or the disk is full, the connector stops; its position is where it was."})
}

func (c *Config) defineDelivery(s *config.Set) {
	const group = "Delivery"
	config.Enum(s, &c.ExactlyOnceSupport, config.Key{Name: "exactly.once.support", Default: exactlyOnceRequired, Importance: config.High, Group: group,
		Doc: "required writes changes and position in one Kafka transaction: who reads committed sees every change exactly once, in commit order. The Kafka user needs " +
			"Write and Describe on the transactional id tandem-{name}-0 (or producer.override.transactional.id). disabled writes changes at least once: after a crash some come again."},
		exactlyOnceRequired, exactlyOnceDisabled)
	s.Duration(&c.TransactionLinger, config.Key{Name: "transaction.linger.ms", Default: "2", Importance: config.Low, Group: group, Validate: config.Between(1, 1000),
		Doc: "How long a Kafka transaction waits for another change before it is committed. In milliseconds."})
	limit := func(dst *int64, name, def, doc string) {
		s.Long(dst, config.Key{Name: name, Default: def, Importance: config.Low, Group: group, Doc: doc, Validate: config.AtLeast(1)})
	}
	limit(&c.TransactionBytesMax, "transaction.bytes.max", "33554432",
		"After how many bytes a Kafka transaction is committed at the next end of a PostgreSQL transaction, which is only cut when it takes longer than half of transaction.timeout.ms.")
	limit(&c.TransactionEventsMax, "transaction.events.max", "50000", "After how many records that is.")
}

// Validate reports everything that is wrong between keys, as [config.Problems].
func (c Config) Validate() error {
	var problems config.Problems
	if err := c.Database.Validate(); err != nil {
		if found, ok := err.(config.Problems); ok { //nolint:errorlint // Validate's documented form
			problems = append(problems, found...)
		} else {
			problems.Errorf("database", "%v", err)
		}
	}
	for name, empty := range map[string]bool{
		"topic.prefix": c.TopicPrefix == "", "slot.name": c.Slot == "", "publication.name": c.Publication == "", "table.include.list": len(c.Tables) == 0,
	} {
		if empty {
			problems.Errorf(name, "missing")
		}
	}
	if err := validTables(strings.Join(c.Tables, ",")); err != nil {
		problems.Errorf("table.include.list", "%v", err)
	}
	if err := c.Format.Validate(); err != nil {
		problems.Errorf("", "%v", err)
	}
	problems = append(problems, c.Converters.Problems()...)
	problems = append(problems, c.transforms().Problems()...)
	if err := validMessageKeys(c.MessageKeys); err != nil {
		problems.Errorf("message.key.columns", "%v", err)
	}
	c.selectionProblems(&problems)
	if c.RecordBytesMax > c.InFlightBytesMax {
		problems.Errorf("record.bytes.max", "%d is more than in.flight.bytes.max, %d", c.RecordBytesMax, c.InFlightBytesMax)
	}
	slices.SortFunc(problems, func(a, b config.Problem) int { return strings.Compare(a.Path, b.Path) })
	return problems.Err()
}

// Default is a configuration with every default; what has none is left to the caller.
func Default() Config {
	var c Config
	m := config.Map{"name": "cdc", "connector.class": "cdc.PostgresSource", "topic.prefix": "x", "table.include.list": "x.x",
		"database.hostname": "x", "database.dbname": "x"}
	if err := config.Decode(m, config.Resolver{}, &c).Err(); err != nil {
		panic(fmt.Sprintf("cdc: the defaults are not valid: %v", err)) // a mistake in Define
	}
	c.TopicPrefix, c.Tables, c.Database.Host, c.Database.Database = "", nil, "", ""
	return c
}

func validTables(list string) error {
	for pattern := range strings.SplitSeq(list, ",") {
		pattern = strings.TrimSpace(pattern)
		if _, err := regexp.Compile(pattern); err != nil {
			return fmt.Errorf("must be regular expressions; %q is none", pattern)
		}
		if schema, _, ok := strings.Cut(pattern, "."); ok && strings.TrimSuffix(schema, `\`) == ownSchema {
			return fmt.Errorf("must not name tables of schema %s, the ledger's own", ownSchema)
		}
	}
	return nil
}

func validOperations(list string) error {
	for op := range strings.SplitSeq(list, ",") {
		if op = strings.TrimSpace(op); !slices.Contains([]string{"c", "u", "d", "t", "none"}, op) {
			return fmt.Errorf("must be c, u, d, t or none")
		}
	}
	return nil
}

// snapshots gives the mode without synonyms.
func (m SnapshotMode) canonical() SnapshotMode {
	if m == SnapshotNever {
		return SnapshotNoData
	}
	return m
}
