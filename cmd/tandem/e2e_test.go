package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (w *world) contact(id int, name, email, phone string) {
	w.t.Helper()
	w.exec(`INSERT INTO contact (id, full_name, email, phone, created_at, updated_at) VALUES ($1, $2, $3, $4, now(), now())`, id, name, email, phone)
}

// shown gives the text of a page's property by name, "no page" where there is none, and says where there are several.
func (w *world) shown(entity, title, property string) string {
	pages, err := w.pages(entity)
	if err != nil {
		return err.Error()
	}
	switch found := pages[title]; len(found) {
	case 0:
		return "no page"
	case 1:
		for _, p := range found[0].Properties {
			if p.Name == property {
				return p.Value.String()
			}
		}
		return "no property " + property
	default:
		return fmt.Sprint(len(found), " pages")
	}
}

func (w *world) waitShown(entity, title, property, want string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%s %q shows %s %q", entity, title, property, want), 90*time.Second, func() string {
		if got := w.shown(entity, title, property); got != want {
			return got
		}
		return ""
	})
}

func (w *world) waitRow(want, sql string, args ...any) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the CRM says %q", want), 90*time.Second, func() string {
		if got := w.one(sql, args...); got != want {
			return got
		}
		return ""
	})
}

// page gives the one page with a title.
func (w *world) page(entity, title string) notionapi.Page {
	w.t.Helper()
	pages, err := w.pages(entity)
	if err != nil || len(pages[title]) != 1 {
		w.t.Fatalf("page %q: %d found, %v", title, len(pages[title]), err)
	}
	return pages[title][0]
}

// idle waits until no work is left.
func (w *world) idle() {
	w.t.Helper()
	w.eventually("all work is done", 120*time.Second, func() string {
		if n := w.one(`SELECT coalesce(string_agg(DISTINCT entity || ' ' || side || ' ' || why || ' ' || parked, ', '), '') FROM tandem.work`); n != "" {
			return n
		}
		return ""
	})
}

func TestAContactTravelsAndAnEditComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 3 {
		w.contact(i+1, fmt.Sprintf("Person %d", i+1), fmt.Sprintf("p%d@example.com", i+1), "06 12 34 56 7"+fmt.Sprint(i))
	}
	r := w.start()
	w.waitShown("contact", "Person 2", "Phone", "+33612345671")
	w.idle()
	// An edit in the CRM shows on the page.
	w.exec(`UPDATE contact SET job_title = 'Captain' WHERE id = 2`)
	w.waitShown("contact", "Person 2", "Job title", "Captain")
	// An edit by a person shows in the row.
	ada := w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	if err := ada.Edit(w.page("contact", "Person 3").ID, map[string]any{"Email": map[string]any{"email": "new@example.com"}}); err != nil {
		t.Fatal(err)
	}
	w.waitRow("new@example.com", `SELECT email FROM contact WHERE id = 3`)
	w.idle()
	w.servesMetrics(r)
	if code := r.end(); code != exitOK {
		t.Errorf("run ended with %d, want 0", code)
	}
}

// servesMetrics scrapes what a run serves.
func (w *world) servesMetrics(r *running) {
	w.t.Helper()
	address := regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`).FindStringSubmatch(r.log.String())
	if address == nil {
		w.t.Fatal("the log does not say where metrics are served")
	}
	get := func(path string) (int, string) {
		w.t.Helper()
		req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+address[1]+path, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Do(req)
		if err != nil {
			w.t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			w.t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	w.eventually("healthy", time.Minute, func() string { // a ledger that does not answer within seconds is unhealthy, and may be busy
		code, body := get("/health")
		if code != http.StatusOK || !strings.Contains(body, `"connector crm-source"`) || !strings.Contains(body, `"work of notion-sink"`) {
			return fmt.Sprint(code, " ", body)
		}
		return ""
	})
	_, metrics := get("/metrics")
	for _, want := range []string{
		`tandem_connector_state{class="sink.NotionSink",connector="notion-sink",state="RUNNING"} 1`,
		`tandem_notion_request_seconds_count{operation="PATCH /v1/pages/{id}",outcome="ok"}`,
		`tandem_reconciled_total{entity="contact",outcome="written",side="crm"}`, `tandem_gauge_source_up{source="crm-sink"} 1`,
		`tandem_plugin_call_seconds_count{outcome="ok",plugin="phone"}`, `tandem_replication_lag_bytes{connector="crm-source"}`, `tandem_reachable{system="notion"} 1`,
		`tandem_change_latency_seconds_count{entity="contact",lane="live",side="notion"}`, `tandem_polls_total{connector="notion-source",entity="contact",result="changed"}`,
		`tandem_poll_interval_seconds{connector="notion-source",entity="contact"}`, `tandem_notion_budget_wait_seconds_count`,
		`tandem_notion_budget_per_minute{connector="notion-sink",token=`, `tandem_notion_budget_booked_seconds{connector="notion-source",token=`,
	} {
		if !strings.Contains(metrics, want) {
			w.t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(metrics, worldToken) {
		w.t.Error("the token stands in the metrics")
	}
	if strings.Contains(r.log.String(), worldToken) {
		w.t.Error("the token stands in the log")
	}
}

// seed fills the CRM with 200 records: people with companies, tags and custom fields, opportunities that belong to them, tasks of both.
func (w *world) seed() {
	w.t.Helper()
	w.exec(`
		INSERT INTO company SELECT i, 'Company ' || i FROM generate_series(1, 7) i;
		INSERT INTO tag SELECT i, 'tag ' || i FROM generate_series(1, 5) i;
		INSERT INTO contact (id, company_id, full_name, email, phone, job_title, website, birthday, newsletter, notes, custom_fields, created_at, updated_at)
			SELECT i, CASE WHEN i % 3 > 0 THEN i % 7 + 1 END, 'Łukasz 王 🎉 ' || i, 'p' || i || '@example.com', '061234' || lpad(i::text, 4, '0'),
				CASE WHEN i % 2 = 0 THEN 'Job ' || i END, 'https://example.com/' || i, date '1970-01-01' + i, i % 2 = 0, rtrim(repeat('Notes of ' || i || '. ', i)),
				jsonb_build_object('budget', i * 10.5, 'vip', i % 2 = 0, 'city', 'City ' || i % 4, '_internal', i), now(), now()
			FROM generate_series(1, 150) i;
		INSERT INTO contact_tag SELECT i, i % 5 + 1 FROM generate_series(1, 150) i WHERE i % 2 = 0;
		INSERT INTO opportunity (id, contact_id, name, stage, amount, probability, expected_close, created_at, updated_at)
			SELECT i, i, 'Deal ' || i, (ARRAY['new', 'qualified', 'proposal', 'won', 'lost'])[i % 5 + 1], i * 1000.25, i, date '2027-01-01' + i, now(), now()
			FROM generate_series(1, 30) i;
		INSERT INTO opportunity_contact SELECT i, i + 1 FROM generate_series(1, 30) i;
		INSERT INTO opportunity_attribute SELECT i, i, 'Channel', 'text', 'Fair' FROM generate_series(1, 30) i;
		INSERT INTO task (id, opportunity_id, contact_id, title, status, due_date, reminder_at, created_at, updated_at)
			SELECT i, i, i, 'Task ' || i, (ARRAY['todo', 'doing', 'done'])[i % 3 + 1], date '2026-12-01' + i, timestamptz '2026-12-01 09:00Z' + i * interval '1 hour', now(), now()
			FROM generate_series(1, 20) i;
		SELECT setval(s, 1000) FROM unnest(ARRAY['contact_id_seq', 'opportunity_id_seq', 'opportunity_attribute_id_seq', 'task_id_seq', 'company_id_seq', 'tag_id_seq']) s`)
}

// counted sums requests up by what they are for.
func counted(requests []string) map[string]int {
	n := map[string]int{}
	for _, r := range requests {
		method, path, _ := strings.Cut(r, " ")
		switch {
		case strings.HasSuffix(path, "/query"):
			n["query"]++
		case strings.HasPrefix(path, "/v1/pages"):
			n[method+" page"]++
			n["pages"]++
		default:
			n["other"]++
		}
	}
	return n
}

// sees waits for a condition and gives the requests that it took, polls aside.
func (w *world) cost(do func(), seen func()) map[string]int {
	w.t.Helper()
	w.mu.Lock()
	before := len(w.requests)
	w.mu.Unlock()
	do()
	seen()
	w.idle()
	return counted(w.requestsSince(before))
}

// equal has every link explained, and gives what is not equal on both sides.
func (w *world) unequal() []string {
	w.t.Helper()
	app := newApp(discard())
	s, err := app.openSession(context.Background(), []string{w.files[1]})
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.close()
	worker, err := s.worker(context.Background(), app)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, e := range s.entities {
		keys, err := s.store.Keys(context.Background(), s.sync, e.Name, "", 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		links, err := s.store.ByKey(context.Background(), s.sync, e.Name, keys)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, key := range slices.Sorted(maps.Keys(links)) {
			x, err := worker.Explain(context.Background(), links[key], nil)
			if err != nil {
				w.t.Fatal(err)
			}
			if !x.Decision.Quiet() || len(x.Decision.Parked)+len(x.Decision.Waits) > 0 {
				out = append(out, e.Name+" "+key+": "+strings.Join(verdict(x), "; "))
			}
		}
	}
	return out
}

// A first sync of 200 records costs a request each; afterwards edits on both sides cost what they must, and meet in the middle.
func TestTwoHundredRecordsConverge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, often) // it counts polls
	w.seed()
	began := time.Now()
	// The poller joins later, as a process of its own: pages that it sees before their create is known here cost a read each.
	w.start(w.files[0], w.files[1], w.files[3])
	first := w.cost(func() {}, func() {
		w.eventually("200 links", 120*time.Second, func() string {
			if n := w.one(`SELECT count(*)::text FROM tandem.link WHERE state = 'live'`); n != "200" {
				return n
			}
			return ""
		})
	})
	t.Logf("first sync of 200: %s, %v", time.Since(began).Round(time.Millisecond), first)
	if first["pages"] > 204 {
		t.Errorf("first sync: %d requests about 200 pages, want at most 1.02 each: %v", first["pages"], first)
	}
	w.onePageEach(200)
	w.start(w.files[2])
	w.eventually("all pages were swept", 90*time.Second, func() string {
		if n := w.one(`SELECT count(*)::text FROM tandem.cursor WHERE name LIKE 'poll/crm/%' AND position->>'swept' IS NOT NULL`); n != "3" {
			return n
		}
		return ""
	})

	t.Run("an idle poll asks once", func(t *testing.T) {
		n, began := len(w.requestsSince(0)), time.Now()
		var got map[string]int
		w.eventually("some polls of each data source", time.Minute, func() string {
			if got = counted(w.requestsSince(n)); got["query"] < 9 {
				return fmt.Sprint(got)
			}
			return ""
		})
		// Three data sources, each at most every 200 ms.
		if most := 3 * (int(time.Since(began)/(200*time.Millisecond)) + 1); got["query"] > most || got["pages"] > 0 || got["other"] > 0 {
			t.Errorf("requests while nothing happens: %v, want at most %d polls", got, most)
		}
	})
	// Polls come every 200 ms here, so that one falls between a write and its commit now and then: it leaves that row to the next.
	t.Run("a live update costs two requests", func(t *testing.T) {
		for try := range 5 {
			job := fmt.Sprint("Captain ", try)
			got := w.cost(func() { w.exec(`UPDATE contact SET job_title = $1 WHERE id = 3`, job) }, func() { w.waitShown("contact", "Łukasz 王 🎉 3", "Job title", job) })
			if got["pages"] > 2 {
				t.Errorf("%s: %v, want at most 2 about the page", job, got)
			}
		}
	})
	t.Run("an edit by a person costs one request beside the poll", func(t *testing.T) {
		page := w.page("contact", "Łukasz 王 🎉 4").ID
		for try := range 5 {
			site := fmt.Sprint("https://example.org/", try)
			got := w.cost(func() { w.edit(page, map[string]any{"Website": map[string]any{"url": site}}) },
				func() { w.waitRow(site, `SELECT website FROM contact WHERE id = 4`) })
			if got["pages"] > 1 {
				t.Errorf("%s: %v, want at most 1 about the page", site, got)
			}
		}
	})
	t.Run("edits on both sides meet", func(t *testing.T) { w.bothEdit() })
	if left := w.unequal(); len(left) > 0 {
		t.Errorf("%d records differ at the end:\n%s", len(left), strings.Join(left, "\n"))
	}
	w.sameText()
}

// onePageEach checks that no record has two pages, and none has none.
func (w *world) onePageEach(want int) {
	w.t.Helper()
	n := 0
	for _, entity := range []string{"contact", "opportunity", "task"} {
		pages, err := w.pages(entity)
		if err != nil {
			w.t.Fatal(err)
		}
		for title, found := range pages {
			n += len(found)
			if len(found) != 1 {
				w.t.Errorf("%s %q has %d pages", entity, title, len(found))
			}
		}
	}
	if n != want {
		w.t.Errorf("%d pages, want %d", n, want)
	}
}

func (w *world) edit(page string, properties map[string]any) {
	w.t.Helper()
	if err := w.notion.Person(w.notion.PersonID("Ada Lovelace")).Edit(page, properties); err != nil {
		w.t.Fatal(err)
	}
}

// bothEdit has a program and a person edit, make and delete at once.
func (w *world) bothEdit() {
	w.t.Helper()
	pages, err := w.pages("contact")
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec(`UPDATE contact SET notes = 'changed in the CRM' WHERE id BETWEEN 20 AND 59;
		UPDATE contact SET company_id = 1 WHERE id BETWEEN 60 AND 69;
		UPDATE contact SET custom_fields = custom_fields || '{"city": "Łódź", "shoe": 43}' WHERE id = 70;
		INSERT INTO contact (id, full_name, created_at, updated_at) VALUES (901, 'New in the CRM', now(), now());
		INSERT INTO opportunity_contact VALUES (1, 99); DELETE FROM opportunity_contact WHERE opportunity_id = 2;
		UPDATE opportunity SET contact_id = 5, stage = 'won' WHERE id = 3;
		UPDATE contact SET phone = '06 00 00 00 01' WHERE id = 10;
		UPDATE contact SET deleted_at = now() WHERE id = 150`)
	for i := 40; i < 80; i++ {
		w.edit(pages[fmt.Sprintf("Łukasz 王 🎉 %d", i)][0].ID, map[string]any{"Job title": map[string]any{"rich_text": []any{map[string]any{"text": map[string]any{"content": fmt.Sprintf("Edited %d", i)}}}}})
	}
	w.edit(pages["Łukasz 王 🎉 10"][0].ID, map[string]any{"Phone": map[string]any{"phone_number": "+33600000002"}})
	w.edit(pages["Łukasz 王 🎉 11"][0].ID, map[string]any{"Company": map[string]any{"select": map[string]any{"name": "Made in Notion"}}, "Tags": map[string]any{"multi_select": []any{map[string]any{"name": "brand new"}}}})
	ada := w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	// A page becomes a row when it has rested, which counts from the end of its minute: this one was made a minute ago.
	w.behind.Store(int64(time.Minute))
	_, err = ada.Create(w.source("contact"), map[string]any{"Name": map[string]any{"title": []any{map[string]any{"text": map[string]any{"content": "New in Notion"}}}},
		"Phone": map[string]any{"phone_number": "06 99 99 99 99"}})
	w.behind.Store(0)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := ada.Trash(pages["Łukasz 王 🎉 12"][0].ID); err != nil {
		w.t.Fatal(err)
	}
	w.waitShown("contact", "New in the CRM", "Newsletter", "false")
	w.waitRow("+33699999999", `SELECT phone FROM contact WHERE full_name = 'New in Notion'`)
	w.waitShown("contact", "Łukasz 王 🎉 150", "Name", "no page")
	w.waitRow("Made in Notion brand new", `SELECT co.name || ' ' || string_agg(t.label, ',') FROM contact c JOIN company co ON co.id = c.company_id
		JOIN contact_tag ct ON ct.contact_id = c.id JOIN tag t ON t.id = ct.tag_id WHERE c.id = 11 GROUP BY co.name`)
	w.waitRow("delete_row", `SELECT h.kind FROM tandem.hold h JOIN tandem.link l ON l.id = h.link WHERE l.key = '12'`)
	w.eventually("all work is done but the held delete", 120*time.Second, func() string {
		return w.one(`SELECT coalesce(string_agg(l.key || ' ' || w.side || ' ' || w.why || ' ' || w.parked, ', '), '') FROM tandem.work w JOIN tandem.link l ON l.id = w.link WHERE coalesce(l.key, '') <> '12'`)
	})
	w.waitShown("contact", "Łukasz 王 🎉 70", "city", "Łódź")
	w.waitShown("contact", "Łukasz 王 🎉 70", "shoe", "43")
	if winner := w.one(`SELECT detail->>'winner' FROM tandem.conflict WHERE detail->>'field' = 'phone'`); winner != "crm" {
		w.t.Errorf("the conflict over the phone: %s", winner)
	}
	w.exec(`UPDATE contact SET deleted_at = now() WHERE id = 12`) // as a person decides: both are gone now
	w.idle()
	w.oneAlert()
}

// oneAlert reads the alerts topic: the conflict on the critical field is there, once.
func (w *world) oneAlert() {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.broker.Bootstrap()), kgo.ConsumeTopics("tandem.alerts"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ids := map[string]int{}
	for len(ids) == 0 && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			var a ledger.Alert
			if err := json.Unmarshal(r.Value, &a); err != nil {
				w.t.Error(err)
			}
			if a.Kind == "conflict" && a.Field == "phone" && a.Key == "10" && a.Critical {
				ids[a.ID]++
			}
		})
	}
	if len(ids) != 1 {
		w.t.Errorf("alerts of the conflict on the phone: %v, want one", ids)
	}
}

// sameText compares some columns with what pages show, without any of Tandem's own translation.
func (w *world) sameText() {
	w.t.Helper()
	rows, err := w.db.Query(context.Background(), `SELECT full_name, coalesce(email, ''), coalesce(job_title, ''), coalesce(notes, '') FROM contact WHERE deleted_at IS NULL`)
	if err != nil {
		w.t.Fatal(err)
	}
	want := map[string][3]string{}
	for rows.Next() {
		var name string
		var v [3]string
		if err := rows.Scan(&name, &v[0], &v[1], &v[2]); err != nil {
			w.t.Fatal(err)
		}
		want[name] = v
	}
	pages, err := w.pages("contact")
	if err != nil {
		w.t.Fatal(err)
	}
	got := map[string][3]string{}
	for title, found := range pages {
		var v [3]string
		for _, p := range found[0].Properties {
			if i := slices.Index([]string{"Email", "Job title", "Notes"}, p.Name); i >= 0 && !p.Value.IsNull() {
				v[i] = p.Value.String()
			}
		}
		got[title] = v
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("CRM and Notion (-crm +notion):\n%s", diff)
	}
}
