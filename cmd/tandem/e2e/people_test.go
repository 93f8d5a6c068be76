package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

// field is a field whose values are words. Others (dates, checkboxes, relations) are edited and compared too, but cannot tell whose they are.
type field struct {
	column, property, kind, syntax string
	empty                          bool // people clear it at times
}

var wordFields = map[string][]field{
	"contact": {
		{"full_name", "Name", "title", "Name n%d", false}, {"email", "Email", "email", "e%d@example.com", true}, {"email", "Email", "email", "e%d@example.com", false},
		{"phone", "Phone", "phone_number", "+336%08d", true}, {"job_title", "Job title", "rich_text", "Job j%d", true},
		{"website", "Website", "url", "https://example.com/w%d", true}, {"notes", "Notes", "rich_text", "Note ✍ t%d", true},
	},
	"opportunity": {{"name", "Name", "title", "Deal d%d", false}, {"description", "Description", "rich_text", "Descr x%d", true}},
	"task":        {{"title", "Task", "title", "Task k%d", false}, {"description", "Description", "rich_text", "Descr y%d", true}},
}

var entities = []string{"contact", "contact", "contact", "opportunity", "task"}

// people are users of both sides, who know neither of each other nor of Tandem.
type people struct {
	w       *world
	dice    *rand.Rand
	truth   *truth
	person  *emulator.Person
	edited  struct{ crm, notion, made, deleted, trashed int }
	trashed []string       // pages
	still   map[string]int // entity → rows with a key up to this one are left alone
}

func newPeople(w *world, seed uint64) *people {
	p := &people{w: w, dice: rand.New(rand.NewPCG(seed, 1)), truth: newTruth(), still: map[string]int{"contact": 1, "opportunity": 1, "task": 1}}
	p.person = w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	w.front.before = p.overShoulder
	w.front.reads = map[string]time.Time{}
	return p
}

func (p *people) pick(from []string) string { return from[p.dice.IntN(len(from))] }

// fill makes the rows that are there before Tandem is.
func (p *people) fill(contacts, opportunities, tasks int) {
	p.w.exec(`INSERT INTO company SELECT n, 'Company ' || n FROM generate_series(1, 8) n; SELECT setval('company_id_seq', 8)`)
	p.w.exec(`INSERT INTO tag SELECT n, 'tag ' || n FROM generate_series(1, 6) n; SELECT setval('tag_id_seq', 6)`)
	batch := &pgx.Batch{}
	for range contacts {
		p.insertContact(batch)
	}
	for range opportunities {
		batch.Queue(`INSERT INTO opportunity (id, contact_id, name, stage, amount, expected_close, description, created_at, updated_at)
			VALUES (nextval('opportunity_id_seq'), $1, $2, $3, $4, '2026-09-01', $5, now(), now())`, 1+p.dice.IntN(contacts), p.first("opportunity", "name"),
			p.pick([]string{"new", "qualified", "won"}), p.dice.IntN(1_000_000), p.first("opportunity", "description"))
		batch.Queue(`INSERT INTO opportunity_contact VALUES (currval('opportunity_id_seq'), $1)`, 1+p.dice.IntN(contacts))
		batch.Queue(`INSERT INTO opportunity_attribute VALUES (nextval('opportunity_attribute_id_seq'), currval('opportunity_id_seq'), 'Region', 'text', $1)`, p.pick([]string{"Nord", "Süd"}))
	}
	for range tasks {
		batch.Queue(`INSERT INTO task (id, opportunity_id, contact_id, title, status, due_date, reminder_at, description, created_at, updated_at)
			VALUES (nextval('task_id_seq'), $1, $2, $3, $4, '2026-10-01', '2026-10-01 08:30+02', $5, now(), now())`, 1+p.dice.IntN(opportunities), 1+p.dice.IntN(contacts),
			p.first("task", "title"), p.pick([]string{"todo", "doing", "done"}), p.first("task", "description"))
	}
	if err := p.w.db.SendBatch(context.Background(), batch).Close(); err != nil {
		p.w.t.Fatal("fill the CRM: ", err)
	}
}

func (p *people) first(entity, column string) string {
	for _, f := range wordFields[entity] {
		if f.column == column {
			return p.truth.word(f, "crm "+entity+" as it was filled, "+column)
		}
	}
	panic(column)
}

func (p *people) insertContact(batch *pgx.Batch) {
	var notes *string
	if p.dice.IntN(3) == 0 {
		text := p.first("contact", "notes")
		notes = &text
	}
	custom, _ := json.Marshal(map[string]any{"Segment": p.pick([]string{"A", "B", "C"}), "Score": p.dice.IntN(100), "_internal": "not for Notion"})
	batch.Queue(`INSERT INTO contact (id, company_id, full_name, email, phone, job_title, website, birthday, newsletter, notes, custom_fields, password_hash, created_at, updated_at)
		VALUES (nextval('contact_id_seq'), $1, $2, $3, $4, $5, $6, '1980-02-29', $7, $8, $9, 'secret', now(), now())`, 1+p.dice.IntN(8), p.first("contact", "full_name"),
		p.first("contact", "email"), p.first("contact", "phone"), p.first("contact", "job_title"), p.first("contact", "website"), p.dice.IntN(2) == 0, notes, custom)
	batch.Queue(`INSERT INTO contact_tag VALUES (currval('contact_id_seq'), $1)`, 1+p.dice.IntN(6))
}

// live lets people work until told to stop, so many actions a second.
func (p *people) live(ctx context.Context, perSecond int) {
	ticker := time.NewTicker(time.Second / time.Duration(perSecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.act()
		}
	}
}

func (p *people) act() {
	entity := p.pick(entities)
	switch n := p.dice.IntN(100); {
	case n < 34:
		p.editRow(entity)
	case n < 42:
		p.editRowOtherwise(entity)
	case n < 45:
		p.newRow()
	case n < 47:
		p.deleteRow(entity)
	case n < 85:
		p.editPage(entity)
	case n < 94:
		p.editPageOtherwise(entity)
	case n < 98:
		p.newPage()
	default:
		p.trashPage()
	}
}

// key chooses a row, often one of a few that everybody works on; "" where there is none.
func (p *people) key(entity string) string {
	order := "random()"
	if p.dice.IntN(3) > 0 {
		order = "(id % 37 = 0) DESC, random()" // the hot ones
	}
	key := p.w.one(`SELECT coalesce((SELECT id::text FROM `+entity+` WHERE deleted_at IS NULL AND id > $1 ORDER BY `+order+` LIMIT 1), '')`, p.still[entity])
	if strings.HasPrefix(key, "error") {
		return ""
	}
	return key
}

// editRow replaces one word in the CRM, and knows which.
func (p *people) editRow(entity string) {
	key := p.key(entity)
	if key == "" {
		return
	}
	f := wordFields[entity][p.dice.IntN(len(wordFields[entity]))]
	where := "crm " + entity + "/" + key + " " + f.column
	var next *string
	if !f.empty || p.dice.IntN(6) > 0 {
		word := p.truth.word(f, where)
		next = &word
	}
	var old *string
	sql := fmt.Sprintf(`UPDATE %[1]s SET %[2]s = $1, updated_at = now() FROM (SELECT id AS i, %[2]s AS was FROM %[1]s WHERE id = $2::int FOR UPDATE) o WHERE id = i RETURNING was`, entity, f.column)
	if err := p.w.db.QueryRow(context.Background(), sql, next, key).Scan(&old); err != nil {
		if next != nil {
			p.truth.forget(*next)
		}
		return // deleted meanwhile
	}
	p.truth.replaced(words(f, old), words(f, next), "a person at "+where)
	p.edited.crm++
}

// words are a value's words as all of the test spells them.
func words(f field, value *string) []string {
	switch {
	case value == nil || *value == "":
		return nil
	case f.kind == "phone_number":
		return []string{phone(*value)}
	}
	return []string{*value}
}

// phone is a number as E.164, of the few forms that occur here.
func phone(text string) string {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' {
			return r
		}
		return -1
	}, text)
	if national, ok := strings.CutPrefix(digits, "0"); ok {
		return "+33" + national
	}
	return digits
}

// immortal are the contacts that people refer to while they live, and never delete. A reference to what somebody else deletes at that
// moment waits for a person, rightly; the simulation has those cases.
const immortal = `id % 5 = 1`

func (p *people) editRowOtherwise(entity string) {
	key := p.key(entity)
	if key == "" {
		return
	}
	n := p.dice.IntN(1000)
	contact := `(SELECT id FROM contact WHERE ` + immortal + ` ORDER BY random() LIMIT 1)`
	sql := map[string][]string{
		"contact": {
			fmt.Sprintf(`UPDATE contact SET birthday = date '1970-01-01' + %d, updated_at = now() WHERE id = $1::int`, n),
			`UPDATE contact SET newsletter = NOT newsletter, updated_at = now() WHERE id = $1::int`,
			fmt.Sprintf(`UPDATE contact SET company_id = %d, updated_at = now() WHERE id = $1::int`, 1+n%8),
			fmt.Sprintf(`INSERT INTO contact_tag VALUES ($1::int, %d) ON CONFLICT DO NOTHING`, 1+n%6),
			fmt.Sprintf(`DELETE FROM contact_tag WHERE contact_id = $1::int AND tag_id = %d`, 1+n%6),
			fmt.Sprintf(`UPDATE contact SET custom_fields = jsonb_set(custom_fields, '{Score}', '%d') WHERE id = $1::int AND custom_fields IS NOT NULL`, n),
		},
		"opportunity": {
			fmt.Sprintf(`UPDATE opportunity SET amount = %d.5, version = version + 1 WHERE id = $1::int`, n),
			fmt.Sprintf(`UPDATE opportunity SET stage = '%s' WHERE id = $1::int`, p.pick([]string{"new", "qualified", "proposal", "won", "lost"})),
			`UPDATE opportunity SET contact_id = ` + contact + ` WHERE id = $1::int`,
			`INSERT INTO opportunity_contact SELECT $1::int, id FROM contact WHERE ` + immortal + ` ORDER BY random() LIMIT 1 ON CONFLICT DO NOTHING`,
			`DELETE FROM opportunity_contact WHERE opportunity_id = $1::int`,
			fmt.Sprintf(`UPDATE opportunity_attribute SET value = 'Ost %d' WHERE opportunity_id = $1::int`, n),
		},
		"task": {
			fmt.Sprintf(`UPDATE task SET status = '%s', priority = %d WHERE id = $1::int`, p.pick([]string{"todo", "doing", "done"}), n%4),
			`UPDATE task SET contact_id = ` + contact + ` WHERE id = $1::int`,
			`UPDATE task SET due_date = NULL WHERE id = $1::int`,
		},
	}[entity]
	if _, err := p.w.db.Exec(context.Background(), p.pick(sql), key); err == nil {
		p.edited.crm++
	} // else the row went meanwhile
}

func (p *people) newRow() {
	batch := &pgx.Batch{}
	p.insertContact(batch)
	if err := p.w.db.SendBatch(context.Background(), batch).Close(); err != nil {
		p.w.t.Error("insert a contact: ", err)
	}
	p.edited.made++
}

// deleteRow deletes a row with what hangs on it, as the application would; tasks at times softly.
func (p *people) deleteRow(entity string) {
	key := p.key(entity)
	if key == "" || entity == "contact" && p.w.one(`SELECT (`+immortal+`)::text FROM contact WHERE id = $1::int`, key) != "false" {
		return
	}
	var columns []string
	for _, f := range wordFields[entity] {
		columns = append(columns, f.column)
	}
	was := make([]*string, len(columns))
	into := make([]any, len(columns))
	for i := range was {
		into[i] = &was[i]
	}
	err := pgx.BeginFunc(context.Background(), p.w.db, func(tx pgx.Tx) error {
		for _, sql := range map[string][]string{
			"contact":     {`UPDATE opportunity SET contact_id = NULL WHERE contact_id = $1::int`, `UPDATE task SET contact_id = NULL WHERE contact_id = $1::int`},
			"opportunity": {`UPDATE task SET opportunity_id = NULL WHERE opportunity_id = $1::int`},
		}[entity] {
			if _, err := tx.Exec(context.Background(), sql, key); err != nil {
				return err
			}
		}
		verb := `DELETE FROM ` + entity
		if entity == "task" && p.dice.IntN(2) == 0 {
			verb = `UPDATE task SET deleted_at = now()`
		}
		return tx.QueryRow(context.Background(), verb+` WHERE id = $1::int RETURNING `+strings.Join(columns, ", "), key).Scan(into...)
	})
	if err != nil {
		return // somebody else was faster
	}
	for i, f := range wordFields[entity] {
		p.truth.replaced(words(f, was[i]), nil, "deleted with the row crm "+entity+"/"+key)
	}
	p.edited.deleted++
}

// page chooses a page of an entity whose row people do not leave alone; "" where there is none yet.
func (p *people) page(entity string) string {
	order := "random()"
	if p.dice.IntN(3) > 0 {
		order = "(key::int % 37 = 0) DESC, random()"
	}
	page := p.w.one(`SELECT coalesce((SELECT page FROM tandem.link WHERE entity = $1 AND state = 'live' AND page IS NOT NULL AND key::int > $2 ORDER BY `+order+` LIMIT 1), '')`,
		entity, p.still[entity])
	if strings.HasPrefix(page, "error") {
		return "" // the ledger is not there yet
	}
	return page
}

// editPage replaces one word in Notion.
func (p *people) editPage(entity string) {
	page := p.page(entity)
	if page == "" {
		return
	}
	f := wordFields[entity][p.dice.IntN(len(wordFields[entity]))]
	where := "notion " + entity + "/" + page + " " + f.property
	p.w.front.mu.Lock()
	defer p.w.front.mu.Unlock()
	now, err := p.person.Properties(page)
	if trashed, terr := p.person.InTrash(page); err != nil || terr != nil || trashed {
		return
	}
	var next []string
	if !f.empty || p.dice.IntN(6) > 0 {
		next = []string{p.truth.word(f, where)}
	}
	if err := p.person.Edit(page, map[string]any{f.property: propertyOf(f.kind, next)}); err != nil {
		p.truth.forget(next...)
		p.w.t.Errorf("edit %s: %v", where, err)
		return
	}
	p.truth.replaced(wordsOf(now[f.property]), next, "a person at "+where)
	p.edited.notion++
}

func propertyOf(kind string, words []string) map[string]any {
	switch kind {
	case "title", "rich_text":
		rich := []any{}
		for _, word := range words {
			rich = append(rich, map[string]any{"type": "text", "text": map[string]any{"content": word}})
		}
		return map[string]any{kind: rich}
	}
	if len(words) == 0 {
		return map[string]any{kind: nil}
	}
	return map[string]any{kind: words[0]}
}

func (p *people) editPageOtherwise(entity string) {
	page := p.page(entity)
	if page == "" {
		return
	}
	n := p.dice.IntN(1000)
	choice := func(names ...string) map[string]any { return map[string]any{"name": p.pick(names)} }
	edits := map[string][]map[string]any{
		"contact": {
			{"Birthday": map[string]any{"date": map[string]any{"start": time.Date(1960, 1, 1+n, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)}}},
			{"Newsletter": map[string]any{"checkbox": n%2 == 0}},
			{"Company": map[string]any{"select": choice("Company 1", "Company 2", fmt.Sprintf("House %d", n%10))}},
			{"Tags": map[string]any{"multi_select": []any{choice("tag 1", "tag 2"), choice("tag 3", "tag 4", fmt.Sprintf("new tag %d", n%10))}}},
			{"Score": map[string]any{"number": n}},
		},
		"opportunity": {
			{"Amount": map[string]any{"number": float64(n) + 0.25}},
			{"Stage": map[string]any{"select": choice("New", "Qualified", "Proposal sent", "Won", "Lost")}},
			{"Expected close": map[string]any{"date": nil}},
		},
		"task": {
			{"Status": map[string]any{"status": choice("Not started", "In progress", "Done")}},
			{"Priority": map[string]any{"number": n % 5}},
		},
	}[entity]
	other := p.w.one(`SELECT page FROM tandem.link JOIN contact ON id::text = key WHERE entity = 'contact' AND page IS NOT NULL AND ` + immortal + ` ORDER BY random() LIMIT 1`)
	if entity != "contact" && !strings.HasPrefix(other, "error") {
		edits = append(edits, map[string]any{"Contact": map[string]any{"relation": []any{map[string]any{"id": other}}}})
	}
	p.w.front.mu.Lock()
	defer p.w.front.mu.Unlock()
	if trashed, err := p.person.InTrash(page); err != nil || trashed {
		return
	}
	if err := p.person.Edit(page, edits[p.dice.IntN(len(edits))]); err == nil {
		p.edited.notion++
	} // else a property or a related page is not there (yet, or any more)
}

// newPage makes a contact in Notion.
func (p *people) newPage() {
	source := p.w.source("contact")
	if source == "" {
		return
	}
	name, email := wordFields["contact"][0], wordFields["contact"][1]
	where := "notion contact/new"
	a, b := p.truth.word(name, where), p.truth.word(email, where)
	p.w.front.mu.Lock()
	defer p.w.front.mu.Unlock()
	if _, err := p.person.Create(source, map[string]any{"Name": propertyOf("title", []string{a}), "Email": propertyOf("email", []string{b})}); err != nil {
		p.truth.forget(a, b)
		return
	}
	p.edited.made++
}

// source is where an entity's pages are, "" before Tandem has made the database.
func (w *world) source(entity string) string {
	source := w.one(`SELECT coalesce((SELECT schema->>'dataSource' FROM tandem.entity WHERE entity = $1), '')`, entity)
	if strings.HasPrefix(source, "error") {
		return ""
	}
	return source
}

// trashPage puts a task's page in the trash: nothing refers to tasks.
func (p *people) trashPage() {
	page := p.page("task")
	if page == "" {
		return
	}
	p.w.front.mu.Lock()
	defer p.w.front.mu.Unlock()
	now, err := p.person.Properties(page)
	if trashed, terr := p.person.InTrash(page); err != nil || terr != nil || trashed || p.person.Trash(page) != nil {
		return
	}
	for _, raw := range now {
		p.truth.replaced(wordsOf(raw), nil, "put in the trash with page "+page)
	}
	p.edited.trashed++
	p.trashed = append(p.trashed, page)
}

// overShoulder looks right before Tandem writes a page: a word that it is about to overwrite, and that was written after the newest read
// of the page began, could not be known to it. Runs under the front's lock.
func (p *people) overShoulder(r *http.Request, page string) {
	if r.Method != http.MethodPatch {
		return
	}
	read := p.w.front.reads[page]
	now, err := p.person.Properties(page)
	if err != nil {
		return
	}
	p.truth.mu.Lock()
	defer p.truth.mu.Unlock()
	for _, raw := range now {
		for _, word := range wordsOf(raw) {
			if e, ok := p.truth.edits[word]; ok && e.at.After(read) && time.Since(e.at) < windowMax {
				p.truth.windows[word] = fmt.Sprintf("written %s before a PATCH of page %s", time.Since(e.at).Round(time.Millisecond), page)
			}
		}
	}
}

// windowMax is how long the time between our read of a page and our write may be. What is overwritten later was not in it.
const windowMax = 10 * time.Second

// wordsOf are the words of a property as Notion's API shows it.
func wordsOf(raw json.RawMessage) []string {
	text, _ := textOf(raw)
	if text == "" {
		return nil
	}
	return strings.Split(text, listMark)
}

func (p *people) summary(t testing.TB) {
	t.Logf("people: %+v; %d words, %d replaced by people, %d perhaps overwritten in a window", p.edited, len(p.truth.edits), len(p.truth.gone), len(p.truth.windows))
}
