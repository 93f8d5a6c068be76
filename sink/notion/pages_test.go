package notion_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	"github.com/tandem-sync/tandem/sink"
	"github.com/tandem-sync/tandem/sink/notion"
)

func (w *workspace) pages(entity string) *notion.Pages {
	w.t.Helper()
	s := w.owner("a")
	w.ensure(s)
	w.spent()
	return &notion.Pages{Client: w.client, Entity: w.entity(entity), Schema: s}
}

func text(s string) change.Value { return change.TextValue(s) }

func TestAPageIsMadeReadChangedAndFound(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	p := w.pages("contact")
	s := w.schema("contact")
	page, seen, err := p.Create(t.Context(), s, "id-1", change.Image{"name": text("Ada"), "email": text("ada@example.com"), "note": change.NullValue(), "since": change.DateValue(20000), "stage": text("Lead")})
	if err != nil || seen.External != "id-1" || seen.InTrash || seen.Moved || seen.Hash == "" {
		t.Fatalf("%+v, %v", seen, err)
	}
	read, err := p.Read(t.Context(), s, page)
	if err != nil || read.Hash != seen.Hash || !cmp.Equal(string(read.Properties), string(seen.Properties)) {
		t.Errorf("the create's answer is %s, a read is %s, %v", seen.Properties, read.Properties, err)
	}
	values, err := sink.PageValues(s, read.Properties)
	if err != nil || values["email"].Text() != "ada@example.com" || !change.Equal(values["since"], change.DateValue(20000)) || values["stage"].Text() != "Lead" {
		t.Errorf("%v, %v", values, err)
	}
	seen, err = p.Update(t.Context(), s, page, sink.PageUpdate{Values: change.Image{"email": change.NullValue()}, Current: read.Properties})
	if err != nil || seen.Hash == read.Hash {
		t.Fatalf("%v", err)
	}
	if values, _ = sink.PageValues(s, seen.Properties); !values["email"].IsNull() || values["name"].Text() != "Ada" {
		t.Errorf("just the e-mail was written: %v", values)
	}
	if found, err := p.Find(t.Context(), s, "id-1"); err != nil || !cmp.Equal(found, []string{page}) {
		t.Errorf("%v, %v", found, err)
	}
	if found, err := p.Find(t.Context(), s, "id-2"); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
	if seen, err = p.Update(t.Context(), s, page, sink.PageUpdate{Trash: true}); err != nil || !seen.InTrash {
		t.Errorf("%+v, %v", seen, err)
	}
	if seen, err = p.Update(t.Context(), s, page, sink.PageUpdate{Restore: true}); err != nil || seen.InTrash {
		t.Errorf("%+v, %v", seen, err)
	}
	if got := w.spent(); !cmp.Equal(got, []string{"POST pages", "PATCH pages", "PATCH pages", "PATCH pages"}) {
		t.Errorf("%v", got)
	}
}

// Nothing outside the mapping's allow-list is ever written, and a value that Notion cannot hold is the record's own trouble.
func TestOnlyWhatIsMappedIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	p := w.pages("contact")
	s := w.schema("contact")
	page, _, err := p.Create(t.Context(), s, "id-1", change.Image{"name": text("Ada")})
	if err != nil {
		t.Fatal(err)
	}
	w.spent()
	for name, values := range map[string]change.Image{
		"no such field": {"salary": text("1000")},
		"too long":      {"note": text(strings.Repeat("x", 300_000))},
		"a comma":       {"stage": text("a, b")},
	} {
		var data *sink.DataError
		if _, err := p.Update(t.Context(), s, page, sink.PageUpdate{Values: values}); !errors.As(err, &data) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := p.Create(t.Context(), s, "id-2", values); !errors.As(err, &data) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := w.spent(); len(got) != 0 {
		t.Errorf("sent: %v", got)
	}
}

// What became of a write: saved and named, unknown, or not applied.
func TestOutcomesOfACreate(t *testing.T) {
	t.Parallel()
	unknown := func(err error) bool {
		var u interface{ Unknown() bool }
		return errors.As(err, &u) && u.Unknown()
	}
	for _, tt := range []struct {
		kind           string
		saved, unknown bool
		pages          int
	}{
		{emulator.FaultCommitted, true, false, 1}, {emulator.FaultGatewayAfter, false, true, 1}, {emulator.FaultDropAfter, false, true, 1}, {emulator.FaultGateway, false, true, 0},
	} {
		w := newWorkspace(t)
		p := w.pages("contact")
		s := w.schema("contact")
		if err := w.emu.Inject(emulator.Fault{Kind: tt.kind, Method: "POST", Path: "/v1/pages"}); err != nil {
			t.Fatal(err)
		}
		id, _, err := p.Create(t.Context(), s, "id-1", change.Image{"name": text("Ada")})
		w.emu.ClearFaults()
		if err == nil || (id != "") != tt.saved || !tt.saved && unknown(err) != tt.unknown {
			t.Errorf("%s: page %q, %v", tt.kind, id, err)
		}
		found, err := p.Find(t.Context(), s, "id-1")
		if err != nil || len(found) != tt.pages || tt.saved && found[0] != id {
			t.Errorf("%s: %v, %v", tt.kind, found, err)
		}
	}
}

// A page that cannot be found or is not shared is unknown, never deleted; a withdrawn token is everybody's trouble.
// A page that is related to one that the connection may not see is a matter of that record. It stopped the whole sync, with the advice to share a
// database that was shared.
func TestARelationToWhatIsNotSharedConcernsItsRecord(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	contacts, deals := w.pages("contact"), w.pages("deal")
	page, _, err := contacts.Create(t.Context(), w.schema("contact"), "id-1", change.Image{"name": text("Ada")})
	if err != nil {
		t.Fatal(err)
	}
	deal, _, err := deals.Create(t.Context(), w.schema("deal"), "id-2", change.Image{"title": text("Engine")})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ada.Unshare(page); err != nil {
		t.Fatal(err)
	}
	related := change.Image{"title": text("Loom"), "contact": change.TextSet(page)}
	_, _, created := deals.Create(t.Context(), w.schema("deal"), "id-3", related)
	_, updated := deals.Update(t.Context(), w.schema("deal"), deal, sink.PageUpdate{Values: related})
	for what, err := range map[string]error{"create": created, "update": updated} {
		var data *sink.DataError
		if !errors.As(err, &data) || sink.Fatal(err) || !strings.Contains(err.Error(), page) {
			t.Errorf("%s: %v: want an error of this record that names the page", what, err)
		}
	}
}

func TestWhatCannotBeReadIsGone(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	p := w.pages("contact")
	s := w.schema("contact")
	page, _, err := p.Create(t.Context(), s, "id-1", change.Image{"name": text("Ada")})
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := p.Read(t.Context(), s, "00000000-0000-4000-8000-000000000001"); err != nil || !seen.Gone || seen.InTrash {
		t.Errorf("%+v, %v", seen, err)
	}
	if err := w.ada.Move(page, w.schema("deal").DataSource); err != nil {
		t.Fatal(err)
	}
	if seen, err := p.Read(t.Context(), s, page); err != nil || !seen.Moved || seen.Gone || seen.InTrash {
		t.Errorf("moved: %+v, %v", seen, err)
	}
	client, err := notionapi.New(notionapi.Config{Token: "ntn_withdrawn", Transport: w.emu.Transport(), Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	other := &notion.Pages{Client: client, Entity: p.Entity, Schema: p.Schema}
	if _, err := other.Read(t.Context(), s, page); !sink.Fatal(err) {
		t.Errorf("a withdrawn token: %v", err)
	}
}

// A date that has an end in Notion keeps it when the CRM changes its begin.
func TestADateKeepsItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	p := w.pages("contact")
	s := w.schema("contact")
	page, _, err := p.Create(t.Context(), s, "id-1", change.Image{"name": text("Ada")})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ada.Edit(page, map[string]any{"Since": map[string]any{"date": map[string]any{"start": "2026-01-01", "end": "2026-12-31"}}}); err != nil {
		t.Fatal(err)
	}
	seen, err := p.Read(t.Context(), s, page)
	if err != nil {
		t.Fatal(err)
	}
	day := change.DateValue(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	after, err := p.Update(t.Context(), s, page, sink.PageUpdate{Values: change.Image{"since": day}, Current: seen.Properties})
	if err != nil || !strings.Contains(string(after.Properties), "2026-12-31") || !strings.Contains(string(after.Properties), "2026-02-01") {
		t.Errorf("%s, %v", after.Properties, err)
	}
}

// A relation with more pages than an answer holds is read whole.
func TestALongRelationIsReadWhole(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	w.compile(contactDocument, strings.Replace(dealDocument, `"column": "contact_id"`, `"join": {"table": "public.deal_contact", "source": "deal_id", "target": "contact_id"}`, 1))
	p, deals := w.pages("contact"), w.pages("deal")
	var ids []string
	for range 40 {
		id, _, err := p.Create(t.Context(), w.schema("contact"), "", change.Image{"name": text("Ada")})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	s := w.schema("deal")
	page, seen, err := deals.Create(t.Context(), s, "id-1", change.Image{"title": text("Engine"), "contact": change.TextSet(ids...)})
	if err != nil {
		t.Fatal(err)
	}
	read, err := deals.Read(t.Context(), s, page)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []string{string(seen.Properties), string(read.Properties)} {
		values, err := sink.PageValues(s, []byte(o))
		if err != nil || !change.Equal(values["contact"], change.TextSet(ids...)) {
			t.Errorf("%d of 40 targets, %v", len(values["contact"].Items()), err)
		}
	}
}

func TestEveryFieldTypeHasAPropertyType(t *testing.T) {
	t.Parallel()
	for _, typ := range mapping.Types {
		if _, err := notionapi.EncodeProperty(notion.PropertyType(typ), change.NullValue(), notionapi.EncodeOptions{}); err != nil && typ != mapping.TypeCheckbox {
			t.Errorf("%s is written as %s: %v", typ, notion.PropertyType(typ), err)
		}
	}
}
