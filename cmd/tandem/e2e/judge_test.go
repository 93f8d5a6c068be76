package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// listMark separates a list's elements.
const listMark = "\x1f"

// The CRM's side, by SQL written by hand: field → text. Lists are sorted, dates are texts, times are UTC minutes.
const minute = `'YYYY-MM-DD"T"HH24:MI'`

var rowSQL = map[string]string{
	"contact": `SELECT id::text, jsonb_build_object('Name', full_name, 'Email', email, 'Phone', phone, 'Job title', job_title, 'Website', website,
		'Birthday', birthday, 'Newsletter', newsletter, 'Notes', notes, 'Company', (SELECT name FROM company WHERE id = company_id),
		'Tags', (SELECT string_agg(label, E'\x1f' ORDER BY label COLLATE "C") FROM contact_tag JOIN tag ON tag.id = tag_id WHERE contact_id = c.id),
		'Segment', custom_fields->>'Segment', 'Score', custom_fields->>'Score',
		'Customer since', to_char(created_at AT TIME ZONE 'Europe/Paris' AT TIME ZONE 'UTC', ` + minute + `)) FROM contact c WHERE deleted_at IS NULL`,
	"opportunity": `SELECT id::text, jsonb_build_object('Name', name, 'Stage', CASE stage WHEN 'new' THEN 'New' WHEN 'qualified' THEN 'Qualified'
		WHEN 'proposal' THEN 'Proposal sent' WHEN 'won' THEN 'Won' WHEN 'lost' THEN 'Lost' ELSE stage END, 'Amount', trim_scale(amount), 'Probability', probability,
		'Expected close', expected_close, 'Contact', contact_id, 'Description', description,
		'Stakeholders', (SELECT string_agg(contact_id::text, E'\x1f' ORDER BY contact_id::text COLLATE "C") FROM opportunity_contact WHERE opportunity_id = o.id),
		'Region', (SELECT value FROM opportunity_attribute a WHERE a.opportunity_id = o.id AND a.name = 'Region')) FROM opportunity o WHERE deleted_at IS NULL`,
	"task": `SELECT id::text, jsonb_build_object('Task', title, 'Status', CASE status WHEN 'todo' THEN 'Not started' WHEN 'doing' THEN 'In progress'
		WHEN 'done' THEN 'Done' ELSE status END, 'Priority', priority, 'Due', due_date, 'Reminder', to_char(reminder_at AT TIME ZONE 'UTC', ` + minute + `),
		'Contact', contact_id, 'Opportunity', opportunity_id, 'Description', description) FROM task WHERE deleted_at IS NULL`,
}

// record is what one side says of one entity: property → text, "" for nothing.
type record map[string]string

// link is what the ledger knows of one pair.
type link struct {
	entity, key, page, state string
	held, parked             string
}

// judge holds both sides as they were read when everything was still.
type judge struct {
	w        *world
	truth    *truth
	rows     map[string]map[string]record // entity → key
	pages    map[string]map[string]record // entity → page
	external map[string][]string          // external id → pages
	links    []link
	byPage   map[string]link
	found    []string
}

func (j *judge) fault(format string, args ...any) {
	if j.found = append(j.found, fmt.Sprintf(format, args...)); len(j.found) > 200 {
		panic("hundreds of faults; the first: " + strings.Join(j.found[:20], "\n"))
	}
}

// verdict reads both sides and gives everything that is wrong. tr may be nil, where nobody knows what people wrote.
func (w *world) verdict(tr *truth) []string {
	j := &judge{w: w, truth: tr, rows: map[string]map[string]record{}, pages: map[string]map[string]record{}, external: map[string][]string{}, byPage: map[string]link{}}
	j.readLinks()
	for entity := range rowSQL {
		j.readRows(entity)
		j.readPages(entity)
	}
	for _, l := range j.links {
		j.pair(l)
	}
	j.strays()
	conflicts := j.conflicts()
	j.alerts(conflicts)
	if tr != nil {
		j.losses(conflicts)
	}
	return j.found
}

func (j *judge) readLinks() {
	rows, err := j.w.db.Query(context.Background(), `SELECT entity, coalesce(key, ''), coalesce(page, ''), state,
		coalesce((SELECT string_agg(kind || ': ' || reason, '; ') FROM tandem.hold WHERE link = l.id), ''),
		coalesce((SELECT string_agg(side || ': ' || parked, '; ') FROM tandem.work WHERE link = l.id AND parked <> ''), '') FROM tandem.link l ORDER BY entity, id`)
	if err != nil {
		j.w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var l link
		if err := rows.Scan(&l.entity, &l.key, &l.page, &l.state, &l.held, &l.parked); err != nil {
			j.w.t.Fatal(err)
		}
		j.links = append(j.links, l)
		if l.page != "" {
			j.byPage[l.page] = l
		}
	}
}

func (j *judge) readRows(entity string) {
	rows, err := j.w.db.Query(context.Background(), rowSQL[entity])
	if err != nil {
		j.w.t.Fatal(err)
	}
	defer rows.Close()
	j.rows[entity] = map[string]record{}
	for rows.Next() {
		var key string
		var fields map[string]any
		if err := rows.Scan(&key, &fields); err != nil {
			j.w.t.Fatal(err)
		}
		rec := record{}
		for name, v := range fields {
			rec[name] = plain(v)
		}
		rec["Phone"] = phone(rec["Phone"])
		j.rows[entity][key] = rec
	}
}

func plain(v any) string {
	if v == nil {
		return ""
	}
	if f, ok := v.(float64); ok {
		return json.Number(fmt.Sprint(f)).String()
	}
	return fmt.Sprint(v)
}

// readPages reads a data source whole, by Notion's API.
func (j *judge) readPages(entity string) {
	j.pages[entity] = map[string]record{}
	body := map[string]any{"page_size": 100}
	for {
		var list struct {
			Results []struct {
				ID         string
				InTrash    bool `json:"in_trash"`
				Properties map[string]json.RawMessage
			}
			Next *string `json:"next_cursor"`
		}
		j.w.post("/v1/data_sources/"+j.w.source(entity)+"/query", body, &list)
		for _, page := range list.Results {
			rec := record{}
			for name, raw := range page.Properties {
				text, kind := textOf(raw)
				if kind == "relation" {
					text = j.keys(text)
				}
				rec[name] = text
			}
			rec["Phone"] = phone(rec["Phone"])
			j.pages[entity][page.ID] = rec
			j.external[rec["Tandem ID"]] = append(j.external[rec["Tandem ID"]], page.ID)
		}
		if list.Next == nil {
			return
		}
		body["start_cursor"] = *list.Next
	}
}

// asker is the judge's way to Notion.
var asker = &http.Client{Timeout: 30 * time.Second}

// post asks Notion's API, as curl would.
func (w *world) post(path string, body, into any) {
	w.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.front.url+path, bytes.NewReader(data))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Notion-Version", "2025-09-03")
	r.Header.Set("Content-Type", "application/json")
	answer, err := asker.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode == http.StatusOK {
		err = json.Unmarshal(text, into)
	}
	if err != nil || answer.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %d %s %v", path, answer.StatusCode, text, err)
	}
}

// keys turns related pages into the keys of their rows.
func (j *judge) keys(pages string) string {
	var keys []string
	for page := range strings.SplitSeq(pages, listMark) {
		if page != "" {
			keys = append(keys, j.byPage[page].key)
		}
	}
	slices.Sort(keys)
	return strings.Join(keys, listMark)
}

// textOf gives a property of the API's as text, with its type.
func textOf(raw json.RawMessage) (text, kind string) {
	var p struct {
		Type  string
		Title []struct {
			PlainText string `json:"plain_text"`
		}
		RichText []struct {
			PlainText string `json:"plain_text"`
		} `json:"rich_text"`
		Email    *string
		Phone    *string `json:"phone_number"`
		URL      *string
		Number   *float64
		Checkbox *bool
		Select   *struct{ Name string }
		Status   *struct{ Name string }
		Multi    []struct{ Name string } `json:"multi_select"`
		Relation []struct{ ID string }
		Date     *struct{ Start string }
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return string(raw), ""
	}
	var items []string
	for _, part := range append(p.Title, p.RichText...) {
		text += part.PlainText
	}
	for _, s := range []*string{p.Email, p.Phone, p.URL} {
		if s != nil {
			text = *s
		}
	}
	for _, s := range []*struct{ Name string }{p.Select, p.Status} {
		if s != nil {
			text = s.Name
		}
	}
	switch {
	case p.Number != nil:
		text = fmt.Sprint(*p.Number)
	case p.Checkbox != nil:
		text = fmt.Sprint(*p.Checkbox)
	case p.Date != nil:
		text = p.Date.Start
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			text = t.UTC().Format("2006-01-02T15:04")
		}
	}
	for _, o := range p.Multi {
		items = append(items, o.Name)
	}
	for _, o := range p.Relation {
		items = append(items, o.ID)
	}
	if items != nil {
		slices.Sort(items)
		text = strings.Join(items, listMark)
	}
	return text, p.Type
}

// pair compares one link's row and page.
func (j *judge) pair(l link) {
	name := l.entity + "/" + l.key + " page " + l.page
	row, page := j.rows[l.entity][l.key], j.pages[l.entity][l.page]
	switch {
	case l.held != "":
		return // a person has to decide
	case l.parked != "":
		j.fault("%s is parked: %s", name, l.parked)
	case row == nil && page == nil:
		return // both gone
	case row == nil:
		j.fault("%s: there is a page without a row (%s)", name, l.state)
	case page == nil:
		j.fault("%s: there is a row without a page (%s)", name, l.state)
	default:
		for field, want := range row {
			if target := relations[field]; target != "" {
				want = j.shown(target, want)
			}
			if page[field] != want {
				j.fault("%s %s: the row says %q, the page says %q (%s)", name, field, want, page[field], l.state)
			}
		}
	}
}

// relations are the properties that refer to other pages.
var relations = map[string]string{"Contact": "contact", "Stakeholders": "contact", "Opportunity": "opportunity"}

// shown leaves out of a list of keys those whose page is in the trash: Notion does not show them, and drops them from what is written.
func (j *judge) shown(entity, keys string) string {
	var out []string
	for key := range strings.SplitSeq(keys, listMark) {
		for _, l := range j.links {
			if l.entity == entity && l.key == key && j.pages[entity][l.page] != nil {
				out = append(out, key)
			}
		}
	}
	return strings.Join(out, listMark)
}

// strays: every row and every page belongs to one link, and no two pages carry one id.
func (j *judge) strays() {
	keys := map[string]bool{}
	for _, l := range j.links {
		keys[l.entity+"/"+l.key] = true
	}
	for entity, rows := range j.rows {
		for key := range rows {
			if !keys[entity+"/"+key] {
				j.fault("row %s/%s has no link", entity, key)
			}
		}
		for page, rec := range j.pages[entity] {
			if j.byPage[page].page == "" {
				j.fault("page %s of %s has no link: %v", page, entity, rec)
			}
		}
	}
	for id, pages := range j.external {
		if id == "" {
			for _, page := range pages {
				l := j.byPage[page]
				if l.held != "" {
					continue // of a page that people made, whose row was deleted before the id was in it: a person decides what becomes of both
				}
				j.fault("page %s of %s/%s (%s, held %q, parked %q) has no external id", page, l.entity, l.key, l.state, l.held, l.parked)
			}
		} else if len(pages) > 1 {
			j.fault("pages %v have one external id %s", pages, id)
		}
	}
}

// conflicts reads the conflict history.
func (j *judge) conflicts() []ledger.Conflict {
	rows, err := j.w.db.Query(context.Background(), `SELECT c.detail::jsonb || (SELECT jsonb_object_agg(k.key, v.data::jsonb)
		FROM json_each_text(c.vals) k JOIN tandem.value v ON v.id = decode(k.value, 'hex')) FROM tandem.conflict c ORDER BY n`)
	if err != nil {
		j.w.t.Fatal(err)
	}
	defer rows.Close()
	var all []ledger.Conflict
	for rows.Next() {
		var c ledger.Conflict
		var text []byte
		if err := rows.Scan(&text); err != nil {
			j.w.t.Fatal(err)
		}
		if err := json.Unmarshal(text, &c); err != nil {
			j.w.t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// alerts: every conflict on a critical field is on the alerts topic, and nothing is left in the outbox.
func (j *judge) alerts(conflicts []ledger.Conflict) {
	if left := j.w.one(`SELECT count(*)::text FROM tandem.alert WHERE delivered_at IS NULL`); left != "0" {
		j.fault("%s alerts were never published", left)
	}
	published, inDigest := map[string]int{}, map[string]bool{}
	for _, r := range j.w.records("alerts-" + j.w.id) {
		published[string(r.Key)]++
		var digest struct {
			Detail struct {
				IDs []string `json:"ids"`
			} `json:"detail"`
		}
		if err := json.Unmarshal(r.Value, &digest); err != nil {
			j.fault("alert %s cannot be read: %v", r.Key, err)
		}
		for _, id := range digest.Detail.IDs {
			inDigest[id] = true
		}
	}
	for _, id := range j.w.list(`SELECT id FROM tandem.alert`) {
		if published[id] == 0 && !inDigest[id] {
			j.fault("alert %s is not on the topic, nor in a digest", id)
		}
	}
	recorded := map[string]bool{}
	for _, c := range conflicts {
		// Words are unique, so that two records of the same two are one conflict.
		_, loser := c.Loser()
		values := c.Field + " " + c.CRM.String() + " " + c.Notion.String()
		if c.Critical && j.truth != nil && recorded[values] && !j.truth.edits[loser.String()].at.IsZero() {
			j.fault("the conflict of %s between %q and %q is recorded twice", c.Field, c.CRM, c.Notion)
		}
		recorded[values] = true
		switch {
		case c.Critical && published[c.ID] == 0:
			j.fault("conflict %s on the critical field %s was not alerted by itself", c.ID, c.Field)
		case c.Undecidable && published[c.ID] == 0 && !inDigest[c.ID]:
			j.fault("conflict %s on %s was not alerted", c.ID, c.Field)
		}
	}
}

// list asks for many texts.
func (w *world) list(sql string, args ...any) []string {
	w.t.Helper()
	var out []string
	rows, err := w.db.Query(context.Background(), sql, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, text)
	}
	return out
}

// losses: every word that people wrote can be seen, or was replaced by a person who saw it, or lost a recorded conflict, or was
// overwritten in the window that no client can close.
func (j *judge) losses(conflicts []ledger.Conflict) {
	seen := map[string]bool{}
	for _, side := range []map[string]map[string]record{j.rows, j.pages} {
		for _, records := range side {
			for _, rec := range records {
				for _, text := range rec {
					seen[text] = true
				}
			}
		}
	}
	lost := map[string]bool{}
	for _, c := range conflicts {
		_, loser := c.Loser()
		lost[loser.String()] = true
		lost[phone(loser.String())] = true
	}
	for word, e := range j.truth.edits {
		_, gone := j.truth.gone[word]
		_, window := j.truth.windows[word]
		if !seen[word] && !gone && !lost[word] && !window {
			j.fault("%q, written at %s in %s, disappeared silently", word, e.at.Format("15:04:05.000"), e.where)
		}
	}
}

// demand fails the test for everything that a verdict found.
func demand(t testing.TB, found []string) {
	t.Helper()
	slices.Sort(found)
	for i, fault := range found {
		if i == 40 {
			t.Errorf("… and %d more", len(found)-i)
			return
		}
		t.Error(fault)
	}
}
