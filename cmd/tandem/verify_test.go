package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// A field is changed so that nobody hears of it. The next comparison finds it, tells of it, and has it healed; and it costs a request for a hundred pages.
func TestADifferenceThatNobodyHeardOfIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"notion-sink/verify.interval.ms": "86400000", "notion-sink/verify.share.percent": "100"})
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
}
