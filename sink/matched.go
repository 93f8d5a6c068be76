package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/sink/match"
)

// A mapping with match keys makes nothing before what is there already was linked: a first sync of two address books would double everybody. And
// later it makes no row of a page that shows the key of a row that is there, and no page of a row that people have a page of.

// HoldMatch is the kind of hold of a row or page that the match keys cannot tell from another: it is not linked, and nothing is made of it.
const HoldMatch = "match"

// LinkRun is the newest time that existing rows and pages of an entity were linked.
type LinkRun struct {
	At  time.Time `json:"at"`
	By  string    `json:"by"`  // who asked for it
	Why string    `json:"why"` // tandem link, or that there was nothing to link
}

func linkRunName(sync, entity string) string { return "match/" + sync + "/" + entity }

// Cursors is what it takes to read a named position.
type Cursors interface {
	Cursor(ctx context.Context, name string) (json.RawMessage, error)
}

// LinkRunOf reads when an entity was linked; false if it never was.
func LinkRunOf(ctx context.Context, l Cursors, sync, entity string) (LinkRun, bool, error) {
	var run LinkRun
	data, err := l.Cursor(ctx, linkRunName(sync, entity))
	if err != nil || data == nil {
		return run, false, err
	}
	if err := json.Unmarshal(data, &run); err != nil {
		return run, false, fmt.Errorf("read when %s was linked: %w", entity, err)
	}
	return run, !run.At.IsZero(), nil
}

// SetLinkRun remembers that an entity was linked: from now on its records are made.
func SetLinkRun(ctx context.Context, l RequestLedger, sync, entity, holder string, run LinkRun) error {
	name := linkRunName(sync, entity)
	fence, ok, err := l.Lead(ctx, name, holder, run.At, time.Second)
	if err != nil {
		return fmt.Errorf("remember that %s was linked: %w", entity, err)
	}
	if !ok {
		return fmt.Errorf("remember that %s was linked: somebody else is linking it at this moment", entity)
	}
	data, err := json.Marshal(run)
	if err != nil {
		return fmt.Errorf("remember that %s was linked: %w", entity, err)
	}
	if err := l.SaveCursor(ctx, name, fence, data); err != nil {
		return fmt.Errorf("remember that %s was linked: %w", entity, err)
	}
	_, _, err = l.Lead(ctx, name, holder, run.At, 0) // given back: the next need not wait
	return err
}

// run is what is remembered of an entity's link run: once there was one there always was.
type run struct {
	mu      sync.Mutex
	done    bool
	foreign time.Time // until when a database that holds pages of people's is not asked again

	loose   []loosePage // pages without a row, as of looseAt
	looseAt time.Time
}

// foreignFor is how long the answer that a database holds pages of people's is good: a request for each row that waits would be the budget's end.
const foreignFor = time.Minute

// verdict is what becomes of a record that is about to be made. The zero one lets it be made.
type verdict struct {
	wait  string // nothing is made before a command was run; a whole database waits for that, and no alert tells of each record
	doubt string // a person has to say whether it is a record that is there already
	page  string // it is this page's row
}

// unmatched keeps a record from being made twice: it links a new row with the one page that is like it, or leaves it to a person to say what is what.
func (r *reconciliation) unmatched(ctx context.Context, d ledger.Decision) (done bool, err error) {
	makes := r.w.Side == ledger.Notion && d.Page == ledger.PageCreate || r.w.Side == ledger.CRM && d.Row == ledger.RowInsert
	held := slices.ContainsFunc(r.item.Holds, func(h ledger.Hold) bool { return h.Kind == HoldMatch })
	if len(r.entity.Mapping.Match) == 0 && !held || !makes {
		return false, nil
	}
	v, err := r.judge(ctx)
	if err != nil || v == (verdict{}) {
		return false, err
	}
	r.observe("unmatched", d)
	switch {
	case v.page != "":
		return true, r.join(ctx, v.page)
	case v.doubt != "":
		h := ledger.Hold{Kind: HoldMatch, Side: r.w.Side, Op: holdAgain, Reason: v.doubt, At: r.w.Now()}
		return true, r.holding(ctx, ledger.Commit{}, ledger.Decision{Holds: []ledger.Hold{h}})
	}
	f := r.done()
	f.Parked = v.wait
	return true, r.step(ctx, ledger.Commit{Finish: f, Release: true})
}

// holdAgain marks holds that are judged anew at each look. Those of tandem link stand until it is run again.
const holdAgain = "create"

func (r *reconciliation) judge(ctx context.Context) (v verdict, err error) {
	for _, h := range r.item.Holds {
		switch {
		case h.Kind != HoldMatch:
		case h.Chosen(r.w.Now()):
			return v, nil // a person said that it is a record of its own
		case h.Op != holdAgain:
			return verdict{wait: h.Reason}, nil
		}
	}
	if len(r.entity.Mapping.Match) == 0 {
		return v, nil // the keys that made it doubtful are gone
	}
	linked, err := r.linked(ctx)
	switch {
	case err != nil:
		return v, err
	case !linked:
		v.wait = fmt.Sprintf("what is there already of %s was not linked yet: run tandem link, look at its report, and run it again with --apply", r.entity.Mapping.Name)
	case r.w.Side == ledger.CRM:
		v.doubt, err = r.twin(ctx)
	default:
		v, err = r.likePage(ctx)
	}
	return v, err
}

// linked reports that the entity was linked, or that there was nothing to link: Notion's database held no page but ours.
func (r *reconciliation) linked(ctx context.Context) (bool, error) {
	m := &r.entity.run
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done {
		return true, nil
	}
	_, ok, err := LinkRunOf(ctx, r.w.Ledger, r.w.Sync, r.entity.Mapping.Name)
	if err == nil && !ok {
		ok, err = r.nothingToLink(ctx, m)
	}
	if err != nil {
		return false, err
	}
	m.done = ok
	return ok, nil
}

func (r *reconciliation) nothingToLink(ctx context.Context, m *run) (bool, error) {
	name, now := r.entity.Mapping.Name, r.w.Now()
	pages, ok := r.entity.Pages.(interface {
		Foreign(ctx context.Context, schema ledger.Schema) (bool, error)
	})
	if !ok || now.Before(m.foreign) {
		return false, nil
	}
	foreign, err := pages.Foreign(ctx, r.schema)
	if err != nil {
		return false, fmt.Errorf("ask whether the database holds pages already: %w", err)
	}
	if foreign {
		m.foreign = now.Add(foreignFor)
		return false, nil
	}
	return true, SetLinkRun(ctx, r.w.Ledger, r.w.Sync, name, r.w.Holder, LinkRun{At: now, By: r.w.Holder, Why: "the database in Notion held no pages to link"})
}

// twinsMax is how many rows with one value of a key are looked at.
const twinsMax = 20

// twin looks for a row that shows the page's value of one of the keys. Which keys say anything is asked in their order, and the first that does
// decides, as when everything is linked.
func (r *reconciliation) twin(ctx context.Context) (why string, err error) {
	like := r.entity.Mapping.Likeness(r.in.Notion.Image)
	for _, key := range r.entity.Mapping.Match {
		value, shown, ok := match.ValueOf(key, like)
		if !ok {
			continue
		}
		rows, err := r.rowsLike(ctx, key, value, r.in.Notion.Image)
		if err != nil {
			return "", err
		}
		for _, k := range rows {
			return fmt.Sprintf("it may be %s %s, which has the same %s (%s): no second row is made of it; put the page in the trash, or change what is wrong, "+
				"or link them with tandem links import", r.entity.Mapping.Name, k, strings.Join(key, " and "), shown), nil
		}
	}
	return "", nil
}

// rowsLike gives the keys of rows in scope that show this value of a match key. They are found by the ledger's bases, whatever their columns hold, and by
// the columns themselves; what was found is compared as when everything is linked.
func (r *reconciliation) rowsLike(ctx context.Context, key []string, value string, image change.Image) ([]string, error) {
	keys, err := r.candidates(ctx, pickFields(image, key))
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	snapshot, err := r.entity.Rows.Read(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read rows that are like it: %w", err)
	}
	var like []string
	for _, k := range keys {
		row := snapshot.Rows[k]
		if !row.Exists || !row.InScope {
			continue
		}
		view, err := r.t.fromRow(ctx, row)
		if err != nil {
			return nil, err
		}
		if have, _, ok := match.ValueOf(key, r.entity.Mapping.Likeness(view.Image)); ok && have == value {
			like = append(like, k)
		}
	}
	return like, nil
}

func pickFields(image change.Image, fields []string) change.Image {
	out := change.Image{}
	for _, name := range fields {
		out[name] = image[name]
	}
	return out
}

// candidates are keys of rows that may show these values.
func (r *reconciliation) candidates(ctx context.Context, want change.Image) ([]string, error) {
	var keys []string
	if bases, ok := r.w.Ledger.(interface {
		Based(ctx context.Context, sync, entity string, values change.Image, max int) ([]string, error)
	}); ok {
		found, err := bases.Based(ctx, r.w.Sync, r.entity.Mapping.Name, want, twinsMax)
		if err != nil {
			return nil, fmt.Errorf("look for linked rows like the page: %w", err)
		}
		keys = append(keys, found...)
	}
	rows, ok := r.entity.Rows.(interface {
		Find(ctx context.Context, values change.Image, max int) ([]string, error)
	})
	if !ok {
		return keys, nil
	}
	raw, waits, err := r.t.toRow(ctx, want)
	if err != nil || len(waits) > 0 {
		return keys, nil //nolint:nilerr // what no row can hold, no row holds
	}
	found, err := rows.Find(ctx, raw, twinsMax)
	if err != nil {
		return nil, fmt.Errorf("look for rows like the page: %w", err)
	}
	for _, k := range found {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}
