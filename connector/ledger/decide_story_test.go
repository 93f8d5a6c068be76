package ledger_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// pair is a link whose two ends live on: people change them, and what is decided is done to them.
type pair struct {
	rules  ledger.Rules
	link   ledger.Link
	row    end
	page   end
	crm    change.Value
	notion change.Value
	bad    bool // Notion's value cannot be used
	copy   bool // the page carries another link's id
	now    time.Time
}

func newPair() *pair {
	return &pair{
		rules: ledger.Rules{
			Fields:      []ledger.Policy{{Name: field, Rule: rule, ToNotion: true, ToCRM: true, Tie: ledger.CRM, Initial: ledger.CRM}},
			WriteNotion: true, WriteCRM: true, CreatePages: true, CreateRows: true, Quiet: 30 * time.Second,
			DeletesToPages: ledger.DeletePropagate, DeletesToRows: ledger.DeletePropagate, Skew: time.Second,
		},
		link: ledger.Link{ID: 1, Key: "k", Page: "p", External: "x", State: ledger.Live, Base: map[string]ledger.FieldBase{
			field: {Value: one, Rule: rule, CRMSeen: noon.Add(-time.Hour), NotionSeen: noon.Add(-time.Hour)}}},
		row: there, page: there, crm: one, notion: one, now: noon,
	}
}

func (p *pair) input() ledger.Input {
	p.now = p.now.Add(10 * time.Minute)
	in := ledger.Input{Rules: p.rules, Link: p.link, Now: p.now, CRM: record{}.view(p.row, false), Notion: record{}.view(p.page, false)}
	in.CRM.At, in.CRM.Until, in.Notion.At, in.Notion.Until = p.now, p.now, p.now, p.now
	in.Notion.External, in.Notion.EditedAt = p.link.External, p.now.Add(-5*time.Minute)
	if p.copy {
		in.Notion.External = "another"
	}
	for view, value := range map[*ledger.View]change.Value{&in.CRM: p.crm, &in.Notion: p.notion} {
		if _, shown := view.Image[field]; shown {
			view.Image[field] = value
		}
	}
	if p.bad {
		delete(in.Notion.Image, field)
		in.Notion.Bad = map[string]string{field: "a comma cannot be in an option"}
	}
	return in
}

// decide looks at the pair, does what is decided, and tells it in a few words.
func (p *pair) decide() string {
	in := p.input()
	d := ledger.Decide(in)
	var said []string
	said = append(said, string(d.Page), string(d.Row))
	switch d.Page {
	case ledger.PageTrash:
		p.page = deleted
	case ledger.PageRestore:
		p.page = there
	case ledger.PageUpdate:
		if d.Mark {
			p.copy = false
		}
	case ledger.PageCreate:
	}
	switch d.Row {
	case ledger.RowDelete:
		p.row = deleted
	case ledger.RowInsert:
		p.link.Key, p.row, p.crm = "new", there, d.ToCRM[field]
	case ledger.RowUpdate:
	}
	if v, ok := d.ToNotion[field]; ok {
		p.notion = v
		p.link.Base[field] = ledger.Landed(p.link.Base[field], rule, ledger.Notion, v, v, p.now)
	}
	if v, ok := d.ToCRM[field]; ok {
		p.crm = v
		p.link.Base[field] = ledger.Landed(p.link.Base[field], rule, ledger.CRM, v, v, p.now)
	}
	for name, b := range d.Agreed(in) {
		p.link.Base[name] = b
	}
	for _, h := range d.Holds {
		said = append(said, "held:"+h.Kind)
	}
	if d.State != "" {
		p.link.State = d.State
	}
	if d.Remove {
		said = append(said, "removed")
	}
	return strings.Join(strings.Fields(strings.Join(append(said, "→", string(p.link.State)), " ")), " ")
}

// What becomes of a link when its ends go, come back, move and are copied (two-way-sync.md 3.1 and 3.6). A step is what people do, and what is
// decided then; every decision is looked at once more, and must have come to rest.
func TestLinksLostAndFound(t *testing.T) {
	t.Parallel()
	type step struct {
		what string
		do   func(*pair)
		want string
	}
	rowIs := func(e end) func(*pair) { return func(p *pair) { p.row = e } }
	pageIs := func(e end) func(*pair) { return func(p *pair) { p.page = e } }
	rowSays := func(v change.Value) func(*pair) { return func(p *pair) { p.row, p.crm = there, v } }
	pageSays := func(v change.Value) func(*pair) { return func(p *pair) { p.page, p.notion = there, v } }
	for name, story := range map[string][]step{
		"a page comes back after its row was deleted": {
			{"the row is deleted", rowIs(deleted), "trash → trashed"},
			{"somebody takes the page out of the trash", pageIs(there), "held:restored → trashed"},
			{"and puts it back", pageIs(deleted), "→ trashed"},
		},
		"a row comes back after its page was trashed for it": {
			{"the row is deleted", rowIs(deleted), "trash → trashed"},
			{"the row is there again, edited", rowSays(two), "restore → live"},
			{"", nil, "update → live"},
		},
		"a row comes back that was deleted for its page": {
			{"the page goes to the trash", pageIs(deleted), "delete → row_deleted"},
			{"the row is there again", rowIs(there), "held:restored → row_deleted"},
			{"the page comes back too", pageIs(there), "→ live"},
		},
		"both are deleted": {
			{"row and page", func(p *pair) { p.row, p.page = deleted, deleted }, "→ trashed"},
			{"the page is read again", nil, "→ trashed"},
		},
		"a page is moved out of its database, and back": {
			{"moved", pageIs(elsewhere), "held:moved → vanished"},
			{"the row is edited meanwhile", rowSays(two), "held:moved → vanished"},
			{"moved back", pageIs(there), "update → live"},
		},
		"a page is moved, and its row deleted": {
			{"moved", pageIs(elsewhere), "held:moved → vanished"},
			{"the row is deleted", rowIs(deleted), "held:moved → vanished"},
			{"moved back", pageIs(there), "trash → trashed"},
		},
		"a page is not shared any more, and shared again": {
			{"404", pageIs(lost), "held:vanished → vanished"},
			{"shared again, edited", pageSays(two), "update → live"},
		},
		"a page is not shared any more while its row is deleted": {
			{"404", pageIs(lost), "held:vanished → vanished"},
			{"the row is deleted", rowIs(deleted), "→ trashed"},
			{"shared again", pageIs(there), "held:restored → trashed"},
		},
		"a row is not found, and found again": {
			{"no delete of it was seen", rowIs(lost), "held:vanished → vanished"},
			{"somebody edits the page", pageSays(two), "held:vanished → vanished"},
			{"found", rowIs(there), "update → live"},
		},
		"a row is not found, and its delete is heard of late": {
			{"no delete of it was seen", rowIs(lost), "held:vanished → vanished"},
			{"the event comes", rowIs(deleted), "trash → trashed"},
		},
		"a page is tidied away while its row is not found": {
			{"no delete of the row was seen", rowIs(lost), "held:vanished → vanished"},
			{"the page goes to the trash", pageIs(deleted), "held:vanished → vanished"},
			{"the row is found", rowIs(there), "held:delete_row → vanished"},
			{"the page comes back", pageIs(there), "→ live"},
		},
		"a page is tidied away while its row is out of scope": {
			{"the row leaves the scope", rowIs(elsewhere), "→ out_of_scope"},
			{"the page goes to the trash", pageIs(deleted), "→ out_of_scope"},
			{"the row is in scope again", rowIs(there), "restore → live"},
		},
		"a page stays where its row leaves the scope and comes back": {
			{"the row leaves the scope", rowIs(elsewhere), "→ out_of_scope"},
			{"both are edited", func(p *pair) { p.notion = two }, "→ out_of_scope"},
			{"the row is in scope again", rowIs(there), "update → live"},
		},
		"a page goes to the trash and comes back where rows are kept": {
			{"the page goes to the trash", func(p *pair) { p.rules.DeletesToRows, p.page = ledger.DeleteKeep, deleted }, "→ page_trashed"},
			{"the row is edited", rowSays(two), "→ page_trashed"},
			{"the page comes back", pageIs(there), "update → live"},
		},
		"a row is deleted while its page shows what cannot be used": {
			{"a person types what no option may be called", func(p *pair) { p.bad = true }, "→ live"},
			{"the row is deleted", rowIs(deleted), "held:delete_vs_edit → live"},
			{"the page is mended", func(p *pair) { p.bad = false }, "trash → trashed"},
		},
		"a row is deleted under an edit": {
			{"both at once", func(p *pair) { p.row, p.notion = deleted, two }, "held:delete_vs_edit → live"},
			{"the edit is taken back", pageSays(one), "trash → trashed"},
		},
		"a page is copied": {
			{"the copy carries the other page's id", func(p *pair) {
				p.link = ledger.Link{ID: 2, Page: "copy", External: "y", State: ledger.Half, Base: map[string]ledger.FieldBase{}}
				p.row, p.copy, p.notion = notRead, true, two
			}, "update → half"},
			{"it is a new record", nil, "create → half"},
		},
		"a copy goes to the trash before it is anything": {
			{"copied and trashed", func(p *pair) {
				p.link = ledger.Link{ID: 2, Page: "copy", External: "y", State: ledger.Half, Base: map[string]ledger.FieldBase{}}
				p.row, p.copy, p.page = notRead, true, deleted
			}, "removed → half"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair()
			for i, s := range story {
				if s.do != nil {
					s.do(p)
				}
				if got := p.decide(); got != s.want {
					t.Fatalf("step %d, %s: %s, want %s", i+1, s.what, got, s.want)
				}
			}
			if last := p.decide(); strings.Contains(last, "update") || strings.Contains(last, "delete ") || strings.Contains(last, "trash →") {
				t.Errorf("it does not come to rest: %s", last)
			}
			if p.row == there && p.page == there && p.link.Key != "" && fmt.Sprint(p.crm) != fmt.Sprint(p.notion) {
				t.Errorf("the row says %s, the page %s", p.crm, p.notion)
			}
		})
	}
}
