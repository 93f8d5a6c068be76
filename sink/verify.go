package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// Walked is a page as a query shows it.
type Walked struct {
	Page string
	Seen ledger.Observation
}

// VerifyLedger is what a verification asks of the ledger.
type VerifyLedger interface {
	SweepLedger
	Explain(ctx context.Context, links []int64, after time.Time) (map[int64]ledger.Explained, error)
	Pages(ctx context.Context, sync, entity, after string, max int) ([]string, error)
	SaveProof(ctx context.Context, sync string, p ledger.Proof, differences []ledger.Difference) error
	Proofs(ctx context.Context, sync string) ([]ledger.Proof, []ledger.Difference, error)
	Differs(ctx context.Context, sync string, found []ledger.Difference) error
	Raise(ctx context.Context, alerts []ledger.Alert) error
}

// Verify is the proof of equality: it compares all pages with all rows, a hundred pages for a request, and trusts nothing that the ledger says but what
// explains a difference. What nothing explains is looked at again by itself after the index lag; then it is told, and work is made that heals it.
//
// One goroutine calls RunOnce. A process that dies in a pass goes on with the entity that it was at: what it had seen of its pages lives in memory, and Notion's
// place in a query does not outlive it either.
type Verify struct {
	Worker   *Worker // sink/notion's: it reads both sides as a turn does
	Ledger   VerifyLedger
	Entities []string // in the order in which they are compared
	Rows     map[string]RowKeys
	Walk     func(ctx context.Context, entity string, schema ledger.Schema) iter.Seq2[Walked, error]
	Interval time.Duration // from the end of a pass to the next
	Pace     time.Duration // between requests: the share of the budget that may be used
	Settle   time.Duration // from the first RunOnce to the first pass that nobody asked for: a first sync in full swing explains little
	Log      *slog.Logger

	pass *pass
	born time.Time // the first RunOnce
	last time.Time // end of the last pass
	next time.Time // nothing is asked of Notion before
}

// Verification, with its reasons.
const (
	verifyPage  = 100    // pages a step: one request
	verifyKeys  = 1000   // keys a step
	foundMax    = 500    // differences of one entity that are looked at and told; the others are counted
	suspectsMax = 20_000 // records that are looked at by themselves in one pass of an entity, for a request each: a first sync that nobody explains, not a fault
)

// VerifyName is the name of a sync's verification in the ledger.
func VerifyName(sync string) string { return "verify/" + sync }

// pass is one comparison of everything.
type pass struct {
	began    time.Time
	entity   int
	kept     int // the entity that is remembered
	phase    int // pages, links that no page showed, rows, suspects
	next     func() (Walked, error, bool)
	stop     func()
	seen     map[int64]bool
	after    string
	proof    ledger.Proof
	found    []ledger.Difference
	suspects []suspect
}

// suspect is a link, or what stands on one side without one, that differs though nothing explains it.
type suspect struct {
	link  int64
	key   string
	page  string
	since time.Time
	whole bool // the query showed a part of it: what a look at the whole page finds is a suspicion, like any other
}

// RunOnce does one step of a pass that is due, and reports what it looked at; 0 while it has to wait.
func (v *Verify) RunOnce(ctx context.Context) (int, error) {
	ctx = notionapi.WithLane(ctx, notionapi.Backfill)
	if v.born.IsZero() {
		v.born = v.Worker.Now()
	}
	name := VerifyName(v.Worker.Sync)
	fence, ok, err := v.Ledger.Lead(ctx, name, v.Worker.Holder, v.Worker.Now(), sweepLead)
	if err != nil || !ok || v.Worker.Now().Before(v.next) {
		return 0, err
	}
	if v.pass == nil {
		if due, err := v.due(ctx, name); err != nil || !due {
			return 0, err
		}
		if v.pass, err = v.resume(ctx, name); err != nil {
			return 0, err
		}
	}
	n, err := v.step(ctx)
	if err != nil {
		v.drop()
		return 0, fmt.Errorf("verify: %w", err)
	}
	if v.pass.entity < len(v.Entities) {
		return n, v.keep(ctx, name, fence)
	}
	state, err := json.Marshal(verifyState{SweepRequest: SweepRequest{At: v.pass.began, Why: "finished"}})
	v.last = v.Worker.Now()
	v.drop()
	if err != nil {
		return n, err
	}
	return n, v.Ledger.SaveCursor(ctx, name, fence, state)
}

func (v *Verify) drop() {
	if v.pass != nil && v.pass.stop != nil {
		v.pass.stop()
	}
	v.pass = nil
}

func (v *Verify) due(ctx context.Context, name string) (bool, error) {
	var done, asked SweepRequest
	for at, into := range map[string]*SweepRequest{name: &done, name + "/request": &asked} {
		data, err := v.Ledger.Cursor(ctx, at)
		if err != nil {
			return false, err
		}
		if data != nil {
			if err := json.Unmarshal(data, into); err != nil {
				return false, fmt.Errorf("read the state of %s: %w", at, err)
			}
		}
	}
	now := v.Worker.Now()
	return asked.At.After(done.At) || now.Sub(done.At) >= v.Interval && now.Sub(v.last) >= v.Interval && now.Sub(v.born) >= v.Settle, nil
}

func (v *Verify) step(ctx context.Context) (int, error) {
	p, name := v.pass, v.Entities[v.pass.entity]
	schema, ok, err := v.Worker.Ledger.Schema(ctx, v.Worker.Sync, name)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, ErrNoSchema
	}
	if p.proof.Entity == "" {
		p.proof, p.seen, p.found = ledger.Proof{Entity: name, Began: v.Worker.Now()}, map[int64]bool{}, nil
	}
	switch p.phase {
	case 0:
		return v.pages(ctx, name, schema)
	case 1:
		return v.links(ctx, name)
	case 2:
		return v.rows(ctx, name)
	}
	if len(p.suspects) > 0 {
		return v.again(ctx, name, schema)
	}
	p.proof.Finished = v.Worker.Now()
	if err := v.publish(ctx); err != nil {
		return 0, err
	}
	p.entity, p.phase, p.proof = p.entity+1, 0, ledger.Proof{}
	return 1, nil
}

func (v *Verify) asked() {
	v.pass.proof.Requests++
	v.next = v.Worker.Now().Add(v.Pace)
}

// pages compares the next hundred pages with their rows.
func (v *Verify) pages(ctx context.Context, name string, schema ledger.Schema) (int, error) {
	p := v.pass
	if p.next == nil {
		p.next, p.stop = iter.Pull2(v.Walk(context.WithoutCancel(ctx), name, schema))
	}
	began := v.Worker.Now()
	var batch []Walked
	for len(batch) < verifyPage {
		w, err, ok := p.next()
		if err != nil {
			return 0, err
		}
		if !ok {
			p.stop()
			p.next, p.phase, p.after = nil, 1, ""
			break
		}
		batch = append(batch, w)
	}
	v.asked()
	return len(batch) + 1, v.compare(ctx, name, schema, began, batch)
}

func (v *Verify) compare(ctx context.Context, name string, schema ledger.Schema, began time.Time, batch []Walked) error {
	w, p := v.Worker, v.pass
	var ids, keys []string
	for _, page := range batch {
		ids = append(ids, page.Page)
	}
	links, err := w.Ledger.ByPage(ctx, w.Sync, ids)
	if err != nil {
		return err
	}
	var named []int64
	for _, l := range links {
		named = append(named, l.ID)
		if l.Key != "" && l.Entity == name {
			keys = append(keys, l.Key)
		}
	}
	snapshot := Snapshot{At: began}
	if len(keys) > 0 {
		if snapshot, err = w.Entities[name].Rows.Read(ctx, keys); err != nil {
			return err
		}
	}
	explained, err := v.Ledger.Explain(ctx, named, began.Add(-w.IndexLag))
	if err != nil {
		return err
	}
	for _, page := range batch {
		l, linked := links[page.Page]
		switch {
		case !linked:
			v.suspect(suspect{page: page.Page, since: began})
			continue
		case l.Entity != name:
			continue
		}
		p.seen[l.ID] = true
		if l.Key == "" {
			count(&p.proof, explained[l.ID])
			continue
		}
		differ, byRule, err := v.differ(ctx, l, schema, snapshot, page.Seen)
		switch e := explained[l.ID]; {
		case err != nil:
			return err
		case len(differ) == 0 && Truncated(page.Seen.Properties): // a query shows 25 of a relation: the rest is seen by a look at the page itself
			v.suspect(suspect{link: l.ID, since: began, whole: true})
		case len(differ) == 0 && !byRule:
			p.proof.Equal++
		case e.Work || e.Held:
			count(&p.proof, e)
		case len(differ) == 0:
			p.proof.Held++
		default:
			v.suspect(suspect{link: l.ID, since: began})
		}
	}
	return nil
}

// differ gives the fields that differ and that a turn would bring together; byRule reports that others differ that the mapping's rules leave apart, or that
// cannot be read.
func (v *Verify) differ(ctx context.Context, l ledger.Link, schema ledger.Schema, snapshot Snapshot, seen ledger.Observation) (differ []ledger.Difference, byRule bool, err error) {
	r := &reconciliation{w: v.Worker, entity: v.Worker.Entities[l.Entity], schema: schema, item: ledger.Item{Link: l}, snapshot: snapshot}
	r.row = snapshot.Rows[l.Key]
	if !r.row.Exists || !r.row.InScope {
		return []ledger.Difference{{Link: l.ID, Entity: l.Entity, Key: l.Key, Page: l.Page, CRM: "no row", Notion: "a page"}}, false, nil
	}
	if err := r.begin(ctx); err != nil {
		return nil, false, err
	}
	if err := r.viewObservation(ctx, seen); err != nil {
		return nil, false, err
	}
	d := ledger.Decide(r.in)
	for _, f := range r.t.fields {
		crm, read := r.in.CRM.Image[f.Name]
		notion, shown := r.in.Notion.Image[f.Name]
		if !read || !shown || f.Same(crm, notion) {
			byRule = byRule || r.in.CRM.Bad[f.Name]+r.in.CRM.Waits[f.Name]+r.in.Notion.Bad[f.Name]+r.in.Notion.Waits[f.Name] != ""
			continue
		}
		_, toNotion := d.ToNotion[f.Name]
		_, toCRM := d.ToCRM[f.Name]
		if !toNotion && !toCRM && len(d.Holds) == 0 {
			byRule = true
			continue
		}
		differ = append(differ, ledger.Difference{Link: l.ID, Entity: l.Entity, Key: l.Key, Page: l.Page, Field: f.Name, CRM: short(crm), Notion: short(notion)})
	}
	return differ, byRule, nil
}

// links finds linked pages that no query showed.
func (v *Verify) links(ctx context.Context, name string) (int, error) {
	w, p := v.Worker, v.pass
	pages, err := v.Ledger.Pages(ctx, w.Sync, name, p.after, verifyKeys)
	if err != nil {
		return 0, err
	}
	if len(pages) == 0 {
		p.phase, p.after = 2, ""
		return 1, nil
	}
	p.after = pages[len(pages)-1]
	links, err := w.Ledger.ByPage(ctx, w.Sync, pages)
	if err != nil {
		return 0, err
	}
	for _, page := range pages {
		if l := links[page]; l.State == ledger.Live && !p.seen[l.ID] {
			v.suspect(suspect{link: l.ID, since: w.Now()})
		}
	}
	return len(pages), nil
}

// rows finds rows that have no link.
func (v *Verify) rows(ctx context.Context, name string) (int, error) {
	w, p := v.Worker, v.pass
	keys, err := v.Rows[name].Keys(ctx, p.after, verifyKeys)
	if err != nil {
		return 0, err
	}
	if len(keys) == 0 {
		p.phase, p.after = 3, ""
		return 1, nil
	}
	p.after = keys[len(keys)-1]
	links, err := w.Ledger.ByKey(ctx, w.Sync, name, keys)
	if err != nil {
		return 0, err
	}
	for _, key := range keys {
		if _, ok := links[key]; !ok {
			v.suspect(suspect{key: key, since: w.Now()})
		}
	}
	return len(keys), nil
}

// again looks at the next suspect by itself, once the index must show what is so.
func (v *Verify) again(ctx context.Context, name string, schema ledger.Schema) (int, error) {
	w, p := v.Worker, v.pass
	s := p.suspects[0]
	if !s.whole && w.Now().Before(s.since.Add(w.IndexLag+lagMargin)) {
		return 0, nil
	}
	p.suspects = p.suspects[1:]
	if len(p.found) >= foundMax {
		p.proof.Differs += 1 + len(p.suspects)
		p.suspects = nil
		return 1, nil
	}
	if s.link == 0 {
		return 1, v.unlinked(ctx, name, s)
	}
	links, err := w.Ledger.ByID(ctx, []int64{s.link})
	if err != nil {
		return 0, err
	}
	l, ok := links[s.link]
	if !ok || l.Page == "" || l.Key == "" {
		return 1, nil // it is gone meanwhile, or half: that is work
	}
	seen, err := w.Entities[name].Pages.Read(ctx, schema, l.Page)
	if err != nil {
		return 0, err
	}
	v.asked()
	snapshot, err := w.Entities[name].Rows.Read(ctx, []string{l.Key})
	if err != nil {
		return 0, err
	}
	explained, err := v.Ledger.Explain(ctx, []int64{l.ID}, s.since)
	if err != nil {
		return 0, err
	}
	var differ []ledger.Difference
	byRule := false
	switch {
	case seen.Gone || seen.InTrash || seen.Moved:
		differ = []ledger.Difference{{Link: l.ID, Entity: name, Key: l.Key, Page: l.Page, CRM: "a row", Notion: "no page"}}
	default:
		if differ, byRule, err = v.differ(ctx, l, schema, snapshot, seen); err != nil {
			return 0, err
		}
	}
	switch e := explained[l.ID]; {
	case len(differ) == 0 && byRule:
		p.proof.Held++
	case len(differ) == 0:
		p.proof.Equal++
	case e.Work || e.Held:
		count(&p.proof, e)
	case s.whole:
		v.suspect(suspect{link: l.ID, since: w.Now()})
	default:
		return 1, v.differs(ctx, differ, ledger.Reason{Sync: w.Sync, Entity: name, Link: l.ID})
	}
	return 1, nil
}

// unlinked looks once more at a row or page that had no link.
func (v *Verify) unlinked(ctx context.Context, name string, s suspect) error {
	w := v.Worker
	links, err := w.Ledger.ByPage(ctx, w.Sync, []string{s.page})
	d := ledger.Difference{Entity: name, Page: s.page, CRM: "no row", Notion: "a page that nobody knows"}
	if s.key != "" {
		links, err = w.Ledger.ByKey(ctx, w.Sync, name, []string{s.key})
		d = ledger.Difference{Entity: name, Key: s.key, CRM: "a row that nobody knows", Notion: "no page"}
	}
	if err != nil {
		return err
	}
	if len(links) > 0 {
		v.pass.proof.Waiting++
		return nil
	}
	if s.key != "" {
		snapshot, err := w.Entities[name].Rows.Read(ctx, []string{s.key})
		if row := snapshot.Rows[s.key]; err != nil || !row.Exists || !row.InScope {
			return err
		}
	}
	return v.differs(ctx, []ledger.Difference{d}, ledger.Reason{Sync: w.Sync, Entity: name, Key: s.key, Page: s.page})
}
