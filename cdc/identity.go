package cdc

import (
	"context"
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
var identityWords = map[string]pgoutput.Identity{"FULL": pgoutput.IdentityFull, "DEFAULT": 'd', "NOTHING": 'n', "INDEX": pgoutput.IdentityIndex}

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

// foresee has t as it will be once the rules are carried out, so that it is not found at fault for what the start mends.
func (t *table) foresee(rules []identityRule) {
	if r := wanted(rules, t); r != nil && t.owned && r.to == pgoutput.IdentityFull {
		t.identity, t.blind = pgoutput.IdentityFull, nil
	}
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
	var problems config.Problems
	for i := range tables {
		t := &tables[i]
		r := wanted(rules, t)
		if r == nil || t.has(r) {
			continue
		}
		for _, name := range append([]string{t.quoted()}, t.blind...) {
			sql := "ALTER TABLE " + name + " REPLICA IDENTITY " + r.sql()
			if !t.owned {
				problems.Errorf("table "+t.String(), "it belongs to another role, so replica.identity.autoset.values cannot be carried out: let its owner run %s", sql)
				break
			}
			if _, err := s.control.Exec(ctx, sql); err != nil {
				return postgres.Explain(fmt.Errorf("%s (replica.identity.autoset.values): %w", sql, err))
			}
			s.log.Info("set a replica identity, as replica.identity.autoset.values asks", "table", t.String(), "identity", r.sql())
		}
	}
	if err := problems.Err(); err != nil {
		return &CheckError{err: fmt.Errorf("check the database: %w", err), retry: s.proven}
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
	case 'n':
		return "NOTHING"
	}
	return "DEFAULT"
}
