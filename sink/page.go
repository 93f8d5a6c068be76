package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// writePage carries out the page's part of a decision: first what must be durable before it, then the request, then the evidence.
func (r *reconciliation) writePage(ctx context.Context, d ledger.Decision, toll toll) error {
	switch d.Page {
	case ledger.PageCreate:
		return r.createPage(ctx, d, toll)
	case ledger.PageTrash:
		return r.trashPage(ctx, d, toll)
	case ledger.PageRestore:
		return r.restorePage(ctx, d)
	case ledger.PageUpdate:
	}
	return r.updatePage(ctx, d, toll)
}

func (r *reconciliation) createPage(ctx context.Context, d ledger.Decision, toll toll) error {
	r.larger(&d)
	values, waits, err := r.t.toPage(ctx, d.ToNotion)
	if err != nil {
		return err
	}
	refused := map[string]string{}
	if err := r.offer(ctx, values, refused, false); err != nil {
		return err
	}
	d.ToNotion = without(d.ToNotion, refused)
	waits = joined(joined(waits, refused), d.Waits)
	if soon(waits) && r.work.Attempts < createWaits {
		return r.commit(ctx, ledger.Commit{Finish: r.finish(ledger.Decision{Waits: waits})})
	}
	intent := &ledger.Intent{Kind: ledger.IntentCreate, Values: d.ToNotion, ReadFrom: r.in.CRM.At, At: r.w.Now(), Again: r.gaveUp}
	write := ledger.Write{Side: ledger.Notion, Op: "create", New: d.ToNotion, Why: r.work.Why}
	before := ledger.Commit{Intent: intent, Writes: []ledger.Write{write}}
	toll.into(&before)
	switch err := r.step(ctx, before); {
	case errors.Is(err, ledger.ErrBraked):
		return r.again(ctx, err)
	case err != nil:
		return err
	}
	r.creating = intent
	if r.tooLate() {
		return r.commit(ctx, ledger.Commit{Intended: true, Finish: r.later(r.w.Now(), false)})
	}
	page, seen, err := r.entity.Pages.Create(ctx, r.schema, r.link().External, values)
	switch {
	case err == nil:
	case page != "": // saved, but answered with an error: read it
		if seen, err = r.entity.Pages.Read(ctx, r.schema, page); err != nil {
			return r.unknown(ctx, err)
		}
	case unknown(err):
		return r.unknown(ctx, err)
	default:
		return r.notApplied(ctx, err)
	}
	if err := r.pageMade(ctx, page, seen, d, waits); err != nil && !errors.Is(err, ledger.ErrFenced) {
		return r.unknown(ctx, err) // the page is there, and the ledger does not know it
	}
	return nil
}

func joined(a, b map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// pageMade records the page that a create gave, whenever it was found out.
func (r *reconciliation) pageMade(ctx context.Context, page string, seen ledger.Observation, d ledger.Decision, waits map[string]string) error {
	live := ledger.Live
	d.Waits = waits
	for try := 1; ; try++ {
		absorb, err := r.halfWith(ctx, page)
		if err != nil {
			return err
		}
		err = r.landed(ctx, ledger.Commit{Page: &page, State: &live, Absorb: absorb, Intended: true, WroteAt: seen.ReadTo, Unhold: r.unhold(d)}, seen, d)
		if !errors.Is(err, ledger.ErrTaken) || try == halfTries {
			return err
		}
		// The poller made its half between our look and our commit.
	}
}

// halfTries is how often a new page's half is looked up; it can be made in between once.
const halfTries = 2

// halfWith finds the half link that the poller made for a page before its create was known here.
func (r *reconciliation) halfWith(ctx context.Context, page string) (int64, error) {
	found, err := r.w.Ledger.ByPage(ctx, r.w.Sync, []string{page})
	if err != nil {
		return 0, fmt.Errorf("look up the page's link: %w", err)
	}
	if other, ok := found[page]; ok && other.ID != r.link().ID {
		return other.ID, nil
	}
	return 0, nil
}

func (r *reconciliation) updatePage(ctx context.Context, d ledger.Decision, toll toll) error {
	r.larger(&d)
	values, waits, err := r.t.toPage(ctx, d.ToNotion)
	if err != nil {
		return err
	}
	if err := r.offer(ctx, values, waits, false); err != nil {
		return err
	}
	if len(waits) > 0 {
		d.Waits = joined(waits, d.Waits)
		for name := range waits {
			delete(d.ToNotion, name)
		}
		if len(d.ToNotion) == 0 && !d.Mark {
			d.Page = ""
			return r.settle(ctx, d)
		}
	}
	external := ""
	if d.Mark {
		external = r.link().External
	}
	conflicts := r.conflictsOver(d, ledger.Notion)
	intent := &ledger.Intent{Kind: ledger.IntentUpdate, Values: d.ToNotion, Bases: r.bases(d), ReadFrom: r.in.Notion.At, At: r.w.Now(), Properties: r.properties(d.ToNotion)}
	before := ledger.Commit{Intent: intent, Base: r.arrived(d), Settled: r.settled(), Conflicts: conflicts, Alerts: r.conflictAlerts(ctx, conflicts),
		Unhold: r.there(d), Writes: []ledger.Write{{Side: ledger.Notion, Op: "update", Old: pick(r.in.Notion.Image, d.ToNotion), New: d.ToNotion, Why: r.work.Why}}}
	toll.into(&before)
	switch err := r.step(ctx, before); {
	case errors.Is(err, ledger.ErrBraked):
		return r.again(ctx, err)
	case err != nil:
		return err
	}
	if r.tooLate() {
		return r.commit(ctx, ledger.Commit{Intended: true, Finish: r.later(r.w.Now(), false)})
	}
	seen, err := r.send(ctx, PageUpdate{Values: values, Current: r.fresh.Properties, External: external})
	switch {
	case err == nil:
	case unknown(err):
		return r.unknown(ctx, err)
	default:
		return r.notApplied(ctx, err)
	}
	if r.w.Observe != nil {
		r.w.Observe.Window(r.link().Entity, seen.ReadTo.Sub(r.in.Notion.At))
	}
	c := ledger.Commit{Intended: true, WroteAt: seen.ReadTo, Unhold: r.unhold(d)}
	if r.link().Key == "" {
		return r.marked(ctx, c, seen)
	}
	live := ledger.Live
	c.State = &live
	return r.landed(ctx, c, seen, d)
}

// arrived is what the read shows of a write whose outcome was not known: its intent is about to be replaced, and without the base that it stood
// for, the next edit on either side would be measured against a value that no side shows any more.
func (r *reconciliation) arrived(d ledger.Decision) map[string]ledger.FieldBase {
	if r.link().Intent == nil {
		return nil
	}
	return d.Agreed(r.in)
}

// settled is the read that shows what became of a write whose outcome was not known, where its intent is about to be replaced: it may have overwritten an edit.
func (r *reconciliation) settled() *ledger.Observation {
	if r.link().Intent == nil {
		return nil
	}
	return r.fresh
}

// properties names the properties of fields, by which webhooks name them.
func (r *reconciliation) properties(values change.Image) map[string]string {
	out := map[string]string{}
	for name := range values {
		if id := r.schema.Properties[name]; id != "" {
			out[notionapi.CanonicalID(id)] = name
		}
	}
	return out
}

// marked ends the turn of a page that got its external id and has no row yet: whether it becomes one is the other sink's to decide.
func (r *reconciliation) marked(ctx context.Context, c ledger.Commit, seen ledger.Observation) error {
	c.Seen, c.Emitted, c.Finish = &seen, &seen.Hash, r.done()
	c.Reasons = []ledger.Reason{r.reason(ledger.CRM, "decided")}
	r.observe("marked", ledger.Decision{})
	return r.commit(ctx, c)
}

// landed moves the base on the evidence of a write's own answer, and looks once more at what the answer shows beside it: a person's
// edit, or a value that came back different, is Notion's own change.
func (r *reconciliation) landed(ctx context.Context, c ledger.Commit, seen ledger.Observation, d ledger.Decision) error {
	seen.Follow(r.fresh)
	got, err := r.t.fromPage(ctx, seen)
	if err != nil {
		return err
	}
	c.Base = map[string]ledger.FieldBase{}
	maps.Copy(c.Base, d.Agreed(r.in))
	r.withoutUnrelated(&d)
	halves := r.bases(d)
	for _, p := range r.in.Rules.Fields {
		sent, ok := d.ToNotion[p.Name]
		if !ok {
			continue
		}
		if back, read := got.Image[p.Name]; read && (!r.doubtful || change.Equal(sent, back)) {
			c.Base[p.Name] = r.seenAt(ledger.Landed(r.link().Base[p.Name], p.Rule, ledger.Notion, sent, back, seen.ReadTo), seen.ReadFrom)
			if refused := r.refused(p.Name, sent, back, &c); refused != "" {
				// The base is what Notion holds now: what it did not take is still to be sent, and clears nothing in the CRM.
				c.Base[p.Name] = ledger.FieldBase{Value: back, Rule: p.Rule, CRMSeen: r.in.CRM.At, NotionSeen: seen.ReadTo}
				d.Waits = joined(d.Waits, map[string]string{p.Name: refused})
			}
			if own, half := halves[p.Name]; half {
				if missing := difference(sent, back); len(missing) > 0 && own.Kind() == change.Set {
					own = change.SetValue(difference(own, change.SetValue(missing...))...) // what Notion did not take is no part of it
				}
				c.Base[p.Name] = c.Base[p.Name].Half(own)
			}
		}
	}
	after := r.in
	after.Notion = got
	after.Link.Base = maps.Clone(r.link().Base)
	if after.Link.Base == nil {
		after.Link.Base = map[string]ledger.FieldBase{}
	}
	maps.Copy(after.Link.Base, c.Base)
	after.Link.State, after.Link.Intent, after.Link.Seen = ledger.Live, nil, nil
	if c.Page != nil {
		after.Link.Page = *c.Page
	}
	next := ledger.Withhold(ledger.Decide(after), d.Holds)
	maps.Copy(c.Base, next.Agreed(after))
	c.Seen, c.Emitted = &seen, &seen.Hash
	r.in.Notion.Waits = got.Waits
	c.Reasons = append(c.Reasons, r.otherSide(next)...)
	next.Waits = joined(d.Waits, next.Waits)
	c.Unsee = !r.waitsForCRM(next) && !r.unsettled(d.Holds)
	for name, why := range d.Parked {
		if _, ok := next.Parked[name]; !ok && next.Parked != nil {
			next.Parked[name] = why
		}
	}
	c.Finish = r.finish(next)
	if next.Page != "" && len(next.Waits) == 0 {
		c.Finish = r.later(r.w.Now(), false) // more to write: at once, on a new read
	}
	r.untilTyped(&c, next)
	r.free(&c)
	r.observe("written", next)
	r.latency()
	if err := r.holds(ctx, &c, d); err != nil {
		return err
	}
	return r.commit(ctx, c)
}

// seenAt gives a base the times at which each side really showed it: the CRM when its row was read, the page when the request began that showed
// it. Later ones would turn an edit in between into one before it, and the clocks would decide wrongly.
func (r *reconciliation) seenAt(b ledger.FieldBase, page time.Time) ledger.FieldBase {
	b.CRMSeen, b.NotionSeen = r.in.CRM.At, page
	if !r.sentAt.IsZero() {
		b.CRMSeen = r.sentAt
		if b.Sent != nil {
			b.NotionSeen = r.sentAt // edited by the time that it was looked up
		}
	}
	return b
}

// refused tells that a relation's answer lacks targets that were sent: Notion drops references to pages in the trash. The targets are read, so
// that it is known of them.
func (r *reconciliation) refused(field string, sent, back change.Value, c *ledger.Commit) string {
	f, ok := r.entity.Mapping.Field(field)
	if !ok || f.Relation == "" {
		return ""
	}
	why := ""
	for _, v := range sent.Items() {
		if slices.ContainsFunc(back.Items(), v.Equal) {
			continue
		}
		id, err := strconv.ParseInt(v.Text(), 10, 64)
		if err != nil {
			continue
		}
		why = fmt.Sprintf("Notion did not take the reference to %s (link %d): its page may be in the trash", f.Relation, id)
		c.Reasons = append(c.Reasons, ledger.Reason{Sync: r.w.Sync, Entity: f.Relation, Side: ledger.Notion, Link: id, Lane: r.work.Lane, Why: "reread"})
	}
	return why
}

func (r *reconciliation) latency() {
	if r.w.Observe == nil {
		return
	}
	since := r.work.CommitAt
	if r.w.Side == ledger.CRM && r.link().Seen != nil {
		since = r.link().Seen.ReadFrom
	}
	if !since.IsZero() {
		r.w.Observe.Latency(r.link().Entity, r.w.Side, r.work.Lane, r.w.Now().Sub(since))
	}
}

// openIntent looks first at a write whose outcome is not known (invariant 5). A create is looked up by its external id, once the index
// must show it; every other write shows in the read that follows anyway.
func (r *reconciliation) openIntent(ctx context.Context) (done bool, err error) {
	intent := r.link().Intent
	if intent == nil || intent.Kind != ledger.IntentCreate || r.link().Page != "" || r.w.Side != ledger.Notion {
		return false, nil
	}
	shows := intent.At.Add(r.w.IndexLag + lagMargin)
	if !intent.Ended { // who sent it could not say how it went: it may have been on its way for a whole round
		shows = shows.Add(cmp.Or(r.w.Round, DefaultRound) + drain)
	}
	if r.w.Now().Before(shows) {
		return true, r.commit(ctx, ledger.Commit{Finish: r.later(shows, false)})
	}
	pages, err := r.entity.Pages.Find(ctx, r.schema, r.link().External)
	if err != nil {
		return false, fmt.Errorf("look up the page by its external id: %w", err)
	}
	if len(pages) == 0 {
		// Looked up after the lag, and not there: it was not made, or somebody put it in the trash, where no query shows it.
		r.gaveUp = true
		if err := r.step(ctx, ledger.Commit{Intended: true}); err != nil {
			return false, err
		}
		r.item.Link.Intent, r.in.Link.Intent = nil, nil
		return false, nil
	}
	seen, err := r.entity.Pages.Read(ctx, r.schema, pages[0])
	if err != nil {
		return false, fmt.Errorf("read the page that was made: %w", err)
	}
	// What the page holds is what was sent then; what the CRM says now is decided in the next turn.
	r.sentAt, r.doubtful = intent.ReadFrom, intent.Again || madeBefore(seen, intent)
	return true, r.pageMade(ctx, pages[0], seen, ledger.Decision{ToNotion: intent.Values}, nil)
}

// madeBefore reports that the page was there before the row was read that the create was made of: it is an earlier create's, of which nothing is
// known any more where a process died between giving it up and trying again.
func madeBefore(seen ledger.Observation, intent *ledger.Intent) bool {
	return !seen.Created.IsZero() && !seen.Created.Add(time.Minute).After(intent.ReadFrom)
}

// othersCreate waits where a page of no row carries the id of a link whose create is open: it is that create's answer (design.md 5.4), found by
// the poller first. The link that made it looks it up, and takes this half link over.
func (r *reconciliation) othersCreate(ctx context.Context) (done bool, err error) {
	external := r.in.Notion.External
	if r.link().Key != "" || external == "" || external == r.link().External {
		return false, nil
	}
	found, err := r.w.Ledger.ByExternal(ctx, r.w.Sync, []string{external})
	if err != nil {
		return false, fmt.Errorf("look up whose id the page carries: %w", err)
	}
	maker, ok := found[external]
	if !ok || maker.Page != "" || maker.Intent == nil {
		return false, nil
	}
	at, soon := maker.Intent.At.Add(r.w.IndexLag+2*lagMargin), r.w.Now().Add(waitDelay)
	if at.Before(soon) {
		at = soon
	}
	return true, r.commit(ctx, ledger.Commit{Finish: r.later(at, false)})
}

// unknown leaves the intent open: the next look finds out.
func (r *reconciliation) unknown(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return cause
	}
	c := ledger.Commit{}
	at := r.w.Now().Add(pauseAfter(failDelay, failDelayMax, r.work.Attempts))
	if r.link().Page == "" {
		// The index has a page some time after it was made, which may have been at the request's very end.
		at = r.w.Now().Add(r.w.IndexLag + lagMargin)
		c.Intent = r.intent(at.Add(-r.w.IndexLag - lagMargin))
	}
	r.w.Log.WarnContext(ctx, "outcome of a write is not known, will look it up", "entity", r.link().Entity, "key", r.link().Key, "page", r.link().Page, "reason", cause.Error())
	c.Finish = r.later(at, true)
	c.Finish.Trouble = troubleOf(fmt.Errorf("the outcome of a write is not known and will be looked up: %w", cause))
	return r.commitFailure(ctx, cause, c)
}

// intent is that of the page that this turn makes, ended then; nil if it makes none.
func (r *reconciliation) intent(at time.Time) *ledger.Intent {
	if r.creating == nil {
		return nil
	}
	i := *r.creating
	i.At, i.Ended = at, true
	return &i
}

// notApplied drops the intent: nothing came of it.
func (r *reconciliation) notApplied(ctx context.Context, cause error) error {
	if err := r.step(ctx, ledger.Commit{Intended: true}); err != nil {
		return errors.Join(cause, err)
	}
	return cause
}

func unknown(err error) bool {
	var u interface{ Unknown() bool }
	return errors.As(err, &u) && u.Unknown()
}

// pick gives the fields of from that which has.
func pick(from, which change.Image) change.Image {
	out := change.Image{}
	for name := range which {
		if v, ok := from[name]; ok {
			out[name] = v
		}
	}
	return out
}
