package memledger_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/ledgertest"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
)

var now = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

func add(t *testing.T, s *memledger.Store, keys ...string) {
	t.Helper()
	for _, key := range keys {
		r := ledger.Reason{Sync: "acme", Entity: "contact", Side: ledger.Notion, Key: key, Why: "cdc"}
		if err := s.Add(t.Context(), now, []ledger.Reason{r}); err != nil {
			t.Fatal(err)
		}
	}
}

func keys(t *testing.T, s *memledger.Store) []string {
	t.Helper()
	all, err := s.Keys(t.Context(), "acme", "contact", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func external(t *testing.T, s *memledger.Store, key string) string {
	t.Helper()
	links, err := s.ByKey(t.Context(), "acme", "contact", []string{key})
	if err != nil || links[key].External == "" {
		t.Fatalf("no link %q: %v", key, err)
	}
	return links[key].External
}

func TestRestoredBackupForgetsWhatCameLater(t *testing.T) {
	t.Parallel()
	s := memledger.New()
	add(t, s, "1")
	backup := s.Snapshot()
	add(t, s, "2")
	lost := external(t, s, "2")
	taken, err := s.Take(t.Context(), ledger.Claim{Sync: "acme", Side: ledger.Notion, Max: 5, Holder: "w", Lease: time.Minute, Now: now})
	if err != nil || len(taken) != 2 {
		t.Fatal(taken, err)
	}
	for range 2 { // a backup can be used again
		s.Restore(backup)
		if diff := cmp.Diff([]string{"1"}, keys(t, s)); diff != "" {
			t.Fatal(diff)
		}
		add(t, s, "3")
		if external(t, s, "3") == lost {
			t.Fatal("an external id came back that a page of the lost link carries")
		}
	}
	c := ledger.Commit{Link: taken[0].Link.ID, Epoch: taken[0].Link.Epoch, Now: now}
	if err := s.Commit(t.Context(), c); !errors.Is(err, ledger.ErrFenced) {
		t.Fatalf("a lease from before the restore still commits: %v", err)
	}
}

func TestCloneIsIndependent(t *testing.T) {
	t.Parallel()
	s := memledger.New()
	add(t, s, "1")
	c := s.Clone()
	add(t, s, "2")
	add(t, c, "3")
	if diff := cmp.Diff([]string{"1", "2"}, keys(t, s)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1", "3"}, keys(t, c)); diff != "" {
		t.Error(diff)
	}
}

func TestSameCallsSameAnswers(t *testing.T) {
	t.Parallel()
	tell := func() string {
		s := memledger.New()
		hashes := map[string]ledger.Emission{}
		for i := range 50 {
			hashes[fmt.Sprint("p", i)] = ledger.Emission{Hash: "h"}
		}
		if err := s.SetEmitted(t.Context(), "acme", "contact", hashes); err != nil {
			t.Fatal(err)
		}
		add(t, s, "9", "7", "8")
		items, err := s.Take(t.Context(), ledger.Claim{Sync: "acme", Side: ledger.Notion, Max: 5, Holder: "w", Lease: time.Minute, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		pages, err := s.ByPage(t.Context(), "acme", []string{"p1", "p10", "p33"})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(items, pages)
	}
	if diff := cmp.Diff(tell(), tell()); diff != "" {
		t.Fatal(diff)
	}
}

func TestAgreesWithItself(t *testing.T) {
	t.Parallel()
	open := func() ledgertest.Store { return memledger.New() }
	ledgertest.Agree(t, open, open)
}
