package sink_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// saying is the contacts' mapping with more said of one field, or of the entity.
func saying(field, more string) string {
	if field == "" {
		return strings.Replace(contactMapping, `"mode":`, more+`, "mode":`, 1)
	}
	at := fmt.Sprintf(`{"name": %q, `, field)
	return strings.Replace(contactMapping, at, at+more+`, `, 1)
}

// bothEdit lets the CRM and a person change a field, and both sinks work.
func (o *office) bothEdit(page, field, crm, notion string) {
	o.t.Helper()
	o.rows["contact"].put("1", change.Image{field: value(crm)})
	o.pages["contact"].edit(page, change.Image{field: value(notion)})
	o.changed("contact", "1")
	o.poll("contact", page)
	o.settle(time.Minute)
}

func value(s string) change.Value {
	if s == "" {
		return change.NullValue()
	}
	return text(s)
}

// shown are what the row and the page have in a field.
func (o *office) shown(page, field string) (crm, notion string) {
	return o.rows["contact"].rows["1"].Image[field].Text(), o.pages["contact"].pages[page].values[field].Text()
}

func TestTheFieldsPolicyIsCarriedOut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, more                string
		crm, notion               string
		wantCRM, wantNotion, rule string
		lost                      []string
	}{
		{"the CRM wins", `"conflict": "crm_wins", "tie": "notion"`, "ours", "theirs", "ours", "ours", "crm_wins", []string{"theirs"}},
		{"Notion wins", `"conflict": "notion_wins"`, "ours", "theirs", "theirs", "theirs", "notion_wins", []string{"ours"}},
		{"blanked in the CRM", `"never_blank": true`, "", "old", "old", "old", "never_blank", []string{""}},
		{"blanked in Notion", `"never_blank": true`, "old", "", "old", "old", "never_blank", []string{""}},
		{"blanked in the CRM, edited in Notion", `"never_blank": true`, "", "theirs", "theirs", "theirs", "never_blank", []string{""}},
		{"written once, edited in the CRM", `"write_once": true`, "ours", "old", "old", "old", "write_once", []string{"ours"}},
		{"written once, edited in Notion", `"write_once": true`, "old", "theirs", "old", "old", "write_once", []string{"theirs"}},
		{"to Notion only, edited there", `"direction": "to_notion"`, "old", "theirs", "old", "old", "one_way", []string{"theirs"}},
		{"to Notion only, edited on both sides", `"direction": "to_notion"`, "ours", "theirs", "ours", "ours", "one_way", []string{"theirs"}},
		{"to the CRM only, edited there", `"direction": "to_crm"`, "ours", "old", "old", "old", "one_way", []string{"ours"}},
		{"nobody knows which came later", `"conflict": "last_write_wins"`, "ours", "theirs", "ours", "ours", "tie", []string{"theirs"}},
		{"nobody knows which came later, Notion wins ties", `"tie": "notion"`, "ours", "theirs", "theirs", "theirs", "tie", []string{"ours"}},
		{"both changed it to the same", `"conflict": "crm_wins"`, "same", "same", "same", "same", "", nil},
		{"written once, edited on both sides", `"write_once": true`, "ours", "theirs", "old", "old", "write_once", []string{"ours", "theirs"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, saying("note", tt.more))
			page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old")})
			o.bothEdit(page, "note", tt.crm, tt.notion)
			if crm, notion := o.shown(page, "note"); crm != tt.wantCRM || notion != tt.wantNotion {
				t.Errorf("the row says %q, the page %q; want %q and %q", crm, notion, tt.wantCRM, tt.wantNotion)
			}
			kept := map[string]bool{}
			for _, c := range o.conflicts() {
				_, lost := c.Loser()
				kept[lost.Text()] = true
				if c.Rule != tt.rule {
					t.Errorf("the history names %s", c.Rule)
				}
			}
			if told := o.alerts("conflict") == 1; told != (tt.rule == "tie") {
				t.Errorf("an alert: %t, and it was decided by %q", told, tt.rule)
			}
			for _, lost := range tt.lost {
				if !kept[lost] || len(kept) != len(tt.lost) {
					t.Errorf("the history has %v, want %q", kept, tt.lost)
				}
			}
			o.pages["contact"].spend()
			o.changed("contact", "1")
			o.poll("contact", page)
			o.settle(time.Hour)
			if n := o.pages["contact"].spend(); n > 1 || len(o.conflicts()) != len(tt.lost) {
				t.Errorf("it does not come to rest: %d requests, %d conflicts", n, len(o.conflicts()))
			}
		})
	}
}

// A number that is written differently on a side stays as it is written there, and costs nobody's edit of the other side a conflict.
func TestANumberWrittenDifferentlyIsNoEdit(t *testing.T) {
	t.Parallel()
	o := newOffice(t, strings.Replace(saying("note", `"critical": true`), `"type": "text"`, `"type": "phone"`, 1))
	page := o.linked("1", change.Image{"name": text("Ada"), "note": text("+33 6 12 34 56 78")})
	o.bothEdit(page, "note", "+33612345678", "+33 (0)6-12-34-56-78")
	if crm, notion := o.shown(page, "note"); crm != "+33612345678" || notion != "+33 (0)6-12-34-56-78" || len(o.conflicts()) > 0 {
		t.Errorf("the row says %q, the page %q, conflicts %v", crm, notion, o.conflicts())
	}
	o.bothEdit(page, "note", "+33.6.12.34.56.78", "+44 20 7946 0018")
	if crm, notion := o.shown(page, "note"); crm != "+44 20 7946 0018" || notion != crm || len(o.conflicts()) > 0 {
		t.Errorf("Notion alone was edited: the row says %q, the page %q, conflicts %v", crm, notion, o.conflicts())
	}
	o.bothEdit(page, "note", "+1 212 555 0123", "+442079460018")
	if crm, notion := o.shown(page, "note"); crm != "+1 212 555 0123" || notion != crm || len(o.conflicts()) > 0 {
		t.Errorf("the CRM alone was edited: the row says %q, the page %q, conflicts %v", crm, notion, o.conflicts())
	}
}

// A conflict that a person has to decide keeps its field back, and only it; the hold goes when the two agree.
func TestAHeldConflictLeavesTheOtherFieldsGoing(t *testing.T) {
	t.Parallel()
	o := newOffice(t, strings.Replace(saying("note", `"conflict": "hold"`), `{"name": "email", `, `{"name": "email", "conflict": "hold", `, 1))
	page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old"), "email": text("old@example.com")})
	o.rows["contact"].put("1", change.Image{"email": text("ours@example.com")})
	o.pages["contact"].edit(page, change.Image{"email": text("theirs@example.com"), "name": text("Ada L.")})
	o.bothEdit(page, "note", "ours", "theirs")
	l := o.link("contact", "1")
	if crm, notion := o.shown(page, "note"); crm != "ours" || notion != "theirs" || len(o.conflicts()) > 0 {
		t.Errorf("a person was to decide: the row says %q, the page %q, conflicts %v", crm, notion, o.conflicts())
	}
	if crm, _ := o.shown(page, "name"); crm != "Ada L." {
		t.Errorf("the name waits for the note: %q", crm)
	}
	holds := o.pending(l.ID).Holds
	if len(holds) != 2 || holds[0].Name() != "conflict/email" || holds[1].Name() != "conflict/note" || !strings.Contains(holds[1].Reason, `"ours"`) || !strings.Contains(holds[1].Reason, `"theirs"`) {
		t.Fatalf("holds: %+v", holds)
	}
	if n := o.alerts("hold"); n != 2 {
		t.Errorf("%d alerts of two holds", n)
	}
	o.clock.advance(time.Hour)
	o.rows["contact"].put("1", change.Image{"stage": text("won")}) // another field goes on
	o.changed("contact", "1")
	o.settle(time.Minute)
	if _, notion := o.shown(page, "stage"); notion != "won" {
		t.Errorf("the stage waits for the note: %q", notion)
	}
	if again := o.pending(l.ID).Holds; len(again) != 2 || !again[1].At.Equal(holds[1].At) || o.alerts("hold") != 2 {
		t.Errorf("the same conflict is told of again: %+v", again)
	}
	o.pages["contact"].edit(page, change.Image{"note": text("ours")}) // a person decides, in Notion
	o.poll("contact", page)
	o.settle(time.Minute)
	if left := o.pending(l.ID).Holds; len(left) != 1 || left[0].Field != "email" {
		t.Errorf("the note agrees: %+v", left)
	}
	o.put("contact", "1", change.Image{"email": text("theirs@example.com")})
	o.settle(time.Minute)
	if p := o.pending(l.ID); len(p.Holds) > 0 || len(p.Work) > 0 {
		t.Errorf("all agree, and still: %+v", p)
	}
}

// What its guard refuses stays in Notion with a plain reason, the rest of the record goes on, and the field goes when it is mended.
func TestAGuardedFieldWaitsAlone(t *testing.T) {
	t.Parallel()
	o := newOffice(t, saying("email", `"guard": {"email": true}`))
	page := o.linked("1", change.Image{"name": text("Ada"), "email": text("old@example.com")})
	o.pages["contact"].edit(page, change.Image{"email": text("johndoe@gmai"), "note": text("new")})
	o.poll("contact", page)
	o.settle(time.Minute)
	l := o.link("contact", "1")
	crm, notion := o.shown(page, "email")
	if note, _ := o.shown(page, "note"); crm != "old@example.com" || notion != "johndoe@gmai" || note != "new" {
		t.Errorf("the row has %q and note %q, the page %q", crm, note, notion)
	}
	parked := o.pending(l.ID).Work
	if len(parked) != 1 || parked[0].Parked != `email: "johndoe@gmai" is not an e-mail address (its domain "gmai" has no dot)` || o.alerts("parked") != 1 {
		t.Fatalf("%d alerts, parked: %+v", o.alerts("parked"), parked)
	}
	o.put("contact", "1", change.Image{"note": text("newer")}) // the CRM's edits go on
	o.settle(time.Minute)
	if _, note := o.shown(page, "note"); note != "newer" {
		t.Errorf("the note waits for the address: %q", note)
	}
	o.pages["contact"].edit(page, change.Image{"email": text("johndoe@gmail.com")})
	o.poll("contact", page)
	o.settle(time.Minute)
	if crm, _ := o.shown(page, "email"); crm != "johndoe@gmail.com" || len(o.pending(l.ID).Work) > 0 {
		t.Errorf("mended, the row has %q: %+v", crm, o.pending(l.ID))
	}
}

// A value that came from the CRM is no business of the guard: the CRM can still change it.
func TestAGuardDoesNotStandInTheCRMsWay(t *testing.T) {
	t.Parallel()
	o := newOffice(t, saying("email", `"guard": {"email": true}`))
	page := o.linked("1", change.Image{"name": text("Ada"), "email": text("broken")})
	o.put("contact", "1", change.Image{"email": text("ada@example.com")})
	o.settle(time.Minute)
	if _, notion := o.shown(page, "email"); notion != "ada@example.com" {
		t.Errorf("the page says %q: %+v", notion, o.pending(o.link("contact", "1").ID))
	}
}

func TestAPageThatItsGuardRefusesIsNoRow(t *testing.T) {
	t.Parallel()
	o := newOffice(t, saying("email", `"guard": {"email": true, "never_empty": true}`))
	page := o.pages["contact"].person(change.Image{"name": text("Grace")})
	o.poll("contact", page)
	o.clock.advance(5 * time.Minute)
	o.settle(5 * time.Minute)
	if l := o.pageLink(page); l.Key != "" || len(o.pending(l.ID).Work) != 1 || o.pending(l.ID).Work[0].Parked != "email: it is empty, and the CRM is to have a value" {
		t.Fatalf("the row is made, or nobody is told why not: %+v", o.pending(l.ID))
	}
	o.pages["contact"].edit(page, change.Image{"email": text("grace@example.com")})
	o.poll("contact", page)
	o.settle(10 * time.Minute)
	if l := o.pageLink(page); l.Key == "" {
		t.Errorf("the page has an address, and still no row: %+v", o.pending(l.ID))
	}
}

// Somebody types an address, a poll sees it half done: only the whole of it reaches the CRM, by itself, without another word from Notion.
func TestHalfTypedValuesNeverReachTheCRM(t *testing.T) {
	t.Parallel()
	o := newOffice(t, saying("", `"typing_delay": "10s"`))
	page := o.linked("1", change.Image{"name": text("Ada"), "email": text("old@example.com")})
	table := o.rows["contact"]
	table.change = func(set change.Image) {
		if v, ok := set["email"]; ok && v.Text() != "ada@example.com" {
			t.Errorf("%q reaches the CRM", v.Text())
		}
	}
	for _, half := range []string{"a", "ada@", "ada@exam", "ada@example.com"} { // three seconds between them
		o.pages["contact"].edit(page, change.Image{"email": text(half), "tags": change.TextSet("vip")})
		o.poll("contact", page)
		o.settle(3 * time.Second)
	}
	o.settle(5 * time.Second)
	if got := table.text("1", "email"); got != "old@example.com" {
		t.Errorf("%q is in the CRM, ten seconds are not over", got)
	}
	if tags := table.rows["1"].Image["tags"]; !change.Equal(tags, change.TextSet("vip")) {
		t.Errorf("what is chosen, not typed, waits too: %s", tags)
	}
	o.pages["contact"].spend()
	o.settle(30 * time.Second)
	if got := table.text("1", "email"); got != "ada@example.com" {
		t.Errorf("the row says %q: %+v", got, o.pending(o.link("contact", "1").ID))
	}
	if n := o.pages["contact"].spend(); n > 2 {
		t.Errorf("%d requests to see that nobody types", n)
	}
	if l := o.link("contact", "1"); l.Seen != nil || len(o.pending(l.ID).Work) > 0 {
		t.Errorf("it does not come to rest: %+v", l)
	}
}

// An edit that was made long before the poll that shows it goes at once, its minute and the delay are over; but for one read of the page itself, as
// the query that the poll asked may show what it was in the middle of the typing.
func TestALongFinishedEditDoesNotWait(t *testing.T) {
	t.Parallel()
	o := newOffice(t, saying("", `"typing_delay": "10s"`))
	page := o.linked("1", change.Image{"name": text("Ada"), "email": text("old@example.com")})
	o.pages["contact"].edit(page, change.Image{"email": text("ada@example.com")})
	o.clock.advance(5 * time.Minute)
	o.poll("contact", page)
	o.run(ledger.CRM, ledger.Notion)
	if got, n := o.rows["contact"].text("1", "email"), o.pages["contact"].spend(); got != "ada@example.com" || n != 1 {
		t.Errorf("the row says %q after %d requests", got, n)
	}
}

// The query's index lags: a poll shows half an address that stood there for seconds, more than a minute ago.
func TestALaggingQueryShowsNoHalfToTheCRM(t *testing.T) {
	t.Parallel()
	o := newOffice(t, saying("", `"typing_delay": "10s"`))
	page := o.linked("1", change.Image{"name": text("Ada"), "email": text("old@example.com")})
	o.rows["contact"].change = func(set change.Image) {
		if set["email"].Text() == "ada@gmai" {
			t.Error("half an address reaches the CRM")
		}
	}
	o.pages["contact"].edit(page, change.Image{"email": text("ada@gmai")})
	half := o.pages["contact"].observe(page)
	o.clock.advance(4 * time.Second)
	o.pages["contact"].edit(page, change.Image{"email": text("ada@gmail.com")})
	o.clock.advance(80 * time.Second)
	half.Via, half.Seq, half.ReadFrom, half.ReadTo = "poll", o.link("contact", "1").Seq, o.clock.now(), o.clock.now()
	o.add(ledger.Reason{Side: ledger.CRM, Page: page, Why: "poll", Seen: &half})
	o.run(ledger.CRM, ledger.Notion)
	if got := o.rows["contact"].text("1", "email"); got != "ada@gmail.com" {
		t.Errorf("the row says %q", got)
	}
}

// Somebody writes notes without a pause. The address that was typed before reaches the CRM all the same.
func TestTypingElsewhereOnThePageKeepsNothingBack(t *testing.T) {
	t.Parallel()
	o := newOffice(t, saying("", `"typing_delay": "10s"`))
	page := o.linked("1", change.Image{"name": text("Ada"), "email": text("old@example.com")})
	o.pages["contact"].edit(page, change.Image{"email": text("ada@example.com")})
	for n := range 12 { // every two seconds
		o.pages["contact"].edit(page, change.Image{"note": text(fmt.Sprint("word ", n))})
		o.poll("contact", page)
		o.settle(2 * time.Second)
	}
	if got := o.rows["contact"].text("1", "email"); got != "ada@example.com" {
		t.Errorf("the row says %q while the note is typed: %+v", got, o.pending(o.link("contact", "1").ID))
	}
	if got := o.rows["contact"].text("1", "note"); got != "" {
		t.Errorf("%q is half a note", got)
	}
	o.settle(time.Minute)
	if got := o.rows["contact"].text("1", "note"); got != "word 11" {
		t.Errorf("the row says %q", got)
	}
}

// One poll shows an address half typed beside what goes at once, to the row or (the CRM's own edit) to the page. What waited is read again by itself.
func TestWhatIsWrittenMeanwhileForgetsNoTyping(t *testing.T) {
	t.Parallel()
	for name, also := range map[string]func(o *office, page string){
		"a choice goes to the row": func(o *office, page string) {
			o.pages["contact"].edit(page, change.Image{"tags": change.TextSet("vip")})
			o.poll("contact", page)
		},
		"the CRM's edit goes to the page, and no poll tells of the other": func(o *office, _ string) {
			o.put("contact", "1", change.Image{"stage": text("won")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, saying("", `"typing_delay": "10s"`))
			page := o.linked("1", change.Image{"name": text("Ada"), "email": text("old@example.com")})
			o.pages["contact"].edit(page, change.Image{"email": text("ada@example.com")})
			also(o, page)
			o.settle(4 * time.Second)
			if got := o.rows["contact"].text("1", "email"); got != "old@example.com" {
				t.Fatalf("%q is in the CRM after four seconds", got)
			}
			row, shown := o.rows["contact"].rows["1"].Image, o.pages["contact"].pages[page].values
			if len(row["tags"].Items()) != len(shown["tags"].Items()) || row["stage"].Text() != shown["stage"].Text() {
				t.Fatalf("what is not typed waits: row %v, page %v", row, shown)
			}
			o.settle(9 * time.Second)
			if got := o.rows["contact"].text("1", "email"); got != "ada@example.com" {
				t.Errorf("the row says %q after 13 seconds: %+v", got, o.pending(o.link("contact", "1").ID))
			}
			if n := o.pages["contact"].spend(); n > 5 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// Somebody tidies the page of a customer away who left the segment. The customer comes back into it: so does the page, and nobody is deleted.
func TestAPageTidiedAwayOutOfScopeComesBack(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old")})
	scope := func(in bool) {
		row := o.rows["contact"].rows["1"]
		row.InScope = in
		o.rows["contact"].rows["1"] = row
		o.changed("contact", "1")
		o.settle(time.Minute)
	}
	scope(false)
	o.pages["contact"].pages[page].trash = true
	o.poll("contact", page)
	o.settle(time.Minute)
	scope(true)
	l := o.link("contact", "1")
	if _, ok := o.rows["contact"].rows["1"]; !ok || o.pages["contact"].pages[page].trash || l.State != ledger.Live {
		t.Errorf("the row is there: %t, the page in the trash: %t, link %s", ok, o.pages["contact"].pages[page].trash, l.State)
	}
}

// Notion takes options that differ in capitals for one, and shows the older. The CRM's own way of writing them is left to it.
func TestCapitalsOfOptionsAreTheCRMs(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.pages["contact"].normal = func(values change.Image) { // there are options Won and VIP already
		if v, ok := values["stage"]; ok && strings.EqualFold(v.Text(), "won") {
			values["stage"] = text("Won")
		}
		if v, ok := values["tags"]; ok && len(v.Items()) > 0 {
			values["tags"] = change.TextSet("VIP", "press")
		}
	}
	page := o.linked("1", change.Image{"name": text("Ada"), "stage": text("won"), "tags": change.TextSet("vip", "press")})
	o.changed("contact", "1")
	o.pages["contact"].edit(page, change.Image{"note": text("new")})
	o.poll("contact", page)
	o.settle(time.Minute)
	row := o.rows["contact"].rows["1"].Image
	if row["stage"].Text() != "won" || !change.Equal(row["tags"], change.TextSet("vip", "press")) || row["note"].Text() != "new" || len(o.conflicts()) > 0 {
		t.Errorf("the row says %v, conflicts %v", row, o.conflicts())
	}
	o.put("contact", "1", change.Image{"stage": text("WON")}) // Notion cannot show that
	o.settle(time.Minute)
	o.pages["contact"].spend()
	o.changed("contact", "1")
	o.settle(time.Hour)
	if n := o.pages["contact"].spend(); n > 0 || o.rows["contact"].text("1", "stage") != "WON" {
		t.Errorf("it does not come to rest: %d requests, the row says %q", n, o.rows["contact"].text("1", "stage"))
	}
	o.pages["contact"].edit(page, change.Image{"stage": text("Lost"), "tags": change.TextSet("VIP")})
	o.poll("contact", page)
	o.settle(time.Minute)
	if row := o.rows["contact"].rows["1"].Image; row["stage"].Text() != "Lost" || !change.Equal(row["tags"], change.TextSet("vip")) {
		t.Errorf("a person's edit is not brought: %v", row)
	}
}

// A poll shows a new page in the middle of its typing, and no other poll comes for a while: the row is made of what the page says when it rests.
func TestANewRowIsNotMadeOfHalfAPage(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.pages["contact"].person(change.Image{"name": text("Gr")})
	o.poll("contact", page)
	o.clock.advance(5 * time.Second)
	o.pages["contact"].edit(page, change.Image{"name": text("Grace")})
	for range 10 { // and she goes on for minutes, every 20 seconds, unseen
		o.settle(20 * time.Second)
		o.pages["contact"].edit(page, change.Image{"note": text(o.clock.now().String())})
		if n := len(o.rows["contact"].rows); n > 0 {
			t.Fatalf("a row is made while somebody types: %v", o.rows["contact"].rows)
		}
	}
	o.settle(5 * time.Minute)
	l := o.pageLink(page)
	if l.Key == "" || o.rows["contact"].text(l.Key, "name") != "Grace" {
		t.Errorf("the row of the page is %q: %v, %+v", l.Key, o.rows["contact"].rows, o.pending(l.ID))
	}
}
