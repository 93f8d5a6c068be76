package cdc

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// identityRule gives the tables that pattern matches a replica identity: Debezium's replica.identity.autoset.values.
type identityRule struct {
	pattern *regexp.Regexp
	to      pgoutput.Identity
	index   string // of pgoutput.IdentityIndex
}

// identityWords are the values, in PostgreSQL's letters.
var identityWords = map[string]pgoutput.Identity{"FULL": pgoutput.IdentityFull, "DEFAULT": pgoutput.IdentityDefault, "NOTHING": pgoutput.IdentityNothing, "INDEX": pgoutput.IdentityIndex}

func parseIdentityRules(text string) ([]identityRule, error) {
	var rules []identityRule
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		colon := strings.LastIndexByte(part, ':')
		if colon < 0 {
			return nil, fmt.Errorf("%q is not pattern:IDENTITY", part)
		}
		pattern, err := config.Anchored(part[:colon])
		if err != nil {
			return nil, fmt.Errorf("%q is no regular expression", part[:colon])
		}
		word, index, _ := strings.Cut(strings.TrimSpace(part[colon+1:]), " ")
		to, ok := identityWords[strings.ToUpper(word)]
		if index = strings.TrimSpace(index); !ok || (to == pgoutput.IdentityIndex) != (index != "") {
			return nil, fmt.Errorf("%q: want FULL, DEFAULT, NOTHING or INDEX name behind the colon", part)
		}
		rules = append(rules, identityRule{pattern, to, index})
	}
	return rules, nil
}

// wanted is the first rule for the table; nil: none.
func wanted(rules []identityRule, t *table) *identityRule {
	for i := range rules {
		if rules[i].pattern.MatchString(t.String()) {
			return &rules[i]
		}
	}
	return nil
}

// foresee has t as it will be once the rules are carried out, so that it is not found at fault for what the start mends, and is for what the start would do; t.unruly says what
// keeps a rule from being carried out.
func (f *facts) foresee(ctx context.Context, conn *pgx.Conn, rules []identityRule, t *table) (err error) {
	r := wanted(rules, t)
	if r == nil || f.standby {
		return nil
	}
	after := *t
	after.identity, after.indexed = r.to, nil
	switch r.to {
	case pgoutput.IdentityFull:
		after.blind = nil
	case pgoutput.IdentityDefault:
		if after.indexed = t.primary; len(t.primary) > 0 {
			after.blind = nil
		}
	case pgoutput.IdentityIndex:
		if after.indexed, err = identifying(ctx, conn, t, r.index); err != nil {
			return err
		}
		if len(after.indexed) == 0 {
			t.unruly = fmt.Sprintf("it has no index %s that could be its replica identity (replica.identity.autoset.values): one that is unique, of all rows, not deferrable, and over columns that are NOT NULL", r.index)
			return nil
		}
	}
	if same := after.identity == t.identity && pgoutput.SameColumns(after.indexed, t.indexed) && len(after.blind) == len(t.blind); !same && !t.owned {
		t.unruly = fmt.Sprintf("it belongs to another role, so replica.identity.autoset.values cannot be carried out: let its owner run ALTER TABLE %s REPLICA IDENTITY %s", t.quoted(), r.sql())
		return nil
	}
	after.key = after.recordKey()
	*t = after
	return nil
}

// identifying gives the columns of an index that PostgreSQL takes as a replica identity; none if it does not, or there is no such index.
func identifying(ctx context.Context, conn *pgx.Conn, t *table, index string) (columns []string, err error) {
	err = conn.QueryRow(ctx, `SELECT coalesce(array_agg(a.attname::text ORDER BY k.ord) FILTER (WHERE k.ord <= i.indnkeyatts), '{}')
		FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord) LEFT JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = k.attnum AND a.attnum > 0
		WHERE i.indrelid = $1 AND x.relname = $2 AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
		HAVING bool_and(coalesce(a.attnotnull, false) OR k.ord > i.indnkeyatts)`, t.oid, index).Scan(&columns)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("look at index %s of %s: %w", index, t, err))
	}
	return columns, nil
}

// setIdentities carries the rules out, under the connector's lock.
func (s *session) setIdentities(ctx context.Context) error {
	rules, err := parseIdentityRules(s.config.IdentityRules)
	if err != nil || len(rules) == 0 || s.facts.standby {
		return err
	}
	tables, err := loadTables(ctx, s.control, s.filter)
	if err != nil {
		return err
	}
	for i := range tables {
		t := &tables[i]
		r := wanted(rules, t)
		if r == nil || t.has(r) || !t.owned { // what belongs to others is as the rule wants it: foresee has looked
			continue
		}
		for _, name := range append([]string{t.quoted()}, t.blind...) {
			sql := "ALTER TABLE " + name + " REPLICA IDENTITY " + r.sql()
			if _, err := s.control.Exec(ctx, sql); err != nil {
				return postgres.Explain(fmt.Errorf("%s (replica.identity.autoset.values): %w", sql, err))
			}
			s.log.Info("set a replica identity, as replica.identity.autoset.values asks", "table", t.String(), "identity", r.sql())
		}
	}
	return nil
}

// has reports that the table is as the rule wants it. An index is set each time: it costs a look at the catalog.
func (t *table) has(r *identityRule) bool {
	return t.identity == r.to && r.to != pgoutput.IdentityIndex && (r.to != pgoutput.IdentityFull || len(t.blind) == 0)
}

func (r *identityRule) sql() string {
	switch r.to {
	case pgoutput.IdentityFull:
		return "FULL"
	case pgoutput.IdentityIndex:
		return "USING INDEX " + pgx.Identifier{r.index}.Sanitize()
	case pgoutput.IdentityNothing:
		return "NOTHING"
	}
	return "DEFAULT"
}
