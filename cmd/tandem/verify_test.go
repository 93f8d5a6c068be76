package main

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"
)

// A field is changed so that nobody hears of it. The next comparison finds it, tells of it, and has it healed; and it costs a request for a hundred pages.
func TestADifferenceThatNobodyHeardOfIsFound(t *testing.T) {
	t.Parallel()
	keys := maps.Clone(seldom) // nobody edits in Notion, and each poll reads 220 pages
	keys["notion-sink/verify.interval.ms"], keys["notion-sink/verify.share.percent"] = "86400000", "100"
	w := newWorld(t, keys)
	w.editMapping("contact", func(m map[string]any) {
		off := map[string]any{"share": 1}
		m["brakes"] = map[string]any{"updates": off, "creates": off, "transaction": off}
	})
	w.exec(`INSERT INTO contact (id, full_name, email, phone, created_at, updated_at) SELECT 1000 + i, 'P ' || i, 'p' || i || '@x.org', '+493090182' || i, now(), now() FROM generate_series(100, 319) i`)
	w.start()
	settled := func() {
		w.t.Helper()
		w.eventually("settled", 3*time.Minute, func() string {
			return w.one(`SELECT CASE WHEN (SELECT count(*) FROM tandem.link WHERE entity = 'contact' AND state = 'live') >= 220
				AND NOT EXISTS (SELECT FROM tandem.work WHERE parked = '') THEN '' ELSE 'work waits' END`)
		})
	}
	settled()
	verify := func() (int, verifyAnswer, string) {
		t.Helper()
		code, out, errs := w.tandem("verify", "--now", "--timeout", "6m", "--config", w.files[1], "--json")
		var a verifyAnswer
		if err := json.Unmarshal([]byte(out), &a); err != nil {
			t.Fatalf("%d %s %s", code, out, errs)
		}
		return code, a, errs
	}
	code, a, errs := verify()
	if code != exitOK || len(a.Differences) != 0 || len(a.Proofs) != 3 {
		t.Fatalf("%d %+v %s", code, a, errs)
	}
	for _, p := range a.Proofs {
		if p.Entity == "contact" && (p.Equal < 220 || p.Waiting+p.Held+p.Differs != 0 || p.Requests > 4) {
			t.Errorf("the first proof: %+v", p)
		}
	}
	publication := w.one(`SELECT pubname FROM pg_publication LIMIT 1`)
	w.exec(`ALTER PUBLICATION ` + publication + ` DROP TABLE contact`)
	w.exec(`UPDATE contact SET phone = '+4930555' WHERE id = 1100`)
	w.exec(`ALTER PUBLICATION ` + publication + ` ADD TABLE contact`)
	code, a, errs = verify()
	if code != exitFailed || len(a.Differences) != 1 || a.Differences[0].Field != "phone" || a.Differences[0].Key != "1100" ||
		!strings.Contains(a.Differences[0].CRM, "30555") || !strings.Contains(a.Differences[0].Notion, "90182100") {
		t.Fatalf("%d %+v %s", code, a, errs)
	}
	w.eventually("an alert", 20*time.Second, func() string {
		return w.one(`SELECT CASE WHEN count(*) = 1 THEN '' ELSE count(*)::text END FROM tandem.alert WHERE detail ->> 'kind' = 'difference' AND (detail ->> 'critical')::bool`)
	})
	if code, out, _ := w.tandem("status", "--config", w.files[1]); code != exitFailed || !strings.Contains(out, "DIFFERS though nothing explains it: contact 1100 phone") || !strings.Contains(out, "219 equal") {
		t.Errorf("status is not red: %d %s", code, out)
	}
	if _, out, _ := w.tandem("verify", "--config", w.files[1]); !strings.Contains(out, "DIFFERS") || !strings.Contains(out, "contact 1100 phone") {
		t.Errorf("%s", out)
	}
	settled()
	w.eventually("it is healed", time.Minute, func() string {
		return w.one(`SELECT CASE WHEN count(*) = 1 THEN '' ELSE 'no write' END FROM tandem.history WHERE side = 'notion' AND key = '1100' AND became LIKE '%30555%'`)
	})
	settled()
	if code, a, errs = verify(); code != exitOK || len(a.Differences) != 0 {
		t.Errorf("%d %+v %s", code, a, errs)
	}
	if code, out, _ := w.tandem("status", "--config", w.files[1]); code != exitOK || !strings.Contains(out, "contact: equal (220 equal, 0 waiting, 0 held, 0 differ)") {
		t.Errorf("status is still red: %d %s", code, out)
	}
	// One message that it began to differ, one that it is over.
	if n := w.one(`SELECT string_agg(kind, ' ' ORDER BY n) FROM tandem.alert WHERE kind IN ('difference', 'recovered') AND entity = 'contact'`); n != "difference recovered" {
		t.Errorf("alerts: %s", n)
	}
}

// A query shows 25 of a relation's pages. One of forty is lost on one side where nobody hears of it: the comparison looks at such a page by itself, and finds it.
func TestALargeRelationIsComparedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"notion-sink/verify.interval.ms": "86400000", "notion-sink/verify.share.percent": "100"})
	w.unbraked()
	w.exec(`INSERT INTO contact (id, full_name, email, created_at, updated_at) SELECT i, 'P ' || i, 'p' || i || '@x.org', now(), now() FROM generate_series(1, 40) i;
		INSERT INTO opportunity (id, contact_id, name, created_at, updated_at) VALUES (1, 1, 'Big deal', now(), now());
		INSERT INTO opportunity_contact SELECT 1, i FROM generate_series(1, 40) i`)
	w.start()
	w.settled("first sync", 40)
	w.eventually("all forty are there", time.Minute, func() string {
		if got := w.one(`SELECT jsonb_array_length(base -> 'stakeholders' -> 'v' -> 'set')::text FROM tandem.link WHERE entity = 'opportunity'`); got != "40" {
			return got + w.one(`SELECT base ->> 'stakeholders' FROM tandem.link WHERE entity = 'opportunity'`)
		}
		return ""
	})
	verify := func(want int) verifyAnswer {
		t.Helper()
		code, out, errs := w.tandem("verify", "--now", "--timeout", "2m", "--config", w.files[1], "--json")
		var a verifyAnswer
		if err := json.Unmarshal([]byte(out), &a); err != nil || code != want {
			t.Fatalf("%d %s %s", code, out, errs)
		}
		return a
	}
	for _, p := range verify(exitOK).Proofs {
		if p.Entity == "opportunity" && (p.Equal != 1 || p.Requests < 2) {
			t.Errorf("the page was not looked at by itself: %+v", p)
		}
	}
	publication := w.one(`SELECT pubname FROM pg_publication LIMIT 1`)
	w.exec(`ALTER PUBLICATION ` + publication + ` DROP TABLE opportunity_contact`)
	w.exec(`DELETE FROM opportunity_contact WHERE contact_id = 40`)
	w.exec(`ALTER PUBLICATION ` + publication + ` ADD TABLE opportunity_contact`)
	if a := verify(exitFailed); len(a.Differences) != 1 || a.Differences[0].Field != "stakeholders" {
		t.Errorf("%+v", a.Differences)
	}
}
