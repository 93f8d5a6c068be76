package real

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

func deleting(toNotion, toCRM, more string) string {
	return strings.Replace(fmt.Sprintf(mass, "{}"), `"$defaults"`, fmt.Sprintf(`"creates": {"to_notion": true, "to_crm": true, "quiet_seconds": 0},
		"deletes": {"to_notion": %q, "to_crm": %q%s}, "mode": {"to_notion": "write", "to_crm": "write"}`, toNotion, toCRM, more), 1)
}

func (w *world) trashed(page string) bool {
	w.t.Helper()
	in, err := w.ada.InTrash(page)
	if err != nil {
		w.t.Fatal(err)
	}
	return in
}

func (w *world) trash(entity, page string) {
	w.t.Helper()
	if err := w.ada.Trash(page); err != nil {
		w.t.Fatal(err)
	}
	w.poll(entity, page)
}

func (w *world) restore(entity, page string) {
	w.t.Helper()
	if err := w.ada.Restore(page); err != nil {
		w.t.Fatal(err)
	}
	w.poll(entity, page)
}

// kinds are the holds that stand.
func (w *world) kinds() string {
	return w.one(`SELECT coalesce(string_agg(kind, ',' ORDER BY kind), '') FROM tandem.hold WHERE keep = ''`)
}

// A row is deleted: what becomes of its page under each policy, what an answer makes of it, and what happens when the row comes back.
func TestADeletedRow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy, answer  string
		edited          bool
		inTrash         bool
		held, rowsAfter string // rows is the number of the two that are there in the end
	}{
		{"trash", "", false, true, "", "1"},
		{"keep", "", false, false, "", "1"},
		{"hold", "", false, false, "trash_page", "1"},
		{"hold", ledger.Approve, false, true, "", "1"},
		{"hold", ledger.Reject, false, false, "", "2"},
		{"trash", "", true, false, "delete_vs_edit", "1"},
		{"trash", ledger.Approve, true, true, "", "1"},
		{"trash", ledger.Reject, true, false, "", "2"},
	} {
		t.Run(fmt.Sprintf("%s %s edited %t", tt.policy, tt.answer, tt.edited), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fmt.Sprintf(massSQL, 2), deleting(tt.policy, "hold", ""))
			w.all(2, 0, "snapshot", ledger.LaneBackfill)
			page := w.page("contact", "1")
			if tt.edited {
				w.edit(page, map[string]any{"Note": rich("an edit that is kept")})
			}
			w.exec(`DELETE FROM contact WHERE id = 1`)
			w.deleted("contact", "1")
			if tt.answer != "" {
				w.rule(ledger.Ruling{Choice: tt.answer})
			}
			if in := w.trashed(page); in != tt.inTrash {
				t.Errorf("the page is in the trash: %t, want %t", in, tt.inTrash)
			}
			w.is("held", w.kinds(), tt.held)
			w.is("rows", w.one(`SELECT count(*)::text FROM contact`), tt.rowsAfter)
			if tt.answer == ledger.Reject {
				w.is("the row", w.one(`SELECT name FROM contact WHERE id <> 2`), "Contact 1")
				key := w.one(`SELECT id::text FROM contact WHERE id <> 2`)
				w.is("its page", w.page("contact", key), page)
				return
			}
			// The row comes back, as after a restore: the page does too, and the two go on.
			w.exec(`INSERT INTO contact (id, name) VALUES (1, 'Back again')`)
			w.touch("contact", "1")
			w.is("held", w.kinds(), "")
			if w.trashed(page) || w.shows(page, "Name") != "Back again" {
				t.Errorf("the row came back, and the page is %q, trashed %t", w.shows(page, "Name"), w.trashed(page))
			}
		})
	}
}

// A page is put in the trash: the same the other way round.
func TestATrashedPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy, answer string
		edited         bool
		rows           string
		inTrash        bool
		held           string
	}{
		{"delete", "", false, "1", true, ""},
		{"keep", "", false, "2", true, ""},
		{"hold", "", false, "2", true, "delete_row"},
		{"hold", ledger.Approve, false, "1", true, ""},
		{"hold", ledger.Reject, false, "2", false, ""},
		{"delete", "", true, "2", true, "delete_vs_edit"},
		{"delete", ledger.Approve, true, "1", true, ""},
		{"delete", ledger.Reject, true, "2", false, ""},
	} {
		t.Run(fmt.Sprintf("%s %s edited %t", tt.policy, tt.answer, tt.edited), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fmt.Sprintf(massSQL, 2), deleting("trash", tt.policy, ""))
			w.all(2, 0, "snapshot", ledger.LaneBackfill)
			page := w.page("contact", "1")
			if tt.edited {
				w.exec(`UPDATE contact SET note = 'an edit that is kept' WHERE id = 1`)
			}
			w.trash("contact", page)
			if tt.answer != "" {
				w.rule(ledger.Ruling{Choice: tt.answer})
			}
			w.is("rows", w.one(`SELECT count(*)::text FROM contact`), tt.rows)
			w.is("held", w.kinds(), tt.held)
			if in := w.trashed(page); in != tt.inTrash {
				t.Errorf("the page is in the trash: %t, want %t", in, tt.inTrash)
			}
			switch {
			case tt.rows == "1":
				// The page comes back, and a person says whether the row does.
				w.restore("contact", page)
				w.is("held", w.kinds(), "restored")
				w.rule(ledger.Ruling{Choice: ledger.Keep, Keep: ledger.Notion})
				w.is("rows", w.one(`SELECT string_agg(name, ',' ORDER BY name) FROM contact`), "Contact 1,Contact 2")
				w.is("held", w.kinds(), "")
			case tt.inTrash:
				w.restore("contact", page)
				w.is("held", w.kinds(), "")
				w.touch("contact", "1")
				w.is("note", w.shows(page, "Note"), w.one(`SELECT note FROM contact WHERE id = 1`))
			}
		})
	}
}

// With a grace period a delete waits; what comes back meanwhile leaves by itself, in both directions.
func TestDeletesWaitForTheirGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fmt.Sprintf(massSQL, 4), deleting("trash", "delete", `, "grace": "24h"`))
	w.all(4, 0, "snapshot", ledger.LaneBackfill)
	pages := []string{w.page("contact", "1"), w.page("contact", "2"), w.page("contact", "3"), w.page("contact", "4")}
	w.exec(`DELETE FROM contact WHERE id IN (1, 2)`)
	for _, key := range []string{"1", "2"} {
		w.add(ledger.Reason{Sync: "real", Entity: "contact", Side: ledger.Notion, Lane: ledger.LaneLive, Why: "cdc", Key: key, Deleted: true})
	}
	for _, page := range pages[2:] {
		if err := w.ada.Trash(page); err != nil {
			t.Fatal(err)
		}
		w.add(w.polled("contact", page))
	}
	w.work()
	w.is("held", w.kinds(), "grace,grace,grace,grace")
	w.is("alerts", w.one(`SELECT count(*)::text FROM tandem.alert`), "0")
	w.pass(20 * time.Hour)
	w.exec(`INSERT INTO contact (id, name) VALUES (2, 'Back')`)
	if err := w.ada.Restore(pages[3]); err != nil {
		t.Fatal(err)
	}
	w.add(w.polled("contact", pages[3]), ledger.Reason{Sync: "real", Entity: "contact", Side: ledger.Notion, Lane: ledger.LaneLive, Why: "cdc", Key: "2"})
	w.work()
	w.is("held", w.kinds(), "grace,grace")
	w.is("rows", w.one(`SELECT string_agg(id::text, ',' ORDER BY id) FROM contact`), "2,3,4")
	if w.trashed(pages[0]) || w.trashed(pages[1]) {
		t.Error("trashed within the grace period")
	}
	w.pass(5 * time.Hour)
	w.work()
	w.is("held", w.kinds(), "")
	w.is("rows", w.one(`SELECT string_agg(id::text, ',' ORDER BY id) FROM contact`), "2,4")
	if !w.trashed(pages[0]) || w.trashed(pages[1]) {
		t.Error("the grace is over: the page of the row that is gone is trashed, the other's is not")
	}
}

// polled is what the poller would tell of a page.
func (w *world) polled(entity, page string) ledger.Reason {
	w.t.Helper()
	links, err := w.store.ByPage(w.t.Context(), "real", []string{page})
	if err != nil {
		w.t.Fatal(err)
	}
	seen, err := w.pages[entity].Read(w.t.Context(), w.known(entity), page)
	if err != nil {
		w.t.Fatal(err)
	}
	seen.Via, seen.Seq = "poll", links[page].Seq
	return ledger.Reason{Sync: "real", Entity: entity, Side: ledger.CRM, Lane: ledger.LaneLive, Why: "poll", Page: page, Seen: &seen}
}

// A filter that changes takes nobody's page away: who leaves the scope is left alone, who comes back is live again, with what happened meanwhile.
func TestAFilterThatChangesDeletesNothing(t *testing.T) {
	t.Parallel()
	const rows = 150
	w := newWorld(t, fmt.Sprintf(massSQL, rows), strings.Replace(fmt.Sprintf(mass, "{}"), `"key": "id"}`, `"key": "id", "where": "note <> 'left'"}`, 1))
	w.all(rows, 0, "snapshot", ledger.LaneBackfill)
	w.spent()
	w.exec(`UPDATE contact SET note = 'left', name = 'Someone ' || id WHERE id > 20`)
	w.all(rows, 0, "cdc", ledger.LaneLive)
	w.is("left", w.one(`SELECT count(*)::text FROM tandem.link WHERE state = 'out_of_scope'`), fmt.Sprint(rows-20))
	if writes := w.spent(); len(writes) != 0 {
		t.Errorf("leaving the scope wrote %q", writes[:1])
	}
	w.is("held", w.kinds(), "")
	w.exec(`UPDATE contact SET note = 'back' WHERE id > 20`)
	w.all(rows, 0, "cdc", ledger.LaneLive)
	w.is("live", w.one(`SELECT count(*)::text FROM tandem.link WHERE state = 'live'`), fmt.Sprint(rows))
	w.is("what happened meanwhile", w.shows(w.page("contact", "77"), "Name"), "Someone 77")
	w.is("pages", w.one(`SELECT count(DISTINCT page)::text FROM tandem.link`), fmt.Sprint(rows))
}

// A database that is not shared any more, and a table that was emptied, are no deletes: everything is held, told once, and goes on when it is back.
func TestLostAccessAndTruncateDeleteNothing(t *testing.T) {
	t.Parallel()
	const rows = 12
	w := newWorld(t, fmt.Sprintf(massSQL, rows), deleting("trash", "delete", ""))
	w.all(rows, 0, "snapshot", ledger.LaneBackfill)
	database := w.known("contact").Database
	if err := w.ada.Unshare(database); err != nil {
		t.Fatal(err)
	}
	w.exec(`UPDATE contact SET note = 'unseen'`)
	w.all(rows, 0, "cdc", ledger.LaneLive)
	w.is("rows", w.one(`SELECT count(*)::text FROM contact`), fmt.Sprint(rows))
	w.told(rows)
	if err := w.ada.Share(database); err != nil {
		t.Fatal(err)
	}
	w.all(rows, 0, "sweep", ledger.LaneBackfill)
	w.is("held", w.kinds(), "")
	w.is("note", w.shows(w.page("contact", "7"), "Note"), "unseen")

	pages := make([]string, rows)
	for i := range pages {
		pages[i] = w.page("contact", fmt.Sprint(i+1))
	}
	w.exec(`CREATE TABLE kept AS SELECT * FROM contact; TRUNCATE contact`)
	w.all(rows, 0, "sweep", ledger.LaneBackfill) // what a TRUNCATE makes: a look at everything, and no delete
	for _, page := range pages {
		if w.trashed(page) {
			t.Fatalf("page %s is in the trash", page)
		}
	}
	w.told(rows)
	w.exec(`INSERT INTO contact SELECT * FROM kept`)
	w.all(rows, 0, "cdc", ledger.LaneLive)
	w.is("held", w.kinds(), "")
	w.is("live", w.one(`SELECT count(*)::text FROM tandem.link WHERE state = 'live'`), fmt.Sprint(rows))
}

// told checks that everything is held as vanished, and that people get one message of it.
func (w *world) told(rows int) {
	w.t.Helper()
	w.is("held", w.one(`SELECT kind || ' ' || count(*) FROM tandem.hold GROUP BY kind`), fmt.Sprint("vanished ", rows))
	waiting, err := w.store.Waiting(w.t.Context(), "real", 100)
	if err != nil {
		w.t.Fatal(err)
	}
	issues := ledger.Group(waiting, w.now().Add(time.Hour), time.Minute, false)
	if len(issues) != 1 || issues[0].Alert.Count != rows {
		w.t.Errorf("%d alerts become %d messages", len(waiting), len(issues))
	}
	if err := w.store.Issue(w.t.Context(), issues, nil, w.now()); err != nil {
		w.t.Fatal(err)
	}
}
