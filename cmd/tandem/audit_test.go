package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// auditor watches both sides from outside: every request that reaches Notion, and every row that Tandem's sessions change in the CRM.
type auditor struct {
	*world
	mu      sync.Mutex
	arrived []string // requests that change something, by method and path
	faults  []string
}

var anID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// look runs in the moment in which a request has arrived and nothing is done yet: what is not in the audit by now was not written down first.
func (a *auditor) look(r *http.Request, body []byte) {
	path := r.URL.Path
	if r.Method == http.MethodGet || strings.HasSuffix(path, "/query") || strings.HasSuffix(path, "/search") {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.arrived = append(a.arrived, r.Method+" "+path)
	if n := a.one(`SELECT count(*)::text FROM tandem.request WHERE outcome IS NULL AND method = $1 AND path = $2`, r.Method, path); n == "0" || strings.HasPrefix(n, "error") {
		a.faults = append(a.faults, fmt.Sprintf("%s %s is not written down: %s", r.Method, path, n))
	}
	switch {
	case path == "/v1/pages":
		if n := a.one(`SELECT count(*)::text FROM tandem.write w JOIN tandem.link l ON l.id = w.link WHERE w.side = 'notion' AND w.op = 'create' AND l.external = ANY($1)`,
			anID.FindAllString(string(body), -1)); n == "0" || strings.HasPrefix(n, "error") {
			a.faults = append(a.faults, fmt.Sprintf("a page is made and no write says so: %s: %s", n, body))
		}
	case strings.HasPrefix(path, "/v1/pages/"):
		page := strings.TrimPrefix(path, "/v1/pages/")
		var sent struct {
			Properties map[string]json.RawMessage `json:"properties"`
		}
		if err := json.Unmarshal(body, &sent); err != nil {
			a.faults = append(a.faults, err.Error())
		}
		n := a.one(`SELECT count(*)::text FROM tandem.write WHERE side = 'notion' AND page = $1 AND op <> 'create' AND at > now() - interval '1 minute'`, page)
		if n == "0" || strings.HasPrefix(n, "error") {
			a.faults = append(a.faults, fmt.Sprintf("page %s is changed and no write says so: %s: %s", page, n, body))
		}
	}
}

// missing says how the answered requests of the audit differ from those that arrived; "" if they do not.
func (a *auditor) missing() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	written := strings.Fields(a.one(`SELECT coalesce(string_agg(method || '_' || path, ' '), '') FROM tandem.request WHERE status > 0`))
	times := map[string]int{}
	for _, r := range a.arrived {
		times[strings.ReplaceAll(r, " ", "_")]++
	}
	for _, r := range written {
		times[r]--
	}
	maps.DeleteFunc(times, func(_ string, n int) bool { return n == 0 })
	if n := a.one(`SELECT count(*)::text FROM tandem.request WHERE outcome IS NULL`); n != "0" {
		return fmt.Sprintf("%s are not answered; arrived more or less often than written down: %v", n, times)
	}
	if len(times) > 0 {
		return fmt.Sprintf("arrived more or less often than written down: %v", times)
	}
	return ""
}

// watchRows logs the transactions in which Tandem's sessions change rows of the CRM.
func (w *world) watchRows() {
	w.exec(`CREATE TABLE public.spied (tab text, txid bigint, app text);
		CREATE FUNCTION public.spy() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
		BEGIN INSERT INTO public.spied VALUES (TG_TABLE_NAME, txid_current(), current_setting('application_name')); RETURN NULL; END $$`)
	for _, table := range []string{"contact", "company", "contact_tag", "opportunity", "opportunity_attribute", "opportunity_contact", "tag", "task"} {
		w.exec(`CREATE TRIGGER spy AFTER INSERT OR UPDATE OR DELETE ON public.` + table + ` FOR EACH ROW EXECUTE FUNCTION public.spy()`)
	}
}

// Both sides are edited at random. Every request that changes something in Notion was written down before it arrived there, with its values, and every
// transaction that changed a row of the CRM has its write in the audit, and the other way round; the outcomes are there under Notion's own names.
func TestEveryWriteIsInTheAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, often)
	w.unbraked()
	a := &auditor{world: w}
	w.spy = a.look
	w.seed()
	w.watchRows()
	w.start()
	w.settled("first sync", 150)
	rnd := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // a test's
	ada := w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	for step := range 60 {
		id := 100 + rnd.IntN(12) // nobody refers to these
		page := w.one(`SELECT coalesce((SELECT page FROM tandem.link WHERE entity = 'contact' AND key = $1 AND state = 'live'), '')`, fmt.Sprint(id))
		switch rnd.IntN(7) {
		case 0:
			w.exec(`UPDATE contact SET job_title = $2 WHERE id = $1`, id, fmt.Sprint("title ", step))
		case 1:
			w.exec(`INSERT INTO contact (id, full_name, email, created_at, updated_at) VALUES (nextval('contact_id_seq'), $1, $2, now(), now())`, fmt.Sprint("New ", step), fmt.Sprintf("new%d@example.com", step))
		case 2:
			w.exec(`UPDATE contact SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END WHERE id = $1`, id)
		case 3:
			if _, err := ada.Create(w.source("contact"), personProperties([3]string{fmt.Sprint("Made ", step), fmt.Sprintf("made%d@example.com", step), ""})); err != nil {
				t.Error(err)
			}
		case 4, 5:
			if page != "" {
				_ = ada.Edit(page, personProperties([3]string{fmt.Sprint("Edited ", step)})) // it may be in the trash by now
			}
		case 6:
			if page != "" {
				_ = ada.Trash(page)
			}
		}
		if step%5 == 4 { // edits that hide each other are no transactions
			n := len(w.requestsSince(0))
			w.eventually("every data source is polled, and once more", time.Minute, func() string {
				if got := counted(w.requestsSince(n))["query"]; got < 6 {
					return fmt.Sprint(got, " polls")
				}
				return ""
			})
		}
	}
	w.settled("the edits", 100)
	w.eventually("the audit has what arrived in Notion", 20*time.Second, a.missing) // a page of this minute is read, and may be written, once more
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.faults {
		t.Error(f)
	}
	const wrong = `SELECT coalesce(string_agg(DISTINCT method || ' ' || path || ' ' || status || ' ' || outcome, '; '), '') FROM tandem.request
		WHERE (status = 200) <> (outcome = 'applied') OR status = 200 AND request_id = ''`
	if n := w.one(wrong); n != "" {
		t.Errorf("these are under a wrong outcome, or without Notion's name: %s", n)
	}
	if n := w.one(`SELECT count(*)::text FROM tandem.request WHERE outcome = 'applied'`); len(n) < 2 {
		t.Errorf("only %s requests changed something in Notion", n)
	}
	const crm = `SELECT count(*)::text FROM (SELECT DISTINCT txid FROM public.spied WHERE app LIKE 'tandem %') s FULL JOIN (SELECT DISTINCT txid FROM tandem.write WHERE side = 'crm') a USING (txid)
		WHERE s.txid IS NULL OR a.txid IS NULL`
	if n := w.one(crm); n != "0" {
		t.Errorf("%s transactions are in the CRM and not in the audit, or the other way round", n)
	}
	if n := w.one(`SELECT count(DISTINCT txid)::text FROM public.spied WHERE app LIKE 'tandem %'`); len(n) < 2 {
		t.Errorf("only %s transactions wrote to the CRM", n)
	}
	w.eventually("the chain is whole", 20*time.Second, func() string {
		code, out, _ := w.tandem("history", "--config", w.files[1], "--verify")
		if code != exitOK || strings.Contains(out, "PROBLEM") || !strings.Contains(out, "; 0 of the last moments") {
			return out
		}
		return ""
	})
	out := w.command(exitOK, "history", "--config", w.files[1], "--requests", "--top", "5")
	if !strings.Contains(out, "applied (200)") || !strings.Contains(out, "there are more") {
		t.Errorf("%s", out)
	}
	if _, err := w.db.Exec(context.Background(), `UPDATE tandem.request SET outcome = 'not applied'`); err == nil {
		t.Error("an outcome can be changed afterwards")
	}
}
