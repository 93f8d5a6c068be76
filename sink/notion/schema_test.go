package notion_test

import (
	"context"
	"errors"
	"strings"
	"sync"
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

func TestDatabasesAndPropertiesAreMadeOnce(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	w.ensure(w.owner("a"))
	if n := w.databases(); n != 2 {
		t.Fatalf("%d databases", n)
	}
	contact, deal := w.schema("contact"), w.schema("deal")
	for name, kind := range map[string]string{"name": notionapi.TypeTitle, "email": notionapi.TypeEmail, "note": notionapi.TypeRichText, "stage": notionapi.TypeSelect, "since": notionapi.TypeDate} {
		if p, ok := w.live("contact").Property(contact.Properties[name]); !ok || p.Type != kind {
			t.Errorf("%s is %+v", name, p)
		}
	}
	if stage, _ := w.live("contact").Property(contact.Properties["stage"]); len(stage.Options) != 2 {
		t.Errorf("options: %+v", stage.Options)
	}
	relation, _ := w.live("deal").Property(deal.Properties["contact"])
	if relation.Relation == nil || relation.Relation.DataSourceID != contact.DataSource || !relation.Relation.Dual {
		t.Errorf("the relation is %+v", relation.Relation)
	}
	if _, ok := w.live("contact").ByName("Deals"); !ok {
		t.Error("the relation has no other end")
	}
	w.spent()
	w.ensure(w.owner("a"))
	w.ensure(w.owner("b")) // another process, with the ledger's knowledge
	if writes := w.spent(); len(writes) != 0 || !cmp.Equal(w.schema("contact"), contact) || !cmp.Equal(w.schema("deal"), deal) {
		t.Errorf("a second time: %v", writes)
	}
}

// A ledger that was lost, or a database that people made: what is there under the name is adopted, with its properties.
func TestWhatIsThereUnderTheNameIsAdopted(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	w.ensure(w.owner("a"))
	before := w.schema("contact")
	if err := w.ada.RenameProperty(before.DataSource, "Note", "Remarks"); err != nil {
		t.Fatal(err)
	}
	w.spent()
	w.ensure(w.owner("a")) // known by id: a renamed property is a non-event
	if writes := w.spent(); len(writes) != 0 || w.schema("contact").Properties["note"] != before.Properties["note"] {
		t.Errorf("a rename: %v", writes)
	}
	if err := w.ada.RenameProperty(before.DataSource, "Remarks", "Note"); err != nil {
		t.Fatal(err)
	}
	fresh := newWorkspace(t)
	w.store = fresh.store
	w.ensure(w.owner("a"))
	if writes := w.spent(); len(writes) != 0 || w.databases() != 2 || !cmp.Equal(w.schema("contact"), before) {
		t.Errorf("adopted with %v: %+v", writes, cmp.Diff(before, w.schema("contact")))
	}
}

func TestTwoProcessesMakeOneDatabase(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	var group sync.WaitGroup
	for _, holder := range []string{"a", "b", "c"} {
		group.Go(func() {
			for range 100 {
				err := w.owner(holder).Ensure(t.Context())
				var elsewhere *notion.ErrElsewhere
				switch {
				case err == nil:
					return
				case errors.As(err, &elsewhere):
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	w.advance(10 * time.Minute)
	w.ensure(w.owner("d"))
	if n := w.databases(); n != 2 {
		t.Errorf("%d databases", n)
	}
}

// The answer to the creation of a database is lost: the next try finds it by its title.
func TestADatabaseOfUnknownOutcomeIsFound(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{emulator.FaultDropAfter, emulator.FaultGatewayAfter, emulator.FaultCommitted, emulator.FaultGateway} {
		w := newWorkspace(t)
		if err := w.emu.Inject(emulator.Fault{Kind: kind, Method: "POST", Path: "/v1/databases", Count: 1}); err != nil {
			t.Fatal(err)
		}
		s := w.owner("a")
		for try := 0; ; try++ {
			if err := s.Ensure(t.Context()); err == nil {
				break
			} else if try > 3 {
				t.Fatalf("%s: %v", kind, err)
			}
			w.advance(time.Minute)
		}
		if n := w.databases(); n != 2 {
			t.Errorf("%s: %d databases", kind, n)
		}
	}
}

// A property of another type parks its field; everything else goes on, and it is taken up when the cause is gone.
func TestAPropertyOfAnotherTypeParksItsField(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	w.ensure(w.owner("a"))
	s := w.schema("contact")
	if err := w.ada.RetypeProperty(s.DataSource, "Email", "rich_text"); err != nil {
		t.Fatal(err)
	}
	if err := w.ada.DeleteProperty(s.DataSource, "Since"); err != nil {
		t.Fatal(err)
	}
	w.spent()
	w.ensure(w.owner("a"))
	parked := w.schema("contact").Parked
	if !strings.Contains(parked["email"], "rich_text") || !strings.Contains(parked["since"], "deleted") || len(parked) != 2 || len(w.spent()) != 0 {
		t.Fatalf("%+v", parked)
	}
	if err := w.ada.RetypeProperty(s.DataSource, "Email", "email"); err != nil {
		t.Fatal(err)
	}
	w.ensure(w.owner("a"))
	if parked = w.schema("contact").Parked; parked["email"] != "" || parked["since"] == "" {
		t.Errorf("%+v", parked)
	}
}

func TestAMissingPropertyIsAddedLater(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	w.ensure(w.owner("a"))
	w.compile(strings.Replace(contactDocument, `"fields": [`, `"fields": [{"name": "phone", "column": "phone", "property": "Phone", "type": "phone"},`, 1), dealDocument)
	w.spent()
	w.ensure(w.owner("a"))
	p, ok := w.live("contact").Property(w.schema("contact").Properties["phone"])
	if writes := w.spent(); !ok || p.Type != notionapi.TypePhoneNumber || !cmp.Equal(writes, []string{"PATCH data_sources"}) {
		t.Errorf("%+v after %v", p, writes)
	}
}

func TestCustomFieldsGetTheirPropertiesWhenTheyAppear(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	a, b := w.owner("a"), w.owner("b")
	a.Custom = map[string]notion.CustomNames{"contact": func(context.Context) ([]mapping.CustomName, error) {
		return []mapping.CustomName{{Name: "custom.birthday", Rows: 3, Distinct: 3, Samples: []change.Value{change.TextValue("1815-12-10")}}}, nil
	}}
	w.ensure(a)
	w.ensure(b)
	s := w.schema("contact")
	if p, ok := w.live("contact").Property(s.Properties["custom.birthday"]); !ok || p.Type != notionapi.TypeDate {
		t.Fatalf("%+v of %+v", p, s.Properties)
	}
	e := w.entity("contact")
	field := func(name string, v change.Value) mapping.Field {
		f, ok := e.FieldFor(name, v)
		if !ok {
			t.Fatalf("no field for %s", name)
		}
		return f
	}
	// Two processes come upon a new name at the same time, and one of them upon another.
	shoe := field("custom.shoe", change.DecimalValue("42"))
	if _, err := a.Extend(t.Context(), e, []mapping.Field{shoe}); err != nil {
		t.Fatal(err)
	}
	got, err := b.Extend(t.Context(), e, []mapping.Field{shoe, field("custom.vip", change.BoolValue(true))})
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	for _, p := range w.live("contact").Properties {
		if strings.EqualFold(p.Name, "shoe") {
			names++
		}
	}
	if names != 1 || got.Types["custom.shoe"] != "number" || got.Types["custom.vip"] != "checkbox" || got.Properties["custom.birthday"] != s.Properties["custom.birthday"] ||
		!cmp.Equal(got, w.schema("contact")) {
		t.Errorf("%d properties, %+v", names, got)
	}
}

// What a person has to do is said in a sentence, and stops the connector rather than one record.
func TestWhatOnlyAPersonCanMend(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	nowhere := w.owner("a")
	nowhere.ParentPage = ""
	if err := nowhere.Ensure(t.Context()); !sink.Fatal(err) || !strings.Contains(err.Error(), "notion.parent.page") {
		t.Errorf("no place for databases: %v", err)
	}
	hidden := w.owner("a")
	hidden.ParentPage = "00000000-0000-4000-8000-000000000001"
	if err := hidden.Ensure(t.Context()); !sink.Fatal(err) || !strings.Contains(err.Error(), "not shared") {
		t.Errorf("a page that is not shared: %v", err)
	}
	w.ensure(w.owner("a"))
	if err := w.ada.Unshare(w.emu.RootPageID()); err != nil {
		t.Fatal(err)
	}
	if err := w.owner("a").Ensure(t.Context()); !sink.Fatal(err) || !strings.Contains(err.Error(), "not shared") {
		t.Errorf("a database that is not shared any more: %v", err)
	}
}

// The external id's property is what ties pages to rows. Without it creates could not be looked up: it has to be there, or come back.
func TestTheExternalIDsPropertyComesBack(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	w.ensure(w.owner("a"))
	s := w.schema("contact")
	prop, ok := w.live("contact").Property(s.External)
	if !ok {
		t.Fatal("no such property")
	}
	if err := w.ada.DeleteProperty(s.DataSource, prop.Name); err != nil {
		t.Fatal(err)
	}
	w.ensure(w.owner("a"))
	if _, ok := w.live("contact").Property(w.schema("contact").External); !ok {
		t.Error("the schema names a property that is not there: every write would be refused")
	}
	if err := w.ada.RetypeProperty(s.DataSource, prop.Name, "number"); err != nil {
		t.Fatal(err)
	}
	if err := w.owner("a").Ensure(t.Context()); !sink.Fatal(err) || !strings.Contains(err.Error(), prop.Name) {
		t.Errorf("the id's property cannot hold ids any more: %v", err)
	}
}

// Recall is for those who only look: it asks Notion nothing, and does not stand in the way of what comes after.
func TestRecallAsksNothing(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	w.ensure(w.owner("a"))
	w.spent()
	looks := w.owner("b")
	if err := looks.Recall(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, _ := w.entity("contact").FieldFor("custom.shoe", change.DecimalValue("42"))
	if got, err := looks.Extend(t.Context(), w.entity("contact"), []mapping.Field{f}); err != nil || got.Properties["custom.shoe"] == "" {
		t.Errorf("%+v, %v", got, err)
	}
}
