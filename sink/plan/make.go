package plan

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
	"github.com/tandem-sync/tandem/sink/match"
)

// pagePlanned begins the page ids of pages that a plan makes, and keyPlanned the keys of rows: until they are there something must stand for them.
const (
	pagePlanned = "planned page of "
	keyPlanned  = "planned row of "
)

// Maker makes a plan: it walks over both sides, and decides on every link with the shipped code. One goroutine uses it, once.
type Maker struct {
	Reader *Reader
	Emit   func(Item) error // every item, in the order in which they are to be done; skips too

	planned *planned
	made    map[string]bool
}

// planned is the ledger as it is, with the links that the plan would make, and with what its writes count for the brakes.
type planned struct {
	Ledger

	byKey, byPage map[string]ledger.Link
	byID          map[int64]ledger.Link
	counts        map[ledger.Meter]int
	last          int64
}

func (p *planned) put(l ledger.Link) {
	p.last--
	l.ID = p.last
	p.byKey[l.Entity+" "+l.Key], p.byPage[l.Page], p.byID[l.ID] = l, l, l
}

// ByKey finds planned links where there are none.
func (p *planned) ByKey(ctx context.Context, sync, entity string, keys []string) (map[string]ledger.Link, error) {
	found, err := p.Ledger.ByKey(ctx, sync, entity, keys)
	for _, key := range keys {
		if l, ok := p.byKey[entity+" "+key]; ok && found[key].Page == "" && err == nil {
			found[key] = l
		}
	}
	return found, err
}

// ByPage finds planned links where there are none.
func (p *planned) ByPage(ctx context.Context, sync string, pages []string) (map[string]ledger.Link, error) {
	found, err := p.Ledger.ByPage(ctx, sync, pages)
	for _, page := range pages {
		if l, ok := p.byPage[page]; ok && found[page].Key == "" && err == nil {
			found[page] = l
		}
	}
	return found, err
}

// ByID finds planned links by the ids that stand for them.
func (p *planned) ByID(ctx context.Context, ids []int64) (map[int64]ledger.Link, error) {
	found, err := p.Ledger.ByID(ctx, ids)
	for _, id := range ids {
		if l, ok := p.byID[id]; ok && err == nil {
			found[id] = l
		}
	}
	return found, err
}

// Touched counts what was planned before, as if it had been done.
func (p *planned) Touched(ctx context.Context, sync, entity string, beside int64, since time.Time, most int, meters []ledger.Meter) ([]int, error) {
	counts, err := p.Ledger.Touched(ctx, sync, entity, beside, since, most, meters)
	for i, m := range meters {
		if i < len(counts) {
			counts[i] += p.counts[m]
		}
	}
	return counts, err
}

// Make plans the entities, parents before children.
func (m *Maker) Make(ctx context.Context, entities []*mapping.Entity) error {
	m.planned = &planned{Ledger: m.Reader.Ledger, byKey: map[string]ledger.Link{}, byPage: map[string]ledger.Link{}, byID: map[int64]ledger.Link{}}
	m.made = map[string]bool{}
	own := *m.Reader.Worker
	own.Ledger = m.planned
	reader := *m.Reader
	reader.Worker, m.Reader = &own, &reader
	for _, e := range entities {
		m.planned.counts = map[ledger.Meter]int{}
		s := &survey{Maker: m, e: e, rows: map[string]bool{}, pages: map[string]bool{}, firm: map[string]sink.Listed{}}
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("plan %s: %w", e.Name, err)
		}
	}
	return nil
}

// survey is the look at one entity.
type survey struct {
	*Maker

	e      *mapping.Entity
	schema ledger.Schema

	rows   map[string]bool        // keys of the rows that are there
	pages  map[string]bool        // ids of the pages that were listed
	loose  []match.Record         // rows without a link
	single []match.Record         // pages without a link
	firm   map[string]sink.Listed // pages without a link, as they were listed
}

func (s *survey) run(ctx context.Context) (err error) {
	if s.schema, _, err = s.Reader.Ledger.Schema(ctx, s.e.Sync, s.e.Name); err != nil {
		return err
	}
	steps := []func(context.Context) error{s.walkRows, s.walkPages, s.unseen, s.recall, s.match, s.makePages, s.makeRows}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// walkRows notes which rows are there, and which of them have no page.
func (s *survey) walkRows(ctx context.Context) error {
	for batch, err := range s.Reader.rows(ctx, s.e) {
		if err != nil {
			return err
		}
		for _, key := range batch.keys {
			s.rows[key] = true
			if l := batch.links[key]; linked(l) {
				if l.Page == "" {
					if err := s.tell(Item{Do: Waiting, Entity: s.e.Name, Key: key, Why: []string{"a page for the row is being made at this moment"}}); err != nil {
						return err
					}
				}
				continue
			}
			record := match.Record{ID: key}
			if len(s.e.Match) > 0 {
				image, err := s.Reader.Worker.RowImage(ctx, s.e.Name, s.schema, batch.snapshot.Rows[key])
				if err != nil {
					return err
				}
				record.Image = s.e.Likeness(image)
			}
			s.loose = append(s.loose, record)
		}
	}
	return nil
}

// walkPages decides on the links whose pages are listed, and notes the pages that have none.
func (s *survey) walkPages(ctx context.Context) error {
	for batch, err := range s.Reader.pages(ctx, s.e, s.schema) {
		if err != nil {
			return err
		}
		var keys []string
		for _, p := range batch.pages {
			s.pages[p.Page] = true
			if l := batch.links[p.Page]; l.Key != "" {
				keys = append(keys, l.Key)
			}
		}
		snapshot, err := s.read(ctx, keys)
		if err != nil {
			return err
		}
		for _, p := range batch.pages {
			l := batch.links[p.Page]
			switch {
			case l.ID != 0 && l.Entity != s.e.Name:
			case l.Key != "":
				if err := s.decide(ctx, l, snapshot, &p.Seen); err != nil {
					return err
				}
			default:
				if err := s.lone(ctx, p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *survey) read(ctx context.Context, keys []string) (sink.Snapshot, error) {
	if len(keys) == 0 {
		return sink.Snapshot{At: s.Reader.Worker.Now(), Visible: func(uint32) bool { return true }}, nil
	}
	return s.Reader.Worker.Entities[s.e.Name].Rows.Read(ctx, keys)
}

func (s *survey) lone(ctx context.Context, p sink.Listed) error {
	image, err := s.Reader.Worker.PageImage(ctx, s.e.Name, s.schema, p.Seen)
	if err != nil {
		return err
	}
	s.single = append(s.single, match.Record{ID: p.Page, Image: s.e.Likeness(image)})
	s.firm[p.Page] = p
	return nil
}

// unseen decides on links whose page was not listed: it is in the trash, elsewhere, or not to be found. Absence is no evidence, so each such page is
// read; where its row is gone too, or where both are known to be, there is nothing to find out.
func (s *survey) unseen(ctx context.Context) error {
	for from := ""; ; {
		pages, err := s.Reader.Ledger.Pages(ctx, s.e.Sync, s.e.Name, from, rowsStep)
		if err != nil || len(pages) == 0 {
			return err
		}
		from = pages[len(pages)-1]
		links, err := s.Reader.Ledger.ByPage(ctx, s.e.Sync, pages)
		if err != nil {
			return err
		}
		for _, page := range pages {
			l := links[page]
			settled := l.State == ledger.Trashed || l.State == ledger.RowDeleted || l.State == ledger.PageTrashed || l.State == ledger.OutOfScope
			if s.pages[page] || l.Key == "" || settled && !s.rows[l.Key] || l.State == ledger.PageTrashed {
				continue
			}
			snapshot, err := s.read(ctx, []string{l.Key})
			if err != nil {
				return err
			}
			seen, err := s.Reader.Worker.Entities[s.e.Name].Pages.Read(notionapi.WithLane(ctx, notionapi.Backfill), s.schema, page)
			if err != nil {
				return err
			}
			if err := s.decide(ctx, l, snapshot, &seen); err != nil {
				return err
			}
		}
	}
}

// decide asks the shipped code what it would do, and tells it.
func (s *survey) decide(ctx context.Context, l ledger.Link, snapshot sink.Snapshot, seen *ledger.Observation) error {
	item, _, err := s.foresee(ctx, l, snapshot, seen)
	if err != nil {
		return err
	}
	return s.tell(item)
}

func (s *survey) foresee(ctx context.Context, l ledger.Link, snapshot sink.Snapshot, seen *ledger.Observation) (Item, sink.Explanation, error) {
	work := ledger.Work{Side: s.Reader.Worker.Side, Lane: ledger.LaneBackfill, Why: "plan"}
	if l.ID > 0 && l.Key != "" && !snapshot.Rows[l.Key].Exists {
		work.Deleted = s.deleted(ctx, l)
	}
	x, err := s.Reader.Worker.Foresee(ctx, s.schema, ledger.Item{Link: l, Works: []ledger.Work{work}}, snapshot, seen)
	if err != nil {
		return Item{}, x, err
	}
	d := &describer{entity: s.e, links: s.planned, made: s.made}
	item, err := d.item(ctx, x.Input, x.Decision)
	if err != nil {
		return item, x, err
	}
	for _, meter := range ledger.Counts(x.Input, x.Decision) {
		s.planned.counts[meter]++
	}
	return item, x, nil
}

// deleted asks whether the row's delete was seen.
func (s *survey) deleted(ctx context.Context, l ledger.Link) bool {
	looks, ok := s.planned.Ledger.(interface {
		Look(ctx context.Context, link int64) (ledger.Pending, bool, error)
	})
	if !ok {
		return false
	}
	pending, _, err := looks.Look(ctx, l.ID)
	if err != nil {
		return false
	}
	for _, w := range pending.Work {
		if w.Deleted {
			return true
		}
	}
	return false
}

func (s *survey) tell(item Item) error { return s.Emit(item) }

// match links what is exactly one row and one page, and holds what is doubtful.
func (s *survey) match(ctx context.Context) error {
	if len(s.e.Match) == 0 {
		return nil
	}
	report := match.Match(s.e.Match, s.loose, s.single)
	for _, f := range report.Findings {
		if f.Class == match.Exact {
			if err := s.pair(ctx, f.Rows[0], f.Pages[0], f.Reason(s.e.Match), false); err != nil {
				return err
			}
			continue
		}
		for _, id := range f.Rows {
			if err := s.tell(Item{Do: Held, Doubt: true, Entity: s.e.Name, Key: id, Why: []string{f.Reason(s.e.Match)}}); err != nil {
				return err
			}
		}
		for _, id := range f.Pages {
			if err := s.tell(Item{Do: Held, Doubt: true, Entity: s.e.Name, Page: id, Why: []string{f.Reason(s.e.Match)}}); err != nil {
				return err
			}
		}
	}
	rows, pages := keep(report.Rows), keep(report.Pages)
	s.loose, s.single = left(s.loose, rows), left(s.single, pages)
	return nil
}

func keep(ids []string) map[string]bool {
	out := make(map[string]bool, len(ids))
	for _, id := range ids {
		out[id] = true
	}
	return out
}

func left(records []match.Record, ids map[string]bool) []match.Record {
	var out []match.Record
	for _, r := range records {
		if ids[r.ID] {
			out = append(out, r)
		}
	}
	return out
}

// pair decides on a link that is to be made of a row and a page.
func (s *survey) pair(ctx context.Context, key, page, why string, recalled bool) error {
	l := ledger.Link{Sync: s.e.Sync, Entity: s.e.Name, Key: key, Page: page, State: ledger.Live, External: pagePlanned + key}
	if recalled {
		l.External = s.firm[page].Seen.External
	}
	s.planned.put(l)
	snapshot, err := s.read(ctx, []string{key})
	if err != nil {
		return err
	}
	seen := s.firm[page].Seen
	item, _, err := s.foresee(ctx, l, snapshot, &seen)
	if err != nil {
		return err
	}
	item.Do, item.Why, item.Recalled = Link, append([]string{why}, item.Why...), recalled
	item.Requests = max(item.Requests, requestsReadPage) + requestsJoin
	item.Hash = item.hash()
	return s.tell(item)
}

// makePages decides on rows that have no page.
func (s *survey) makePages(ctx context.Context) error {
	for from := 0; from < len(s.loose); from += rowsStep {
		part := s.loose[from:min(from+rowsStep, len(s.loose))]
		keys := make([]string, len(part))
		for i, r := range part {
			keys[i] = r.ID
		}
		batch, err := s.Reader.batch(ctx, s.e, keys)
		if err != nil {
			return err
		}
		for _, key := range keys {
			l := batch.links[key]
			if l.ID == 0 {
				l = ledger.Link{Sync: s.e.Sync, Entity: s.e.Name, Key: key, State: ledger.Half}
			}
			item, x, err := s.foresee(ctx, l, batch.snapshot, nil)
			if err != nil {
				return err
			}
			if x.Decision.Page == ledger.PageCreate {
				l.Page = pagePlanned + s.e.Name + " " + key
				s.planned.put(l)
			}
			if err := s.tell(item); err != nil {
				return err
			}
		}
		s.Reader.progress(s.e.Name, "rows without a page", from+len(part), len(s.loose))
	}
	return nil
}

// makeRows decides on pages that have no row.
func (s *survey) makeRows(ctx context.Context) error {
	snapshot, err := s.read(ctx, nil)
	if err != nil {
		return err
	}
	for i, r := range s.single {
		l := ledger.Link{Sync: s.e.Sync, Entity: s.e.Name, Page: r.ID, State: ledger.Half}
		found, err := s.planned.Ledger.ByPage(ctx, s.e.Sync, []string{r.ID})
		if err != nil {
			return err
		}
		seen := s.firm[r.ID].Seen
		if have, ok := found[r.ID]; ok {
			l = have
		} else {
			l.External = pagePlanned + r.ID
		}
		item, x, err := s.foresee(ctx, l, snapshot, &seen)
		if err != nil {
			return err
		}
		if x.Decision.Row == ledger.RowInsert {
			s.made[r.ID] = true
			l.Key = keyPlanned + r.ID
			s.planned.put(l)
		}
		if err := s.tell(item); err != nil {
			return err
		}
		s.Reader.progress(s.e.Name, "pages without a row", i+1, len(s.single))
	}
	return nil
}
