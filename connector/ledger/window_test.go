package ledger_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// A page that shows what a write of unknown outcome left there says nothing about the write before: the edit waits, and is told of if nobody finds out.
func TestAnEditBeforeAWriteOfUnknownOutcomeIsNotForgotten(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	first := ledger.Window{Link: 7, Page: "p7", Fields: map[string]string{"e1": "email", "n1": "name"}, Opened: at, Closed: at.Add(time.Second),
		Shown: map[string]json.RawMessage{"e1": json.RawMessage(`"ours"`), "n1": json.RawMessage(`"name"`)}}
	next := ledger.Window{Link: 7, Page: "p7", Fields: map[string]string{"e1": "email"}, Opened: at.Add(5 * time.Second)}
	edit := ledger.Edit{Page: "p7", Properties: []string{"e1", "n1"}, Authors: []string{"ada"}, At: at.Add(time.Second / 2)}
	shows := map[string]json.RawMessage{"e1": json.RawMessage(`"ours as well"`), "n1": json.RawMessage(`"hers"`)}

	lost, later := ledger.Overwritten([]ledger.Window{first, next}, []ledger.Edit{edit}, shows)
	if len(lost) > 0 || !cmp.Equal(later, []ledger.Edit{edit}) {
		t.Errorf("not known yet, and lost %+v, to be judged later %+v", lost, later)
	}
	told := ledger.Unsettled([]ledger.Window{first, next}, edit, at.Add(time.Hour))
	if want := []ledger.Overwrite{{Window: first, Author: "ada", Fields: []string{"email"}, At: edit.At}}; !cmp.Equal(told, want) {
		t.Errorf("never known, and told (-want +got):\n%s", cmp.Diff(want, told)) // the name is hers: the page shows it
	}

	next.Closed, next.Shown = at.Add(6*time.Second), map[string]json.RawMessage{"e1": shows["e1"]}
	lost, later = ledger.Overwritten([]ledger.Window{first, next}, []ledger.Edit{edit}, shows)
	if len(later) > 0 || len(lost) != 1 || !cmp.Equal(lost[0].Fields, []string{"email"}) {
		t.Errorf("known, and lost %+v, to be judged later %+v", lost, later)
	}
}

// One edit, two ways to hear of it: the conflict that kept its value, and the webhook that names it. People are alerted once. A conflict of an earlier edit is
// no reason to keep quiet.
func TestAConflictTellsOfTheEditThatItKept(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 9, 0, 30, 0, time.UTC)
	over := ledger.Overwrite{Window: ledger.Window{Opened: at, Closed: at.Add(time.Second)}, Fields: []string{"phone"}}
	for name, c := range map[string]struct {
		edited, found time.Duration // after the read
		told          bool
	}{
		"found by this write":                                  {200 * time.Millisecond, 300 * time.Millisecond, true},
		"found by the other sink, before the read":             {-200 * time.Millisecond, -10 * time.Millisecond, true},
		"of an edit half a minute before the one that is told": {200 * time.Millisecond, -30 * time.Second, false},
		"found after the write":                                {200 * time.Millisecond, 2 * time.Second, false},
	} {
		over.At = at.Add(c.edited)
		conflict := ledger.Conflict{Field: "phone", Winner: ledger.CRM, Critical: true, At: at.Add(c.found)}
		if got := over.Told([]ledger.Conflict{conflict}); got != c.told {
			t.Errorf("a conflict %s: told is %t, want %t", name, got, c.told)
		}
		conflict.Critical = false
		if over.Told([]ledger.Conflict{conflict}) {
			t.Errorf("a conflict %s told nobody at once, and the edit is kept quiet", name)
		}
	}
}
