package cdc

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/config"
)

// Selection says which tables are captured beside table.include.list. Everything is a list of regular expressions that must match a whole name.
type Selection struct {
	Schemas, NotSchemas []string // schema.include.list, schema.exclude.list
	NotTables           []string // table.exclude.list
	Prefixes            []string // message.prefix.include.list
	NotPrefixes         []string // message.prefix.exclude.list
}

// filter decides which tables are captured, and which messages.
type filter struct {
	patterns              []*regexp.Regexp
	notTables             []*regexp.Regexp
	schemas, notSchemas   []*regexp.Regexp
	prefixes, notPrefixes []*regexp.Regexp
	snapshots             []*regexp.Regexp // what snapshots read; none: all
	partitions            bool             // are tables of their own, and their roots are none
}

// newFilter takes the tables that table.include.list names, and perhaps those that are needed besides.
func newFilter(c *Config, tables []string) (filter, error) {
	f := filter{partitions: !c.ViaRoot}
	for _, list := range []struct {
		key      string
		patterns []string
		dst      *[]*regexp.Regexp
	}{
		{"table.include.list", tables, &f.patterns}, {"table.exclude.list", c.Selection.NotTables, &f.notTables},
		{"schema.include.list", c.Selection.Schemas, &f.schemas}, {"schema.exclude.list", c.Selection.NotSchemas, &f.notSchemas},
		{"message.prefix.include.list", c.Selection.Prefixes, &f.prefixes}, {"message.prefix.exclude.list", c.Selection.NotPrefixes, &f.notPrefixes},
		{includedKey, c.SnapshotTables, &f.snapshots},
	} {
		var err error
		if *list.dst, err = wholes(list.patterns, ""); err != nil {
			return filter{}, fmt.Errorf("%s: %w", list.key, err)
		}
	}
	return f, nil
}

// wholes compiles patterns that must match a whole name.
func wholes(patterns []string, flags string) (out []*regexp.Regexp, err error) {
	for _, p := range patterns {
		r, err := config.Anchored(flags + strings.TrimSpace(p))
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func matches(patterns []*regexp.Regexp, name string) bool {
	return slices.ContainsFunc(patterns, func(r *regexp.Regexp) bool { return r.MatchString(name) })
}

// chosen is what an include list and an exclude list make of a name; an empty list has no say.
func chosen(include, exclude []*regexp.Regexp, name string) bool {
	return (len(include) == 0 || matches(include, name)) && !matches(exclude, name)
}

func (f filter) includes(t tableName) bool {
	return t.schema != ownSchema && chosen(f.schemas, f.notSchemas, t.schema) && matches(f.patterns, t.String()) && !matches(f.notTables, t.String())
}

// tells decides about a logical message's prefix.
func (f filter) tells(prefix string) bool { return chosen(f.prefixes, f.notPrefixes, prefix) }

// missing lists the patterns of table.include.list that no table matches.
func (f filter) missing(tables []table) []string {
	var out []string
	for _, r := range f.patterns {
		if !slices.ContainsFunc(tables, func(t table) bool { return r.MatchString(t.String()) }) {
			out = append(out, unanchored(r))
		}
	}
	return out
}

// unanchored is a pattern of a whole name as it was given.
func unanchored(r *regexp.Regexp) string {
	return strings.TrimSuffix(strings.TrimPrefix(r.String(), "^(?:"), ")$")
}

// reads tells whether snapshots read a captured table.
func (f filter) reads(t tableName) bool {
	return len(f.snapshots) == 0 || matches(f.snapshots, t.String())
}

// inOrder sorts captured tables as snapshots read them: as table.include.list names them, those of one pattern by their names.
func (f filter) inOrder(tables []table) []*table {
	first := func(t *table) int {
		return slices.IndexFunc(f.patterns, func(r *regexp.Regexp) bool { return r.MatchString(t.String()) })
	}
	out := make([]*table, len(tables))
	for i := range tables {
		out[i] = &tables[i]
	}
	slices.SortFunc(out, func(a, b *table) int {
		return cmp.Or(cmp.Compare(first(a), first(b)), strings.Compare(a.String(), b.String()))
	})
	return out
}
