package notion_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	"github.com/tandem-sync/tandem/sink/notion"
)

// remarks is a page in an emulated Notion, a ledger with a conflict on it, and a commenter whose requests may go wrong.
type remarks struct {
	t     *testing.T
	store *memledger.Store
	emu   *emulator.Emulator
	page  string
	now   time.Time
	after error // what comes instead of the answer to the next comment
	fail  error // what comes instead of the next comment
	*notionapi.Client
}

func (r *remarks) CreateComment(ctx context.Context, page, mention, text string) (notionapi.Comment, error) {
	if err := r.fail; err != nil {
		return notionapi.Comment{}, err
	}
	c, err := r.Client.CreateComment(ctx, page, mention, text)
	if r.after != nil {
		err, r.after = r.after, nil
	}
	return c, err
}

func newRemarks(t *testing.T) (*remarks, *notion.Commenter) {
	t.Helper()
	r := &remarks{t: t, store: memledger.New(), now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	r.emu = emulator.New(emulator.Config{Token: "ntn_test", Limit: -1, Now: func() time.Time { return r.now }})
	client, err := notionapi.New(notionapi.Config{Token: "ntn_test", Transport: r.emu.Transport(),
		Budget: notionapi.NewLocalBudget(notionapi.LocalBudgetConfig{RatePerMinute: 600_000})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	r.Client = client
	r.page = r.emu.RootPageID()
	r.conflict()
	return r, &notion.Commenter{Sync: "acme", Holder: "a", Pages: r, Ledger: r.store, Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler)}
}

const conflictID = "6f1c2a3b-0000-4000-8000-000000000001"

func (r *remarks) conflict() {
	r.t.Helper()
	ctx := r.t.Context()
	must := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	must(r.store.Add(ctx, r.now, []ledger.Reason{{Sync: "acme", Entity: "contact", Side: ledger.Notion, Key: "7", Why: "cdc"}}))
	items, err := r.store.Take(ctx, ledger.Claim{Sync: "acme", Side: ledger.Notion, Max: 1, Holder: "a", Lease: time.Minute, Now: r.now})
	must(err)
	must(r.store.Commit(ctx, ledger.Commit{Link: items[0].Link.ID, Epoch: items[0].Link.Epoch, Now: r.now, Page: &r.page, Release: true, Conflicts: []ledger.Conflict{{
		ID: conflictID, Field: "phone", CRM: change.TextValue("+33 1"), Notion: change.TextValue("+33 2"), Winner: ledger.CRM, Rule: "tie",
		Editor: r.emu.PersonID("Ada Lovelace"), At: r.now, Tell: true,
	}}}))
}

func (r *remarks) standing() []notionapi.Comment {
	r.t.Helper()
	found, err := r.Comments(r.t.Context(), r.page)
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

// A comment is a write: while writing to Notion is paused, none is made.
func TestNoCommentIsMadeWhileWritingIsPaused(t *testing.T) {
	t.Parallel()
	r, c := newRemarks(t)
	if err := r.store.Suspend(t.Context(), ledger.Pausing{Sync: "acme", Direction: "to_notion", Since: r.now, By: "ops"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RunOnce(t.Context()); err != nil || len(r.standing()) != 0 {
		t.Fatalf("%d comments, %v", len(r.standing()), err)
	}
	pauses, err := r.store.Pauses(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.store.Resume(t.Context(), []int64{pauses[0].ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RunOnce(t.Context()); err != nil || len(r.standing()) != 1 {
		t.Fatalf("%d comments after the pause, %v", len(r.standing()), err)
	}
}

func TestAConflictIsToldOnThePageOnce(t *testing.T) {
	t.Parallel()
	r, c := newRemarks(t)
	for range 3 {
		if _, err := c.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(time.Hour)
	}
	got := r.standing()
	if len(got) != 1 {
		t.Fatalf("%d comments", len(got))
	}
	for _, want := range []string{"Ada Lovelace", "phone", "+33 1", "+33 2", "the CRM", "tie rule", "tandem restore 6f1c2a3b", conflictID} {
		if !strings.Contains(got[0].Text, want) {
			t.Errorf("%q is not in %q", want, got[0].Text)
		}
	}
}

// unknownError is a request whose answer was lost.
type unknownError struct{}

func (unknownError) Error() string { return "connection reset" }
func (unknownError) Unknown() bool { return true }

func TestACommentOfUnknownOutcomeIsLookedForFirst(t *testing.T) {
	t.Parallel()
	r, c := newRemarks(t)
	r.after = unknownError{}
	for range 3 {
		if _, err := c.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(time.Hour)
	}
	if got := r.standing(); len(got) != 1 {
		t.Errorf("%d comments", len(got))
	}
	// One that was not made is made later.
	r, c = newRemarks(t)
	r.fail = unknownError{}
	if n, err := c.RunOnce(t.Context()); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	r.fail, r.now = nil, r.now.Add(time.Minute)
	if n, err := c.RunOnce(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
}

func TestAMissingCapabilityTurnsCommentsOffAndIsToldOnce(t *testing.T) {
	t.Parallel()
	r, c := newRemarks(t)
	r.fail = &notionapi.Error{Status: 403, Code: notionapi.CodeRestricted, Outcome: notionapi.NotApplied}
	for range 3 {
		if _, err := c.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(time.Hour)
	}
	told, err := r.store.Waiting(t.Context(), "acme", 10)
	if err != nil || len(told) != 1 || !strings.Contains(told[0].Summary, "capability") {
		t.Errorf("told %+v, %v", told, err)
	}
	next := *c
	r.fail = nil
	again := &notion.Commenter{Sync: next.Sync, Holder: "b", Pages: r, Ledger: r.store, Now: next.Now, Log: next.Log}
	if n, err := again.RunOnce(t.Context()); n != 1 || err != nil {
		t.Errorf("after the next start: %d, %v", n, err)
	}
}
