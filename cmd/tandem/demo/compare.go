package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// comparison counts fields of both sides. What differs and is known to the ledger as work or as a hold waits; the rest differs.
type comparison struct {
	Records, Fields         int
	Equal, Waiting, Differs int
	Waits                   []difference // one for a record, the first records
	Differences             []difference // the first
}

// difference is one field that is not the same on both sides.
type difference struct {
	Record      string
	Field       string
	CRM, Notion string
	Why         string // it waits
}

// shownMax bounds what is listed; the counts are whole.
const shownMax = 10

// paired is what both sides say of one record. A side that has no record of it is nil.
type paired struct {
	name        string
	crm, notion record
	why         string // the ledger has something to do for it: what
}

// inWork is why a record waits of which the ledger says no more.
const inWork = "in work"

// compare counts, field by field. waits says why a record of another entity waits, "" if it does not. It is pure.
func (e *entity) compare(pairs []paired, waits func(Ref) string) comparison {
	var c comparison
	for _, p := range pairs {
		c.Records++
		for _, field := range e.fieldNames(p.crm, p.notion) {
			d := difference{p.name, field, p.crm[field], p.notion[field], p.why}
			if d.CRM != d.Notion && (d.Why == "" || d.Why == inWork) {
				d.Why = cmp.Or(e.targetWaits(d, waits), d.Why)
			}
			c.count(d, p.crm != nil && p.notion != nil)
		}
	}
	return c
}

func (c *comparison) count(d difference, both bool) {
	c.Fields++
	switch {
	case both && d.CRM == d.Notion:
		c.Equal++
	case d.Why != "":
		c.Waiting++
		c.wait(d)
	default:
		c.Differs++
		if len(c.Differences) < shownMax {
			c.Differences = append(c.Differences, d)
		}
	}
}

func (c *comparison) wait(d difference) {
	same := func(o difference) bool { return o.Record == d.Record }
	if len(c.Waits) < shownMax && !slices.ContainsFunc(c.Waits, same) {
		c.Waits = append(c.Waits, d)
	}
}

// targetWaits explains a relation that differs only by records that wait themselves: Notion hides a page in the trash from those that name it.
func (e *entity) targetWaits(d difference, waits func(Ref) string) string {
	r, ok := e.rule(d.Field)
	if !ok || r.Relation == nil {
		return ""
	}
	crm, notion := strings.Split(d.CRM, listMark), strings.Split(d.Notion, listMark)
	why := ""
	for _, key := range append(slices.Clone(crm), notion...) {
		if key == "" || slices.Contains(crm, key) && slices.Contains(notion, key) {
			continue
		}
		ref := Ref{r.Relation.Entity, key}
		if waits(ref) == "" {
			return ""
		}
		why = "it names " + ref.String() + ", which waits"
	}
	return why
}

func (c *comparison) add(o comparison) {
	c.Records, c.Fields = c.Records+o.Records, c.Fields+o.Fields
	c.Equal, c.Waiting, c.Differs = c.Equal+o.Equal, c.Waiting+o.Waiting, c.Differs+o.Differs
	c.Waits, c.Differences = append(c.Waits, o.Waits...), append(c.Differences, o.Differences...)
}

// reader reads both sides of a running demo.
type reader struct {
	pool     *pgxpool.Pool
	entities entities
	crm      *crmReader
	notion   *notionReader
}

// pairs reads an entity whole on both sides.
func (r *reader) pairs(ctx context.Context, name string, waits map[string]string) ([]paired, error) {
	rows, err := r.crm.read(ctx, name, "")
	if err != nil {
		return nil, err
	}
	pages, err := r.notion.read(ctx, name)
	if err != nil {
		return nil, err
	}
	links, err := r.notion.links(ctx)
	if err != nil {
		return nil, err
	}
	byKey := map[string]*paired{}
	for key, row := range rows {
		byKey[key] = &paired{name: name + "/" + key, crm: row, why: waits["key "+key]}
	}
	for page, rec := range pages {
		key := links[page].Key
		if key == "" || byKey[key] == nil {
			byKey["page "+page] = &paired{name: "page " + page, notion: rec, why: waits["page "+page]}
			continue
		}
		byKey[key].notion = rec
	}
	var out []paired
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		out = append(out, *byKey[key])
	}
	return out, nil
}

// waits says for which records the ledger has something to do or to be told, by "key …" and by "page …".
func (r *reader) waits(ctx context.Context, name string) (map[string]string, error) {
	rows, err := r.pool.Query(ctx, `
SELECT coalesce(l.key, ''), coalesce(l.page, ''),
       coalesce('held: ' || (SELECT h.reason FROM tandem.hold h WHERE h.link = l.id LIMIT 1),
                'parked: ' || (SELECT w.parked FROM tandem.work w WHERE w.link = l.id AND w.parked <> '' LIMIT 1),
                (SELECT $3::text FROM tandem.work w WHERE w.link = l.id LIMIT 1))
FROM tandem.link l WHERE l.sync = $1 AND l.entity = $2`, syncName, name, inWork)
	if err != nil {
		return nil, fmt.Errorf("read what waits: %w", err)
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var key, page string
		var why *string
		if err := rows.Scan(&key, &page, &why); err != nil {
			return nil, fmt.Errorf("read what waits: %w", err)
		}
		if why != nil {
			out["key "+key], out["page "+page] = *why, *why
		}
	}
	return out, rows.Err()
}

// compareAll compares every mapped field of every record.
func (r *reader) compareAll(ctx context.Context) (comparison, error) {
	var all comparison
	waiting := map[string]map[string]string{}
	for name := range r.entities {
		var err error
		if waiting[name], err = r.waits(ctx, name); err != nil {
			return all, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.entities)) {
		pairs, err := r.pairs(ctx, name, waiting[name])
		if err != nil {
			return all, err
		}
		all.add(r.entities[name].compare(pairs, func(ref Ref) string { return waiting[ref.Entity]["key "+ref.Key] }))
	}
	return all, nil
}

// progress is how far the first sync has come: links with both ends, and work that is left and not parked.
func (r *reader) progress(ctx context.Context) (linked, work, parked int, err error) {
	err = r.pool.QueryRow(ctx, `
SELECT (SELECT count(*) FROM tandem.link WHERE state = 'live'), (SELECT count(*) FROM tandem.work WHERE parked = ''),
       (SELECT count(*) FROM tandem.work WHERE parked <> '')`).Scan(&linked, &work, &parked)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "3F000") { // the ledger has no tables yet
		return 0, 1, 0, nil
	}
	return linked, work, parked, err
}
