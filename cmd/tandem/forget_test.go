package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// A person is forgotten: no table of the ledger holds a word of them, and neither the old page nor a restored row brings them back.
func TestAForgottenPersonDoesNotComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.exec(`INSERT INTO contact (id, full_name, email, phone, created_at, updated_at) VALUES (77, 'Zaphod Beeblebrox', 'zaphod@heart.gold', '+4930901820', now(), now()),
		(78, 'Ford Prefect', 'ford@guide.example', '+4930901821', now(), now())`)
	w.start()
	quiet := func(what string) {
		w.eventually(what, time.Minute, func() string {
			return w.one(`SELECT CASE WHEN (SELECT count(*) FROM tandem.link WHERE entity = 'contact' AND key = '78' AND state = 'live') = 1
				AND NOT EXISTS (SELECT FROM tandem.work WHERE parked = '') THEN '' ELSE 'work waits' END`)
		})
	}
	quiet("first sync")
	w.exec(`UPDATE contact SET phone = '+49305550199' WHERE id = 77`)
	w.eventually("the phone is in the audit", time.Minute, func() string {
		return w.one(`SELECT CASE WHEN count(*) > 0 THEN '' ELSE 'no' END FROM tandem.history WHERE key = '77' AND field = 'phone' AND op = 'update'`)
	})
	quiet("an edit")
	w.mentionEverywhere()
	page := w.one(`SELECT page FROM tandem.link WHERE entity = 'contact' AND key = '77'`)
	if code, _, errs := w.tandem("forget", "contact", "4711", "--config", w.files[1]); code != exitFailed || !strings.Contains(errs, "nothing to forget") {
		t.Errorf("%d %s", code, errs)
	}
	code, out, errs := w.tandem("forget", "contact", "77", "--config", w.files[1], "--by", "dpo", "--reason", "request 12", "--delete-row", "--trash-page", "--json")
	var c certificate
	if err := json.Unmarshal([]byte(out), &c); err != nil || code != exitOK {
		t.Fatalf("%d %s %s %v", code, out, errs, err)
	}
	if c.Erased.Mentions < 5 {
		t.Errorf("%d mentions were struck out", c.Erased.Mentions)
	}
	if n := w.one(`SELECT string_agg(op || ' ' || side, ', ' ORDER BY n) FROM tandem.write WHERE why = 'forget'`); n != "delete notion, delete crm" {
		t.Errorf("the audit has %s", n)
	}
	if c.Erased.Values == 0 || c.Erased.Links != 1 || c.Erased.Tombstones < 4 || c.Row != "deleted" || c.Page != "in the trash" || c.By != "dpo" {
		t.Errorf("certificate %+v", c)
	}
	until := false
	for _, k := range c.Topics {
		until = until || strings.HasPrefix(k.Topic, "crm.") && (k.Until.After(time.Now()) || k.Note != "")
	}
	if !until || !strings.Contains(strings.Join(c.OutOfReach, ";"), "trash, until") {
		t.Errorf("the certificate does not name the day: %+v", c)
	}
	w.holdsNothingOf(c.ID, "Zaphod", "Beeblebrox", "zaphod@heart.gold", "901820", "5550199")
	if code, out, _ := w.tandem("history", "--config", w.files[1], "--verify"); code != exitOK || strings.Contains(out, "PROBLEM") {
		t.Errorf("the chain broke: %s", out)
	}

	// A backup brings the row back, under another key; somebody takes the old page out of the trash.
	w.exec(`INSERT INTO contact (id, full_name, email, phone, created_at, updated_at) VALUES (1077, 'Zaphod Beeblebrox', 'zaphod@heart.gold', NULL, now(), now())
		ON CONFLICT (email) DO UPDATE SET deleted_at = NULL, updated_at = now()`)
	if err := w.notion.Person(w.notion.PersonID("Ada Lovelace")).Restore(page); err != nil {
		t.Fatal(err)
	}
	w.eventually("both are held", 3*time.Minute, func() string {
		return w.one(`SELECT CASE WHEN count(*) >= 2 THEN '' ELSE count(*) || ' held' END FROM tandem.hold WHERE kind = 'forgotten'`)
	})
	if n := w.one(`SELECT count(*)::text FROM tandem.link WHERE state = 'live' AND (page = $1 OR key IN ('77', '1077'))`, page); n != "0" {
		t.Errorf("%s links of the forgotten person are live", n)
	}
	w.holdsNothingOf(c.ID, "Zaphod", "Beeblebrox", "zaphod@heart.gold", "901820", "5550199")
}

// mentionEverywhere has every table of the ledger that can hold a value hold one of the person's: of their own record, and in what is said of another one's.
func (w *world) mentionEverywhere() {
	w.t.Helper()
	w.exec(`WITH l AS (SELECT * FROM tandem.link WHERE entity = 'contact' AND key = '77'), o AS (SELECT * FROM tandem.link WHERE entity = 'contact' AND key = '78'),
		a AS (INSERT INTO tandem.shadow (link, side, field, op, was, becomes, first_at, at) SELECT id, 'notion', 'name', 'update', 'Zaphod Beeblebrox', 'Zaphod', now(), now() FROM l),
		b AS (INSERT INTO tandem.difference (sync, entity, link, field, key, page, crm, notion, found_at) SELECT sync, entity, id, 'email', key, page, 'zaphod@heart.gold', '', now() FROM l),
		c AS (INSERT INTO tandem.hold (link, kind, field, reason, at, shows, becomes) SELECT id, 'match', '', 'it may be contact 77, which has the same email (zaphod@heart.gold)', now(), 'Zaphod Beeblebrox', '' FROM o),
		d AS (INSERT INTO tandem.work (link, side, sync, entity, lane, rank, why, first_seen, xid, also, deleted, not_before, attempts, version, parked, trouble)
			SELECT id, 'crm', sync, entity, 'live', 0, 'poll', now(), 0, '', false, now(), 1, 1, 'another row has this value: zaphod@heart.gold', 'tried: "Zaphod Beeblebrox"' FROM o),
		e AS (INSERT INTO tandem.difference (sync, entity, link, field, key, page, crm, notion, found_at) SELECT sync, entity, id, 'email', key, page, 'zaphod@heart.gold', 'ford@guide.example', now() FROM o),
		f AS (INSERT INTO tandem.alert (id, once, sync, entity, at, kind, link, detail) SELECT 'other', 'other', sync, entity, now(), 'hold', id,
			json_build_object('id', 'other', 'sync', sync, 'entity', entity, 'kind', 'hold', 'summary', 'it may be contact 77, which has the same name ("Zaphod Beeblebrox")') FROM o),
		g AS (INSERT INTO tandem.overwritten (id, link, sync, entity, key, page, author, fields, edited_at, opened_at, closed_at, at)
			SELECT 'w', id, sync, entity, key, page, 'Ada', '{phone}', now(), now(), now(), now() FROM l)
		INSERT INTO tandem.conflict (id, link, sync, entity, at, detail, vals) SELECT 'c77', l.id, l.sync, l.entity, now(), '{"id":"c77","field":"phone"}',
			(SELECT w.new FROM tandem.write w WHERE w.link = l.id AND w.op = 'create' LIMIT 1) FROM l`)
}

// holdsNothingOf looks for words in all tables of the ledger.
func (w *world) holdsNothingOf(certificate string, words ...string) {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'tandem'`)
	if err != nil {
		w.t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			w.t.Fatal(err)
		}
		tables = append(tables, name)
	}
	rows.Close()
	for _, table := range tables {
		for _, word := range words {
			if n := w.one(`SELECT count(*)::text FROM tandem.`+table+` t WHERE t::text ILIKE '%' || $1 || '%'`, word); n != "0" {
				w.t.Errorf("%s rows of tandem.%s hold %q: %s", n, table, word, short(w.one(`SELECT t::text FROM tandem.`+table+` t WHERE t::text ILIKE '%' || $1 || '%' LIMIT 1`, word), 300))
			}
		}
	}
	if w.one(`SELECT count(*)::text FROM tandem.forgotten WHERE id = $1`, certificate) != "1" {
		w.t.Error("the certificate is not kept")
	}
}
