package cdc

import (
	"testing"

	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// A row filter holds for the snapshot and for the stream, and is kept up: what the configuration says now is what is published.
func TestRowFilters(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 15, "row filters of publications")
	w := newWorld(t, pgtest.Database(t), contacts+`; CREATE TABLE other (id int PRIMARY KEY)`)
	w.exec(t, `INSERT INTO contact (name) VALUES ('Ada'), ('hidden')`)
	w.config.RowFilters = map[string]string{"public.contact": "name <> 'hidden'", "public.gone": "true", "public.other": "id >"}
	wantProblems(t, w,
		"publication.row.filter.public.gone: no captured table has this name",
		"publication.row.filter.public.other: PostgreSQL does not take it: syntax error",
		`run ALTER TABLE "public"."contact" REPLICA IDENTITY FULL, or filter by id`,
	)
	w.config.RowFilters = map[string]string{"public.contact": "name <> 'hidden'"}
	w.config.IdentityRules = `public\.c.*:FULL, public.other:DEFAULT`
	wantProblems(t, w)
	s := w.start(t)
	if got := w.value(t, `SELECT relreplident::text FROM pg_class WHERE relname = 'contact'`); got != "f" {
		t.Errorf("replica identity %s, want f", got)
	}
	w.exec(t, `INSERT INTO contact (name) VALUES ('hidden')`)
	w.exec(t, `UPDATE contact SET name = 'Bob' WHERE id = 3`)
	w.exec(t, `UPDATE contact SET name = 'hidden' WHERE id = 1`)
	wantRecords(t, w, `r {"id":1}`, `c {"id":3}`, `d {"id":1}`, `- {"id":1}`)
	s.Stop()
	const published = `SELECT coalesce(rowfilter, '') FROM pg_publication_tables WHERE tablename = 'contact'`
	before := w.value(t, published)
	row := w.value(t, `SELECT xmin::text FROM pg_publication_rel WHERE prrelid = 'contact'::regclass`)
	w.start(t).Stop()
	if w.value(t, `SELECT xmin::text FROM pg_publication_rel WHERE prrelid = 'contact'::regclass`) != row {
		t.Error("the same filter was set again")
	}
	w.config.RowFilters["public.contact"] = "id > 3"
	w.start(t)
	if after := w.value(t, published); after == before || after != "(id > 3)" {
		t.Errorf("published: %s, was %s", after, before)
	}
	w.exec(t, `INSERT INTO contact (id, name) VALUES (-1, 'x'), (10, 'y')`)
	wantRecords(t, w, `r {"id":1}`, `c {"id":3}`, `d {"id":1}`, `- {"id":1}`, `c {"id":10}`)
}

func TestPublicationOfNoTablesAndOfAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.config.SnapshotMode = SnapshotNoData
	w.config.AutoCreate = autoCreateNone
	s := w.start(t)
	wantProblems(t, w, `it lacks tables, whose changes do not come until somebody adds them (publication.autocreate.mode=no_tables): run ALTER PUBLICATION tandem ADD TABLE ONLY "public"."contact"`)
	w.exec(t, `INSERT INTO contact (id) VALUES (1)`)
	w.exec(t, `ALTER PUBLICATION tandem ADD TABLE ONLY contact`)
	w.exec(t, `INSERT INTO contact (id) VALUES (2)`)
	wantRecords(t, w, `c {"id":2}`)
	s.Stop()
	w.config.Publication, w.config.AutoCreate = "everything", autoCreateAll
	w.start(t)
	if got := w.value(t, `SELECT puballtables::text FROM pg_publication WHERE pubname = 'everything'`); got != "true" {
		t.Errorf("of all tables: %s", got)
	}
	w.exec(t, `INSERT INTO contact (id) VALUES (3)`)
	wantRecords(t, w, `c {"id":2}`, `c {"id":3}`)
}

func TestIdentityRules(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`a.b:FULL, c\..*:INDEX by_code,x.y:nothing`: "", "": "", "a.b": "pattern:IDENTITY", "a.b:SOME": "want FULL", "a.b:INDEX": "want FULL", "(:FULL": "no regular expression",
	} {
		rules, err := parseIdentityRules(text)
		if err != nil {
			wantIn(t, err.Error(), want)
		} else if want != "" {
			t.Errorf("%q: %d rules, want an error", text, len(rules))
		}
	}
	rules, _ := parseIdentityRules(`a.b:FULL,c\..*:INDEX by_code`)
	if r := wanted(rules, &table{tableName: tableName{"c", "d"}}); r == nil || r.sql() != `USING INDEX "by_code"` {
		t.Errorf("got %+v", r)
	}
}
