package real

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/sink"
	"github.com/tandem-sync/tandem/sink/match"
	"github.com/tandem-sync/tandem/sink/plan"
)

var matched = strings.Replace(person, `"$defaults"`, `"match": ["email", "name"], "$defaults"`, 1)

// address makes pages as people made them before anybody thought of Tandem.
func (w *world) address(pages ...[2]string) []string {
	w.t.Helper()
	var ids []string
	for _, p := range pages {
		props := map[string]any{"Name": title(p[0])}
		if p[1] != "" {
			props["Email"] = map[string]any{"email": p[1]}
		}
		id, err := w.ada.Create(w.known("person").DataSource, props)
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func (w *world) linker() *plan.Linker {
	rows := map[string]sink.RowKeys{}
	for name, r := range w.rows {
		rows[name] = r
	}
	return &plan.Linker{Reader: &plan.Reader{Worker: w.sinks[0], Ledger: w.store, Rows: rows}, Holder: "link", Now: w.now}
}

func (w *world) matches(l *plan.Linker) match.Report {
	w.t.Helper()
	e := w.entities["person"]
	u, err := l.Reader.Unlinked(w.t.Context(), e, w.known("person"))
	if err != nil {
		w.t.Fatal(err)
	}
	return match.Match(e.Match, u.Rows, u.Pages)
}

const crowdSQL = personSQL + `; UPDATE person SET email = 'ada@example.com' WHERE id = 1; UPDATE person SET name = 'Bob', email = NULL WHERE id = 2;
	INSERT INTO person (name, email) VALUES ('Dup One', 'dup@example.com'), ('Dup Two', 'dup@example.com'), ('Only Here', 'only@example.com')`

// Two address books meet: nothing is doubled before they are linked, what is exact is linked, what is doubtful waits for a person, and the rest goes on.
func TestTwoAddressBooksMeet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, crowdSQL, matched)
	pages := w.address([2]string{"Ada Byron", "ada@example.com"}, [2]string{"Bob", ""}, [2]string{"Dup", "dup@example.com"}, [2]string{"Only There", "there@example.com"})
	w.sweep("person")
	w.poll("person", pages...)
	if writes := w.spent(); len(writes) != 0 {
		t.Errorf("written before anything was linked: %q", writes)
	}
	w.is("rows", w.one(`SELECT count(*)::text FROM person`), "5")
	w.is("parked", w.one(`SELECT count(*)::text || ' ' || count(*) FILTER (WHERE parked LIKE '%run tandem link%') FROM tandem.work`), "9 9")
	w.is("alerts", w.one(`SELECT count(*)::text FROM tandem.alert`), "0")

	l := w.linker()
	report := w.matches(l)
	if r, p := report.Count(match.Ambiguous); len(report.Pairs()) != 2 || r != 2 || p != 1 || len(report.Rows) != 1 || len(report.Pages) != 1 {
		t.Fatalf("%+v", report)
	}
	if writes := w.spent(); len(writes) != 0 {
		t.Errorf("the report has written: %q", writes)
	}
	done, err := l.Apply(t.Context(), w.entities["person"], report)
	if err != nil || done.Linked != 2 || done.Held != 3 || len(done.Left) != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	w.settle()
	w.is("ada's page", w.page("person", "1"), pages[0])
	w.is("bob's page", w.page("person", "2"), pages[1])
	w.is("the initial authority is the CRM", w.shows(pages[0], "Name"), "Ada")
	w.is("the loser is kept", w.one(`SELECT string_agg(detail->>'rule', ',') FROM tandem.conflict`), "initial_authority")
	w.is("bob's mail came from nowhere", w.one(`SELECT coalesce(email, '-') FROM person WHERE id = 2`), "-")
	w.is("rows", w.one(`SELECT count(*)::text || ' ' || count(*) FILTER (WHERE name = 'Only There') FROM person`), "6 1")
	w.is("doubtful", w.one(`SELECT count(*)::text || ' ' || count(*) FILTER (WHERE parked LIKE '2 rows (3, 4) and 1 page%is not guessed') FROM tandem.work`), "3 3")
	w.is("pages", w.one(`SELECT count(*)::text FROM tandem.link WHERE page IS NOT NULL`), "5")
	w.touch("person", "3")
	w.is("still doubtful", w.one(`SELECT count(page)::text FROM tandem.link WHERE key = '3'`), "0")

	// A person says which is which; the other is somebody else.
	w.exec(`UPDATE person SET email = 'other@example.com' WHERE id = 4`)
	report = w.matches(l)
	if len(report.Pairs()) != 1 || len(report.Rows) != 1 {
		t.Fatalf("%+v", report)
	}
	if done, err = l.Apply(t.Context(), w.entities["person"], report); err != nil || done.Linked != 1 || done.Released != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	w.settle()
	w.is("page of the one", w.page("person", "3"), pages[2])
	w.is("page of the other", w.one(`SELECT count(page)::text FROM tandem.link WHERE key = '4'`), "1")
	w.is("holds and work", w.one(`SELECT (SELECT count(*) FROM tandem.hold)::text || (SELECT count(*) FROM tandem.work)`), "00")
	if report = w.matches(l); len(report.Findings)+len(report.Rows)+len(report.Pages) != 0 {
		t.Errorf("something is left: %+v", report)
	}
}

// Once both books are one, a page that a person makes of somebody who is there already is no second row.
func TestAPageOfSomebodyWhoIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, personSQL+`; UPDATE person SET email = 'ada@example.com' WHERE id = 1`, matched)
	w.sweep("person") // the database is new, so there is nothing to link
	w.is("linked", w.one(`SELECT count(page)::text FROM tandem.link`), "2")
	if run, ok, err := sink.LinkRunOf(t.Context(), w.store, "real", "person"); err != nil || !ok || !strings.Contains(run.Why, "held no pages") {
		t.Errorf("%+v %v %v", run, ok, err)
	}
	pages := w.address([2]string{"A. Byron", "ada@example.com"}, [2]string{"New", "new@example.com"})
	w.poll("person", pages...)
	w.is("rows", w.one(`SELECT count(*)::text || ' ' || count(*) FILTER (WHERE email = 'ada@example.com') FROM person`), "3 1")
	w.is("parked", w.one(`SELECT parked FROM tandem.work`), "it may be person 1, which has the same email (ada@example.com): no second row is made of it; "+
		"put the page in the trash, or change what is wrong, or link them with tandem links import")
	w.is("one alert", w.one(`SELECT count(*)::text FROM tandem.alert`), "1")
	// Changed to somebody else's address it is somebody else.
	w.write("person", pages[0], map[string]any{"Email": map[string]any{"email": "a.byron@example.com"}, "Name": title("A. Byron")})
	w.is("rows", w.one(`SELECT count(*)::text FROM person`), "4")
}

// What a connector works on at that moment, and what it linked meanwhile, is left out and named.
func TestLinkingBesideTheConnectors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, crowdSQL, matched)
	pages := w.address([2]string{"Ada Byron", "ada@example.com"}, [2]string{"Bob", ""})
	w.sweep("person")
	l := w.linker()
	report := w.matches(l)
	link := w.link("person", "1")
	items, err := w.store.Take(t.Context(), ledger.Claim{Sync: "real", Side: ledger.Notion, Max: 1, Holder: "other", Lease: time.Minute, Now: w.now(), Link: link.ID})
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	if why, err := l.Join(context.Background(), w.entities["person"], "2", pages[1], ""); why != "" || err != nil {
		t.Fatal(why, err)
	}
	if why, err := l.Join(context.Background(), w.entities["person"], "5", pages[1], ""); why != "the page was linked to person 2 meanwhile" || err != nil {
		t.Error(why, err)
	}
	done, err := l.Apply(t.Context(), w.entities["person"], report)
	if err != nil || done.Linked != 1 || len(done.Left) != 1 || done.Left[0].Row != "1" || !strings.Contains(done.Left[0].Why, "at work on it") {
		t.Errorf("%+v %v", done, err)
	}
}
