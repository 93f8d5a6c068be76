package cdc

import (
	"regexp"
	"strings"

	"github.com/tandem-sync/tandem/connector/config"
)

// defineSelection tells of the keys that choose tables, messages and heartbeats.
func (c *Config) defineSelection(s *config.Set) {
	list := func(dst *[]string, name, doc string) {
		s.List(dst, config.Key{Name: name, Group: "Capture", Importance: config.Medium, Validate: validPatterns,
			Doc: doc + " Regular expressions that must match the whole name, with commas between them."})
	}
	list(&c.Selection.Schemas, "schema.include.list", "The schemas whose tables may be captured; empty for all.")
	list(&c.Selection.NotSchemas, "schema.exclude.list", "Schemas whose tables are not captured, whatever else says so.")
	list(&c.Selection.NotTables, "table.exclude.list", "Tables (schema.table) that are not captured though table.include.list names them.")
	list(&c.Selection.Prefixes, "message.prefix.include.list", "The prefixes of logical messages that are written; empty for all.")
	list(&c.Selection.NotPrefixes, "message.prefix.exclude.list", "Prefixes of logical messages that are not written.")
	s.String(&c.HeartbeatQuery, config.Key{Name: "heartbeat.action.query", Group: "Capture", Importance: config.Low,
		Doc: "A statement that is run in the database with each heartbeat, such as an upsert into a table of heartbeats; it takes heartbeat.interval.ms. No WAL is kept for want of it: " +
			"it is for those who watch the table."})
}

// defineColumns tells of the keys that choose columns and their form.
func (c *Config) defineColumns(s *config.Set) {
	const names = " Regular expressions that must match a whole schema.table.column, in any case of letters, with commas between them."
	list := func(dst *[]string, name, doc string) {
		s.List(dst, config.Key{Name: name, Group: "Format", Importance: config.Medium, Validate: validPatterns, Doc: doc + names})
	}
	list(&c.Columns.Include, "column.include.list", "The columns that events have; empty for all. Keys always have all of theirs.")
	list(&c.Columns.Exclude, "column.exclude.list", "Columns that events do not have. Keys always have all of theirs.")
	prefix := func(dst *map[string]string, name, doc string) {
		s.Prefix(dst, config.Key{Name: name, Group: "Format", Importance: config.Low, Validate: validPatterns, Doc: doc + names})
	}
	prefix(&c.Columns.Mask, maskPrefix, "column.mask.with.{n}.chars: columns of text whose values become n asterisks, null too.")
	prefix(&c.Columns.Hash, hashPrefix, "column.mask.hash.{algorithm}.with.salt.{salt}: columns of text whose values become their hash in hexadecimal, with an algorithm that Java knows (SHA-256). "+
		"column.mask.hash.v2.… hashes the bytes of the text, without v2 they are those of Java's serialization.")
	prefix(&c.Columns.Truncate, truncatePrefix, "column.truncate.to.{n}.chars: columns of text that are cut to n characters.")
	s.Bool(&c.Columns.SkipUnchanged, config.Key{Name: "skip.messages.without.change", Default: "false", Group: "Format", Importance: config.Low,
		Doc: "Whether updates that change none of the columns that are written are left out. It takes REPLICA IDENTITY FULL: of other tables nobody knows the old row."})
}

func validPatterns(list string) error {
	for pattern := range strings.SplitSeq(list, ",") {
		if _, err := regexp.Compile(strings.TrimSpace(pattern)); err != nil {
			return err
		}
	}
	return nil
}

// selectionProblems names lists that contradict each other, and options that need another.
func (c *Config) selectionProblems(problems *config.Problems) {
	both := func(name string, include, exclude []string) {
		if len(include) > 0 && len(exclude) > 0 {
			problems.Errorf(name+".exclude.list", "%s.include.list is given too: name what is wanted or what is not, one of the two", name)
		}
	}
	both("schema", c.Selection.Schemas, c.Selection.NotSchemas)
	both("message.prefix", c.Selection.Prefixes, c.Selection.NotPrefixes)
	both("column", c.Columns.Include, c.Columns.Exclude)
	if _, err := newColumnRules(&c.Columns); err != nil {
		problems.Errorf("column", "%v", err)
	}
	if c.ListMode == listsFromOptions && len(c.Columns.Include)+len(c.Columns.Exclude) == 0 {
		problems.Errorf("publication.column.lists", "%s goes by column.include.list or column.exclude.list, and neither is given", listsFromOptions)
	}
	if c.HeartbeatQuery != "" && c.HeartbeatInterval <= 0 {
		problems.Errorf("heartbeat.action.query", "it is run with heartbeats, and there are none: set heartbeat.interval.ms")
	}
}
