package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// toll is what a write is checked against once more when it is recorded, and counted as.
type toll struct {
	brakes []ledger.Brake
	counts []ledger.Meter
}

// on is the part of it that one side's write pays.
func (t toll) on(side ledger.Side) toll {
	var own toll
	for _, b := range t.brakes {
		if b.Side == side {
			own.brakes = append(own.brakes, b)
		}
	}
	for _, m := range t.counts {
		if m.Side == side {
			own.counts = append(own.counts, m)
		}
	}
	return own
}

func (t toll) into(c *ledger.Commit) { c.Brakes, c.Counts = t.brakes, t.counts }

// gate takes from a decision what is paused and what the brakes hold. Both sides' writes are gated in either sink, so that a hold does not
// come and go with whose turn it is; each sink's own are checked again when they are recorded.
func (r *reconciliation) gate(ctx context.Context, d ledger.Decision) (ledger.Decision, toll, error) {
	d = ledger.Pause(r.in, d, r.item.Paused)
	if d.Page == ledger.PageTrash && r.triedToTrash() {
		return d, toll{}, nil // let through and counted before
	}
	limits := r.entity.limits()
	count, err := r.counters(ctx, d, limits)
	if err != nil {
		return d, toll{}, err
	}
	gated, brakes, counts := ledger.Gate(r.in, d, limits, count)
	return gated, toll{brakes, counts}.on(r.w.Side), nil
}

// counters asks the ledger what the brakes must know, and no more: the entity's links are counted only where an absolute limit is reached.
func (r *reconciliation) counters(ctx context.Context, d ledger.Decision, limits ledger.Limits) (ledger.Counters, error) {
	count := ledger.Counters{Unbraked: r.work.Lane == ledger.LaneBackfill}
	meters := ledger.Counts(r.in, d)
	if len(meters) == 0 {
		return count, nil
	}
	if xids := r.xids(); len(xids) > 0 {
		var err error
		if count.Transaction, err = r.w.Ledger.Transaction(ctx, r.w.Sync, r.link().Entity, xids); err != nil {
			return count, fmt.Errorf("look at the CRM's transactions: %w", err)
		}
	}
	near := count.Transaction.Links > limits.Transaction.Max || count.Transaction.Deletes > limits.Deletes.Max
	if err := r.touched(ctx, &count, meters, limits, func(l ledger.Limit) int { return l.Max }); err != nil {
		return count, err
	}
	for m, n := range count.Touched {
		near = near || n >= limits.Of(m.Op).Max
	}
	if !near {
		return count, nil
	}
	census, err := r.w.censuses.of(ctx, r.w, r.link().Entity)
	if err != nil {
		return count, err
	}
	count.Links = census.links
	count.Unbraked = count.Unbraked || census.began.IsZero() || r.w.Now().Sub(census.began) < limits.Window
	return count, r.touched(ctx, &count, meters, limits, func(l ledger.Limit) int { return l.Allows(count.Links) })
}

func (r *reconciliation) touched(ctx context.Context, count *ledger.Counters, meters []ledger.Meter, limits ledger.Limits, most func(ledger.Limit) int) error {
	asked := 1
	for _, m := range meters {
		if l := limits.Of(m.Op); !l.Never() {
			asked = max(asked, most(l))
		}
	}
	counts, err := r.w.Ledger.Touched(ctx, r.w.Sync, r.link().Entity, r.link().ID, r.w.Now().Add(-limits.Window), asked, meters)
	if err != nil {
		return fmt.Errorf("count recent writes: %w", err)
	}
	count.Touched = map[ledger.Meter]int{}
	for i, m := range meters {
		count.Touched[m] = counts[i]
	}
	return nil
}

// xids are the CRM's transactions that are reasons of this link's work.
func (r *reconciliation) xids() []uint32 {
	var xids []uint32
	for _, w := range r.item.Works {
		xids = append(xids, w.Xids()...)
	}
	return xids
}

// again decides anew after a brake that let a write through was full when it was to be recorded.
func (r *reconciliation) again(ctx context.Context, cause error) error {
	if r.braked++; r.braked > brakedMax {
		return r.commit(ctx, ledger.Commit{Finish: r.later(r.w.Now().Add(failDelay), false)})
	}
	if !errors.Is(cause, ledger.ErrBraked) {
		return cause
	}
	return r.act(ctx, r.decide())
}

// brakedMax bounds how often: others fill the brake once.
const brakedMax = 3

// decide decides on what both sides show, and on what a person said of it.
func (r *reconciliation) decide() ledger.Decision {
	r.in.Chosen = ledger.Choices(r.in)
	return ledger.Decide(r.in)
}

// unhold lists the holds that are over: the decision does not bring them back, and what a person chose of them is not the other sink's to do yet.
func (r *reconciliation) unhold(d ledger.Decision) []string {
	var over []string
	for _, h := range r.item.Holds {
		if h.Kind == HoldMatch && h.Op != holdAgain && !h.Chosen(r.w.Now()) && (r.link().Key == "" || r.link().Page == "") {
			continue // whether it is another record's other end is seen by who compares all of them
		}
		if r.unread(h) {
			continue
		}
		waits := (h.Chosen(r.w.Now()) || h.Kind == "grace") && r.leftTo(r.w.Side.Other(), d, h.Field)
		if named(d.Holds, h) < 0 && !waits {
			over = append(over, h.Name())
		}
	}
	return over
}

// there lists the holds that are over because the page was read and is open, whatever becomes of a write to it.
func (r *reconciliation) there(d ledger.Decision) []string {
	return slices.DeleteFunc(r.unhold(d), func(name string) bool {
		return !slices.Contains([]string{"delete_row", "delete_vs_edit", "restored", "vanished"}, name)
	})
}

// unread reports that a hold is about what the page shows, which this turn did not look at: it says nothing of that. A row that is as it was agreed
// gives no reason to look, and what people wrote in Notion and a brake holds is held still.
func (r *reconciliation) unread(h ledger.Hold) bool {
	return r.link().Page != "" && !r.in.Notion.Read && (h.Side == ledger.CRM || h.Field != "" && h.Side == "")
}

func (r *reconciliation) leftTo(side ledger.Side, d ledger.Decision, field string) bool {
	values, whole := d.ToCRM, d.Row != ""
	if side == ledger.Notion {
		values, whole = d.ToNotion, d.Page != ""
	}
	if field == "" {
		return whole
	}
	_, left := values[field]
	return left
}

// tripped tells of brakes that hold something from now on: once, however many records they hold.
func (r *reconciliation) tripped(ctx context.Context, c *ledger.Commit, d ledger.Decision) error {
	for _, t := range d.Trips {
		braking, err := r.w.Ledger.Braking(ctx, r.w.Sync, r.link().Entity, t.Meter, r.w.Now())
		if err != nil {
			return fmt.Errorf("look whether the brake holds already: %w", err)
		}
		if braking {
			continue
		}
		a := r.alert(ledger.AlertBrake, t.Field, "", true, fmt.Sprint(t.Meter))
		a.State = t.Meter.Name()
		sample := r.sample(ctx, t.Meter)
		a.Summary = tripInWords(r.link().Entity, t, r.entity.limits().Window, sample)
		detail := map[string]any{"side": t.Side, "op": t.Op, "field": t.Field, "counted": t.Counted, "allowed": t.Allowed, "window": r.entity.limits().Window.String(), "sample": sample}
		if a.Detail, err = json.Marshal(detail); err != nil {
			return fmt.Errorf("write the brake's alert: %w", err)
		}
		c.Tripped = append(c.Tripped, ledger.Tripped{Meter: t.Meter, Alert: a})
	}
	return nil
}

// sampled is one record of a brake's alert.
type sampled struct {
	Key  string `json:"key,omitempty"`
	Page string `json:"page,omitempty"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// sampleMax bounds an alert's sample; sampleLooks how many records of the round are looked at for it.
const (
	sampleMax   = 5
	sampleLooks = 32
)

// sample shows what is being held: this record, and those behind it in this round that will meet the same brake.
func (r *reconciliation) sample(ctx context.Context, m ledger.Meter) []sampled {
	var out []sampled
	for i, item := range append([]ledger.Item{r.item}, r.group...) {
		if len(out) == sampleMax || i > sampleLooks {
			break
		}
		if l := item.Link; i == 0 || l.ID != r.link().ID {
			if s, ok := r.sampleOf(ctx, item, m); ok {
				out = append(out, s)
			}
		}
	}
	return out
}

func (r *reconciliation) sampleOf(ctx context.Context, item ledger.Item, m ledger.Meter) (sampled, bool) {
	l := item.Link
	s := sampled{Key: l.Key, Page: l.Page}
	if m.Field == "" {
		row, read := r.snapshot.Rows[l.Key]
		s.From = r.called(l, row.Image)
		return s, l.ID == r.link().ID || m.Side == ledger.Notion && (!read || !row.Exists) && len(item.Works) > 0 && item.Works[0].Deleted
	}
	base, ok := l.Base[m.Field]
	if !ok {
		return s, false
	}
	var view ledger.View
	var err error
	t := *r.t
	t.base, t.reread = l.Base, nil
	switch {
	case m.Side == ledger.Notion:
		view, err = t.fromRow(ctx, r.snapshot.Rows[l.Key])
	case l.ID == r.link().ID:
		view = r.in.Notion
	case l.Seen != nil:
		view, err = t.fromPage(ctx, *l.Seen)
	}
	now, read := view.Image[m.Field]
	if err != nil || !read || change.Equal(now, base.Value) {
		return s, false
	}
	s.From, s.To = short(r.titles(ctx, m.Field, base.Value)), short(r.titles(ctx, m.Field, now))
	return s, true
}

// called is what people call a record: its title, as it was last agreed on, or as it is in the CRM or on the page.
func (r *reconciliation) called(l ledger.Link, row change.Image) string {
	title := r.entity.Mapping.Title().Name
	if base, ok := l.Base[title]; ok {
		return short(base.Value)
	}
	if v, ok := row[title]; ok {
		return short(v)
	}
	if l.ID == r.link().ID {
		return short(r.in.Notion.Image[title])
	}
	return ""
}

func tripInWords(entity string, t ledger.Trip, window time.Duration, sample []sampled) string {
	var b strings.Builder
	fmt.Fprintf(&b, "brake on %s: %s", entity, countedInWords(t, window))
	for i, s := range sample {
		b.WriteString(map[bool]string{true: ", like ", false: "; "}[i == 0])
		b.WriteString(s.Key)
		if s.Key == "" {
			b.WriteString(s.Page)
		}
		switch {
		case t.Field != "":
			fmt.Fprintf(&b, " (%s → %s)", orNothing(s.From), orNothing(s.To))
		case s.From != "":
			fmt.Fprintf(&b, " (%s)", s.From)
		}
	}
	b.WriteString(". tandem holds lists them; tandem approve lets them through once, tandem reject takes them back.")
	return b.String()
}

// countedInWords says what was counted, what is allowed, and what is held.
func countedInWords(t ledger.Trip, window time.Duration) string {
	if t.Op == ledger.OpTransaction {
		did := "deleted"
		if t.Field != "" {
			did = "changed " + t.Field + " of"
		}
		return fmt.Sprintf("one transaction of the CRM %s %d records so far, and %d are allowed at once; all of it is held until a person has looked", did, t.Counted, t.Allowed)
	}
	what := map[string]string{ledger.OpDelete: "deletes", ledger.OpCreate: "new records", ledger.OpUpdate: "changes", ledger.OpBlank: "emptied values"}[t.Op]
	if t.Field != "" {
		what += " of " + t.Field
	}
	to := "Notion"
	if t.Side == ledger.CRM {
		to = "the CRM"
	}
	in := strings.TrimSuffix(strings.TrimSuffix(window.String(), "0s"), "0m")
	return fmt.Sprintf("%d %s on the way to %s, and %d are allowed in %s; the rest is held until a person has looked", t.Counted, what, to, t.Allowed, in)
}

func orNothing(s string) string {
	if s == "" || s == "null" {
		return "nothing"
	}
	return fmt.Sprintf("%q", s)
}

// censuses remembers how many links entities have; an old number is near enough for a share, and counting reads all of them.
type censuses struct {
	mu   sync.Mutex
	last map[string]census
}

type census struct {
	links     int
	began, at time.Time
}

const censusLasts = time.Minute

func (c *censuses) of(ctx context.Context, w *Worker, entity string) (census, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.last[entity]; ok && w.Now().Sub(known.at) < censusLasts {
		return known, nil
	}
	links, began, err := w.Ledger.Census(ctx, w.Sync, entity)
	if err != nil {
		return census{}, fmt.Errorf("count links: %w", err)
	}
	now := census{links: links, began: began, at: w.Now()}
	c.last[entity] = now
	return now, nil
}

// upkeep goes on with what was held for a pause that is gone, and forgets what no brake counts any more; now and then, when there is time.
func (w *Worker) upkeep(ctx context.Context) error {
	now := w.Now()
	if now.Sub(w.kept) < upkeepEvery {
		return nil
	}
	w.kept = now
	links, err := w.Ledger.Awake(ctx, w.Sync, awakeMax)
	if err != nil {
		return err
	}
	var reasons []ledger.Reason
	for _, l := range links {
		if e := w.Entities[l.Entity]; e != nil {
			reasons = append(reasons, ledger.Reason{Sync: l.Sync, Entity: l.Entity, Side: ledger.Notion, Link: l.ID, Lane: ledger.LaneLive, Rank: e.Mapping.Rank, Why: "reread"})
		}
	}
	if len(reasons) > 0 {
		if err := w.Ledger.Add(ctx, now, reasons); err != nil {
			return fmt.Errorf("go on after a pause: %w", err)
		}
	}
	if now.Sub(w.forgot) < forgetEvery {
		return nil
	}
	w.forgot = now
	return w.Ledger.Forget(ctx, now.Add(-countsKept))
}

// How often, how many, and for how long: no window is longer than countsKept.
const (
	upkeepEvery = 5 * time.Second
	awakeMax    = 500
	forgetEvery = time.Hour
	countsKept  = 48 * time.Hour
)
