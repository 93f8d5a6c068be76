package cdc

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/cdc/transform"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
)

// messageKeys is message.key.columns: other columns than the primary key as the key of records. In Debezium's syntax: entries with semicolons between them,
// each a regular expression of schema.table, a colon, and columns, which are regular expressions too. The key's columns come in the table's order.
type messageKeys []messageKey

type messageKey struct {
	text    string
	table   *regexp.Regexp
	columns []*regexp.Regexp
}

func parseMessageKeys(text string) (keys messageKeys, err error) {
	for entry := range strings.SplitSeq(text, ";") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		at := strings.LastIndexByte(entry, ':')
		if at <= 0 || strings.TrimSpace(entry[at+1:]) == "" {
			return nil, fmt.Errorf("must be schema.table:column,column;…; %q is not", entry)
		}
		key := messageKey{text: entry}
		if key.table, err = config.Anchored(entry[:at]); err != nil {
			return nil, fmt.Errorf("must hold regular expressions; %q is none", entry[:at])
		}
		for name := range strings.SplitSeq(entry[at+1:], ",") {
			column, err := config.Anchored(name)
			if err != nil {
				return nil, fmt.Errorf("must hold regular expressions; %q is none", name)
			}
			key.columns = append(key.columns, column)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func validMessageKeys(text string) error {
	_, err := parseMessageKeys(text)
	return err
}

// of gives the positions of t's key columns; nil where no entry is about it.
func (k messageKeys) of(t tableName, columns change.Row) (at []int) {
	for _, key := range k {
		if !key.table.MatchString(t.String()) {
			continue
		}
		for i := range columns {
			if slices.ContainsFunc(key.columns, func(r *regexp.Regexp) bool { return r.MatchString(columns[i].Name) }) && !slices.Contains(at, i) {
				at = append(at, i)
			}
		}
	}
	slices.Sort(at)
	return at
}

// messageKeyProblems finds entries that are about nothing, and keys that deletes do not have.
func (f *facts) messageKeyProblems(c Config, problems *config.Problems) {
	const path = "message.key.columns"
	keys, err := parseMessageKeys(c.MessageKeys)
	if err != nil || len(keys) == 0 {
		return // Validate says so
	}
	used := make([]bool, len(keys))
	for i := range f.tables {
		t := &f.tables[i]
		columns := t.row()
		for k := range keys {
			used[k] = used[k] || keys[k:k+1].of(t.tableName, columns) != nil
		}
		for _, at := range keys.of(t.tableName, columns) {
			t.rekeyed = true
			if name := columns[at].Name; t.identity != pgoutput.IdentityFull && !slices.Contains(t.indexed, name) {
				problems.Warnf(path, "deletes in %s do not hold column %q, so their records have no key, and no tombstone follows them: run ALTER TABLE %s REPLICA IDENTITY FULL",
					t, name, t.quoted())
			}
		}
	}
	for k, key := range keys {
		if !used[k] {
			problems.Errorf(path, "no captured table has a column that %q matches: correct it (schema.table:column,column;…)", key.text)
		}
	}
}

func (c *Config) defineTopics(s *config.Set) {
	const group = "Topics"
	s.String(&c.MessageKeys, config.Key{Name: "message.key.columns", Importance: config.Medium, Group: group, Validate: validMessageKeys,
		Doc: "Other columns than the primary key as the key of records: schema.table:column,column;…, where table and columns are regular expressions. " +
			"Deletes have them where the replica identity does: REPLICA IDENTITY FULL."})
	s.String(&c.Delimiter, config.Key{Name: "topic.delimiter", Default: ".", Importance: config.Low, Group: group,
		Doc: "What stands between the parts of a topic's name.", Validate: config.Matches(`[._-]+`, "must be dots, dashes and underscores")})
	s.String(&c.TransactionTopic, config.Key{Name: "topic.transaction", Default: transactionTopic, Importance: config.Low, Group: group,
		Doc:      "The last part of the name of the topic of transactions: {topic.prefix}.{topic.transaction}.",
		Validate: config.Matches(`[A-Za-z0-9._-]{1,100}`, "must be letters, digits, dots, dashes or underscores")})
	s.List(&c.Transforms, config.Key{Name: "transforms", Importance: config.Medium, Group: group,
		Doc: "Names of transforms, in the order in which they are applied. What each is stands in transforms.{name}.type and its other keys; see docs/converters.md."})
	s.Prefix(&c.TransformKeys, config.Key{Name: "transforms.", Importance: config.Medium, Group: group,
		Doc: "A transform's type (" + transform.RegexRouter + ", " + transform.LogicalRouter + ", " + transform.Filter + ", " + transform.ContentRouter + ", " + transform.ExtractNewRecordState + ") and its options."})
}
