package ledgertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// Run puts a kind of store through the suite. open gives an empty store, a new one each time.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, part := range [][]story{reasonStories, takeStories, commitStories, recordStories, alertStories, windowStories, pollerStories, budgetStories, raceStories, driftStories, shadowStories, ageStories, saidStories} {
		for _, s := range part {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.tell(&stage{T: t, Store: open(t), now: start})
			})
		}
	}
}

// story is one test: what happens, and what must hold after it.
type story struct {
	name string
	tell func(s *stage)
}

var start = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// stage is a store with short words for what stories do. Its clock moves only when told to.
type stage struct {
	*testing.T
	Store
	now time.Time
}

func (s *stage) pass(d time.Duration) { s.now = s.now.Add(d) }

func (s *stage) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("got error %v, want %v", err, want)
	}
}

func (s *stage) equal(what string, got, want any) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// row is a reason for a changed row: Notion has to look.
func row(key string) ledger.Reason {
	return ledger.Reason{Sync: "acme", Entity: "contact", Side: ledger.Notion, Key: key, Lane: ledger.LaneLive, Why: "cdc"}
}

// page is a reason for a changed page: the CRM has to look.
func page(id string) ledger.Reason {
	return ledger.Reason{Sync: "acme", Entity: "contact", Side: ledger.CRM, Page: id, Lane: ledger.LaneLive, Why: "poll"}
}

func (s *stage) add(reasons ...ledger.Reason) {
	s.Helper()
	s.ok(s.Add(s.Context(), s.now, reasons))
}

func (s *stage) claim(side ledger.Side, most int) ledger.Claim {
	return ledger.Claim{Sync: "acme", Side: side, Max: most, Holder: "worker", Lease: time.Minute, Now: s.now}
}

func (s *stage) take(side ledger.Side, most int) []ledger.Item {
	s.Helper()
	items, err := s.Take(s.Context(), s.claim(side, most))
	s.ok(err)
	return items
}

// one takes work and expects a single link.
func (s *stage) one(side ledger.Side) ledger.Item {
	s.Helper()
	items := s.take(side, 10)
	if len(items) != 1 {
		s.Fatalf("took %d links for %s, want one: %+v", len(items), side, items)
	}
	return items[0]
}

func (s *stage) none(side ledger.Side) {
	s.Helper()
	if items := s.take(side, 10); len(items) != 0 {
		s.Fatalf("took %d links for %s, want none: %+v", len(items), side, items)
	}
}

// step is a commit under the item's lease, to be filled in.
func (s *stage) step(it ledger.Item) ledger.Commit {
	return ledger.Commit{Link: it.Link.ID, Epoch: it.Link.Epoch, Now: s.now}
}

// done finishes the side's work and gives the lease back.
func (s *stage) done(it ledger.Item, side ledger.Side) ledger.Commit {
	c := s.step(it)
	w, _ := it.Work(side)
	c.Finish = &ledger.Finish{Side: side, Version: w.Version}
	c.Release = true
	return c
}

func (s *stage) commit(c ledger.Commit) {
	s.Helper()
	s.ok(s.Commit(s.Context(), c))
}

func (s *stage) key(key string) ledger.Link {
	s.Helper()
	l, ok := s.findKey(key)
	if !ok {
		s.Fatalf("no link has row %q", key)
	}
	return l
}

func (s *stage) findKey(key string) (ledger.Link, bool) {
	s.Helper()
	links, err := s.ByKey(s.Context(), "acme", "contact", []string{key})
	s.ok(err)
	l, ok := links[key]
	return l, ok
}

func (s *stage) page(id string) ledger.Link {
	s.Helper()
	links, err := s.ByPage(s.Context(), "acme", []string{id})
	s.ok(err)
	if _, ok := links[id]; !ok {
		s.Fatalf("no link has page %q", id)
	}
	return links[id]
}

// live makes a link with both ends and no work, and gives it as it is then.
func (s *stage) live(key, id string) ledger.Link {
	s.Helper()
	s.add(row(key))
	items, err := s.Take(s.Context(), ledger.Claim{
		Sync: "acme", Side: ledger.Notion, Holder: "setup", Lease: time.Minute, Now: s.now, Link: s.key(key).ID,
	})
	s.ok(err)
	c := s.done(items[0], ledger.Notion)
	c.Page = &id
	s.commit(c)
	return s.key(key)
}

// read is an observation of a page that begins now, under a Seq.
func (s *stage) read(seq int64, name string) *ledger.Observation {
	return &ledger.Observation{
		Seq: seq, ReadFrom: s.now, ReadTo: s.now.Add(200 * time.Millisecond), Edited: s.now.Truncate(time.Minute),
		Created: start.Add(-time.Hour), Via: "poll", Hash: "hash of " + name,
		Properties: []byte(`{"b": {"title": "` + name + `"},  "a": [1.10, "<&>"]}`),
	}
}

// base is an agreed text.
func base(text string) ledger.FieldBase {
	return ledger.FieldBase{Value: change.TextValue(text), Rule: "r1", CRMSeen: start, NotionSeen: start.Add(123456789)}
}

func (s *stage) tallies() []ledger.Tally {
	s.Helper()
	t, err := s.Tallies(s.Context(), "acme", s.now)
	s.ok(err)
	return t
}

func ctx(s *stage) context.Context { return s.Context() }
