package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// Agree does the same random things to two stores and compares all that they answer. Each run begins with two empty ones. Link ids
// and external ids may differ: they are known by the order in which they come up.
func Agree(t *testing.T, openA, openB func() Store) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pair{T: t, ctx: context.Background(), a: openA(), b: openB(), now: start, ids: map[int64]int64{0: 0}, ext: map[string]string{}}
		t.Repeat(map[string]func(*rapid.T){
			"add": p.addBoth, "add more": p.addBoth, "take": p.takeBoth, "take a link": p.takeOne, "commit": p.commitBoth,
			"commit more": p.commitBoth, "emit": p.emitBoth, "wait": p.wait, "": p.compare,
		})
	})
}

// A small world, so that things meet.
var (
	worldEntities = []string{"contact", "task"}
	worldKeys     = []string{"1", "2", "3", "4"}
	worldPages    = []string{"pa", "pb", "pc", "pd"}
)

// pair is two stores under one clock. Operations are drawn in the words of a; ids gives b's word for a's link.
type pair struct {
	*rapid.T
	ctx   context.Context
	a, b  Store
	now   time.Time
	ids   map[int64]int64 // a's link id → b's
	ext   map[string]string
	items []ledger.Item // every lease that a ever gave, in a's words
}

func pick[T any](t *rapid.T, what string, from ...T) T { return rapid.SampledFrom(from).Draw(t, what) }

func (p *pair) chance(t *rapid.T, what string, of int) bool {
	return rapid.IntRange(1, of).Draw(t, what) == 1
}

func (p *pair) wait(t *rapid.T) {
	p.now = p.now.Add(pick(t, "pause", time.Microsecond, time.Second, 20*time.Second, 5*time.Minute))
}

func (p *pair) link(t *rapid.T) int64 {
	var ids []int64
	for id := range p.ids {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return pick(t, "link", ids...)
}

func (p *pair) reason(t *rapid.T) (a, b ledger.Reason) {
	r := ledger.Reason{
		Sync: "acme", Entity: pick(t, "entity", worldEntities...), Side: pick(t, "side", ledger.CRM, ledger.Notion),
		Lane: pick(t, "lane", ledger.LaneLive, ledger.LaneBackfill), Rank: rapid.IntRange(0, 1).Draw(t, "rank"),
		Why: pick(t, "why", "cdc", "poll"), Deleted: p.chance(t, "deleted", 6),
	}
	if p.chance(t, "by link", 4) {
		r.Link = p.link(t)
	}
	if r.Link == 0 {
		if p.chance(t, "by page", 2) {
			r.Page = pick(t, "page", worldPages...)
		} else {
			r.Key = pick(t, "key", worldKeys...)
		}
	}
	if r.Page == "" && p.chance(t, "rekey", 5) {
		r.NewKey = pick(t, "new key", worldKeys...)
	}
	if p.chance(t, "with commit", 2) {
		r.Xid = uint32(rapid.IntRange(1, 9).Draw(t, "xid"))
		r.CommitAt = p.now.Add(-time.Duration(rapid.IntRange(0, 3).Draw(t, "age")) * time.Second)
	}
	if p.chance(t, "later", 3) {
		r.NotBefore = p.now.Add(200*time.Millisecond + 7*time.Nanosecond)
	}
	if p.chance(t, "seen", 3) {
		r.Seen = p.seen(t)
	}
	other := r
	other.Link = p.ids[r.Link]
	return r, other
}

func (p *pair) seen(t *rapid.T) *ledger.Observation {
	return &ledger.Observation{
		Seq: int64(rapid.IntRange(0, 4).Draw(t, "seq")), ReadFrom: p.now, Via: pick(t, "via", "poll", "read"),
		Hash: pick(t, "hash", "h1", "h2"), Properties: []byte(`{"a" : 1}`),
	}
}

func (p *pair) reasons(t *rapid.T, most int) (a, b []ledger.Reason) {
	for range rapid.IntRange(0, most).Draw(t, "reasons") {
		x, y := p.reason(t)
		a, b = append(a, x), append(b, y)
	}
	return a, b
}

func (p *pair) addBoth(t *rapid.T) {
	a, b := p.reasons(t, 5)
	p.same("add", p.a.Add(p.ctx, p.now, a), p.b.Add(p.ctx, p.now, b))
}

func (p *pair) emitBoth(t *rapid.T) {
	e := ledger.Emission{Hash: pick(t, "hash", "h1", "h2")}
	if rapid.Bool().Draw(t, "by get") {
		e.GotAt = p.now
	}
	emitted := map[string]ledger.Emission{pick(t, "page", worldPages...): e}
	entity := pick(t, "entity", worldEntities...)
	p.same("emit", p.a.SetEmitted(p.ctx, "acme", entity, emitted), p.b.SetEmitted(p.ctx, "acme", entity, emitted))
}

func (p *pair) takeBoth(t *rapid.T) {
	c := ledger.Claim{
		Sync: "acme", Side: pick(t, "side", ledger.CRM, ledger.Notion), Max: rapid.IntRange(1, 3).Draw(t, "max"), Holder: "w",
		Lease: 30 * time.Second, Now: p.now,
	}
	if p.chance(t, "one entity", 3) {
		c.Entities = []string{"task"}
	}
	p.take(c, c)
}

func (p *pair) takeOne(t *rapid.T) {
	c := ledger.Claim{Sync: "acme", Side: ledger.Notion, Holder: "w", Lease: 30 * time.Second, Now: p.now, Link: p.link(t)}
	if c.Link == 0 {
		return
	}
	d := c
	d.Link = p.ids[c.Link]
	p.take(c, d)
}

func (p *pair) take(c, d ledger.Claim) {
	a, errA := p.a.Take(p.ctx, c)
	b, errB := p.b.Take(p.ctx, d)
	p.same("take", errA, errB)
	for i := range b {
		b[i].Link = p.inA(b[i].Link)
	}
	p.diff("taken", a, b)
	p.items = append(p.items, a...)
}

func (p *pair) commitBoth(t *rapid.T) {
	if len(p.items) == 0 {
		return
	}
	newest := len(p.items) - 1
	it := p.items[rapid.IntRange(max(0, newest-4), newest).Draw(t, "lease")]
	a := p.step(t, it)
	b := a
	b.Link, b.Absorb = p.ids[a.Link], p.ids[a.Absorb]
	a.Reasons, b.Reasons = p.reasons(t, 2)
	p.same("commit", p.a.Commit(p.ctx, a), p.b.Commit(p.ctx, b))
}

// step is a commit of random parts. A link keeps one end at least, or it could not be found again.
func (p *pair) step(t *rapid.T, it ledger.Item) ledger.Commit {
	c := ledger.Commit{Link: it.Link.ID, Epoch: it.Link.Epoch, Now: p.now, Release: p.chance(t, "release", 2)}
	if p.chance(t, "page", 4) {
		c.Page = ptr(pick(t, "page", worldPages...))
	}
	if p.chance(t, "key", 8) {
		c.Key = ptr(pick(t, "key", worldKeys...))
	}
	if p.chance(t, "absorb", 5) {
		c.Absorb = p.link(t)
	}
	if p.chance(t, "state", 6) {
		c.State = ptr(pick(t, "state", ledger.Live, ledger.Vanished, ledger.Half))
	}
	if p.chance(t, "base", 3) {
		c.Base = map[string]ledger.FieldBase{pick(t, "field", "name", "phone"): base(pick(t, "value", "x", "y"))}
	}
	if p.chance(t, "unbase", 6) {
		c.Unbase = []string{"phone"}
	}
	if p.chance(t, "seen", 4) {
		c.Seen = p.seen(t)
	}
	if p.chance(t, "wrote", 4) {
		c.WroteAt = p.now
	}
	if p.chance(t, "intent", 6) {
		c.Intent = &ledger.Intent{Kind: ledger.IntentUpdate, At: p.now}
	}
	c.Unsee, c.Intended, c.Remove = p.chance(t, "unsee", 5), p.chance(t, "intended", 4), p.chance(t, "remove", 12)
	p.records(t, &c)
	if len(it.Works) > 0 && p.chance(t, "finish", 2) {
		w := it.Works[rapid.IntRange(0, len(it.Works)-1).Draw(t, "work")]
		c.Finish = &ledger.Finish{Side: w.Side, Version: w.Version, Failed: p.chance(t, "failed", 3)}
		if p.chance(t, "later", 3) {
			c.Finish.Later = p.now.Add(time.Second)
		}
		if p.chance(t, "parked", 4) {
			c.Finish.Parked = "a comma"
		}
	}
	return c
}

var deleteRows = ledger.Meter{Side: ledger.CRM, Op: ledger.OpDelete}

func (p *pair) records(t *rapid.T, c *ledger.Commit) {
	if p.chance(t, "write", 3) {
		c.Writes = []ledger.Write{{Side: ledger.CRM, Op: "delete", New: change.Image{"a": change.IntValue(1)}}}
		c.Counts = []ledger.Meter{deleteRows}
		if p.chance(t, "brake", 2) {
			c.Brakes = []ledger.Brake{{Meter: deleteRows, Max: 2, Window: time.Minute}}
		}
	}
	id := fmt.Sprint("id", rapid.IntRange(0, 99).Draw(t, "record"))
	if p.chance(t, "conflict", 5) {
		c.Conflicts = []ledger.Conflict{conflict(id, p.now)}
	}
	if p.chance(t, "alert", 5) {
		c.Alerts = []ledger.Alert{{ID: id, At: p.now, Sync: "acme", Entity: "task", Summary: "look"}}
	}
	if p.chance(t, "hold", 5) {
		c.Holds = []ledger.Hold{{Kind: pick(t, "kind", "moved", "copy"), Field: pick(t, "held field", "", "name", "phone"), Reason: "why", At: p.now}}
	}
	if p.chance(t, "unhold", 6) {
		c.Unhold = []string{pick(t, "kind", "moved", "rekey", "moved/name", "copy/phone", "*")}
	}
}

// same compares outcomes by their kind.
func (p *pair) same(what string, a, b error) {
	p.Helper()
	for _, kind := range []error{ledger.ErrFenced, ledger.ErrBraked, ledger.ErrTaken} {
		if errors.Is(a, kind) && errors.Is(b, kind) {
			return
		}
	}
	if (a == nil) != (b == nil) {
		p.Fatalf("%s: one says %v, the other %v", what, a, b)
	}
}

func (p *pair) diff(what string, a, b any) {
	p.Helper()
	if d := cmp.Diff(a, b); d != "" {
		p.Fatalf("%s (-one +other):\n%s", what, d)
	}
}
