package ledger_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// end is what is known of one end of a link as a whole.
type end int

const (
	notRead end = iota
	there
	elsewhere // out of the mapping's where, or moved to another database
	deleted   // with direct evidence
	lost      // not found, without evidence
)

var ends = []end{notRead, there, elsewhere, deleted, lost}

// record is one case of a link as a whole.
type record struct {
	state                  ledger.State
	row, page              end
	rowEdited, pageEdited  bool
	toPages, toRows        ledger.DeletePolicy
	writeNotion, writeCRM  bool
	trashing               bool // a trash of ours has an outcome that is not recorded
	hasKey, hasPage        bool
	createPages, createRow bool
	external               string
	quiet                  bool // nobody edited the page for long enough
}

func (r record) input() ledger.Input {
	in := ledger.Input{
		Rules: ledger.Rules{
			Fields:      []ledger.Policy{{Name: field, Rule: rule, ToNotion: true, ToCRM: true, Tie: ledger.CRM, Initial: ledger.CRM}},
			WriteNotion: r.writeNotion, WriteCRM: r.writeCRM, CreatePages: r.createPages, CreateRows: r.createRow, Quiet: 30 * time.Second,
			DeletesToPages: r.toPages, DeletesToRows: r.toRows, Skew: time.Second,
		},
		Link: ledger.Link{ID: 1, External: "x", State: r.state, Base: map[string]ledger.FieldBase{}},
		Now:  noon,
	}
	if r.hasKey && r.hasPage {
		in.Link.Base[field] = ledger.FieldBase{Value: one, Rule: rule, CRMSeen: noon.Add(-time.Hour), NotionSeen: noon.Add(-time.Hour)}
	}
	if r.hasKey {
		in.Link.Key, in.CRM = "k", r.view(r.row, r.rowEdited)
	}
	if r.hasPage {
		in.Link.Page, in.Notion = "p", r.view(r.page, r.pageEdited)
		in.Notion.External, in.Notion.EditedAt = r.external, noon.Add(-time.Hour)
		if !r.quiet {
			in.Notion.EditedAt = noon.Add(-time.Minute) // may be ten seconds ago: the minute is floored
		}
	}
	if r.trashing {
		in.Link.Intent = &ledger.Intent{Kind: ledger.IntentTrash, At: noon}
	}
	return in
}

func (r record) view(e end, edited bool) ledger.View {
	v := ledger.View{Image: change.Image{}, At: noon.Add(-time.Second), Until: noon}
	value := one
	if edited {
		value = two
	}
	switch e {
	case notRead:
		return v
	case there:
		v.Read, v.There, v.Scope = true, true, true
	case elsewhere:
		v.Read, v.There = true, true
	case deleted:
		v.Read, v.Deleted, v.Scope = true, true, true
	case lost:
		v.Read, v.Scope = true, true
	}
	if v.There || e == deleted {
		v.Image[field] = value
	}
	return v
}

// whole yields links with both ends.
func whole(yield func(record)) {
	policies := []ledger.DeletePolicy{ledger.DeletePropagate, ledger.DeleteHold, ledger.DeleteKeep}
	for _, state := range []ledger.State{ledger.Live, ledger.OutOfScope, ledger.Trashed, ledger.PageTrashed, ledger.RowDeleted, ledger.Vanished} {
		for _, row := range ends {
			for _, page := range ends {
				for edited := range 4 {
					for _, toPages := range policies {
						for _, toRows := range policies {
							for mode := range 8 {
								yield(record{state: state, row: row, page: page, rowEdited: edited&1 != 0, pageEdited: edited&2 != 0, toPages: toPages, toRows: toRows,
									writeNotion: mode&1 != 0, writeCRM: mode&2 != 0, trashing: mode&4 != 0, hasKey: true, hasPage: true, createPages: true, createRow: true, external: "x"})
							}
						}
					}
				}
			}
		}
	}
}

// halves yields links with one end.
func halves(yield func(record)) {
	for _, e := range ends {
		for flags := range 128 {
			r := record{state: ledger.Half, row: e, page: e, hasKey: flags&1 == 0, hasPage: flags&1 != 0, writeNotion: flags&2 != 0, writeCRM: flags&4 != 0,
				createPages: flags&8 != 0, createRow: flags&16 != 0, quiet: flags&32 != 0, rowEdited: flags&64 != 0, pageEdited: flags&64 != 0}
			for _, r.external = range []string{"", "x", "another"} {
				yield(r)
			}
		}
	}
}

func everyRecord(t *testing.T, each func(func(record)), law func(r record, in ledger.Input, d ledger.Decision) error) {
	t.Helper()
	count, broken := 0, 0
	each(func(r record) {
		count++
		in := r.input()
		if err := law(r, in, ledger.Decide(in)); err != nil {
			if broken++; broken <= 4 {
				t.Errorf("%v\n   in %+v", err, r)
			}
		}
	})
	if broken > 4 {
		t.Errorf("and %d more", broken-4)
	}
	if count < 1000 {
		t.Errorf("only %d records: the enumeration is broken", count)
	}
}

// Absence is not deletion, and what we did ourselves is no evidence of what somebody wants.
func TestARowIsDeletedOnlyOnEvidence(t *testing.T) {
	t.Parallel()
	done := 0
	everyRecord(t, whole, func(r record, _ ledger.Input, d ledger.Decision) error {
		if d.Row != ledger.RowDelete {
			return nil
		}
		done++
		switch {
		case r.page != deleted || r.row != there:
			return fmt.Errorf("a row is deleted though its page was not read in the trash, or the row is not there")
		case r.rowEdited:
			return fmt.Errorf("a row is deleted with an edit in it")
		case !r.writeCRM || r.toRows != ledger.DeletePropagate:
			return fmt.Errorf("a row is deleted against the mapping")
		case r.state == ledger.Trashed || r.trashing:
			return fmt.Errorf("the page is in the trash by our own doing, and the row that came back is deleted for it")
		case r.state == ledger.RowDeleted:
			return fmt.Errorf("the row was deleted once and came back, and is deleted again")
		case r.state == ledger.OutOfScope || r.state == ledger.Vanished:
			return fmt.Errorf("the page was trashed while the row was out of scope or not found, and the row is deleted for it")
		case d.State != ledger.RowDeleted:
			return fmt.Errorf("the link does not remember it: %q", d.State)
		}
		return nil
	})
	if done == 0 {
		t.Error("no row is ever deleted")
	}
}

func TestAPageIsTrashedOnlyOnEvidence(t *testing.T) {
	t.Parallel()
	done := 0
	everyRecord(t, whole, func(r record, _ ledger.Input, d ledger.Decision) error {
		if d.Page != ledger.PageTrash {
			return nil
		}
		done++
		switch {
		case r.row != deleted:
			return fmt.Errorf("a page is trashed though nobody saw its row deleted")
		case r.page == elsewhere:
			return fmt.Errorf("a page is trashed where somebody moved it to")
		case r.page != there:
			return fmt.Errorf("a page is trashed unread")
		case r.pageEdited:
			return fmt.Errorf("a page is trashed with an edit on it")
		case !r.writeNotion || r.toPages != ledger.DeletePropagate:
			return fmt.Errorf("a page is trashed against the mapping")
		case r.state == ledger.Trashed:
			return fmt.Errorf("somebody took the page back out of the trash, and it is put there again")
		case d.State != ledger.Trashed:
			return fmt.Errorf("the link does not remember it: %q", d.State)
		}
		return nil
	})
	if done == 0 {
		t.Error("no page is ever trashed")
	}
}

func TestWhatIsHeldOrUnknownIsNotWritten(t *testing.T) {
	t.Parallel()
	everyRecord(t, whole, func(r record, in ledger.Input, d ledger.Decision) error {
		restores := d.Page == ledger.PageRestore
		switch {
		case !reflect.DeepEqual(d, ledger.Decide(in)):
			return fmt.Errorf("decided twice, two answers")
		case len(d.Need) > 0 && !reflect.DeepEqual(d, ledger.Decision{Need: d.Need}):
			return fmt.Errorf("it needs a read, and decides already: %+v", d)
		case len(d.Holds) > 0 && (d.Row != "" || d.Page != "" && !restores):
			return fmt.Errorf("it is held and done at once: %+v", d)
		case d.Page != "" && !r.writeNotion, d.Row != "" && !r.writeCRM:
			return fmt.Errorf("a side that is only observed is written: %+v", d)
		case d.Row != "" && r.row != there:
			return fmt.Errorf("a row is written that is not there, or out of scope: %+v", d)
		case d.Page != "" && r.page != there && !restores:
			return fmt.Errorf("a page is written that is not there, or elsewhere: %+v", d)
		case restores && r.page != deleted:
			return fmt.Errorf("a page is restored that is not in the trash: %+v", d)
		case restores && r.state != ledger.Trashed && r.state != ledger.OutOfScope && !r.trashing:
			return fmt.Errorf("a page is restored that somebody else put in the trash: %+v", d)
		case r.row == lost && r.state == ledger.Live && (len(d.Holds) != 1 || d.Holds[0].Kind != "vanished" || d.State != ledger.Vanished):
			return fmt.Errorf("a row is not found, and nobody is told: %+v", d)
		case r.row == there && r.page == lost && (r.rowEdited || r.state != ledger.Live) && (len(d.Holds) != 1 || d.State != ledger.Vanished):
			return fmt.Errorf("a page is not found, and nobody is told: %+v", d)
		case d.Remove:
			return fmt.Errorf("a link with two ends is forgotten")
		case r.row == elsewhere && (d.State != ledger.OutOfScope || !d.Quiet()):
			return fmt.Errorf("leaving the scope does something: %+v", d)
		}
		return nil
	})
}

// An edit on one side and a delete on the other: the edit survives, and a person decides.
func TestAnEditSurvivesADelete(t *testing.T) {
	t.Parallel()
	everyRecord(t, whole, func(r record, _ ledger.Input, d ledger.Decision) error {
		if r.state != ledger.Live {
			return nil
		}
		held := len(d.Holds) == 1 && d.Holds[0].Kind == "delete_vs_edit"
		switch {
		case r.row == deleted && r.page == there && r.pageEdited && r.toPages == ledger.DeletePropagate && !held:
			return fmt.Errorf("the row's delete and the page's edit are not brought to a person: %+v", d)
		case r.row == there && r.page == deleted && r.rowEdited && !r.trashing && r.toRows == ledger.DeletePropagate && !held:
			return fmt.Errorf("the page's delete and the row's edit are not brought to a person: %+v", d)
		case r.row == deleted && r.page == deleted && r.trashing && r.pageEdited && r.writeNotion && r.toPages == ledger.DeletePropagate && (d.Page != ledger.PageRestore || !held):
			return fmt.Errorf("an edit between our read and our trash stays in the trash: %+v", d)
		}
		return nil
	})
}

func TestHalfLinks(t *testing.T) {
	t.Parallel()
	everyRecord(t, halves, func(r record, _ ledger.Input, d ledger.Decision) error {
		gone := r.row == deleted || r.row == lost || r.row == elsewhere
		side := r.hasPage
		mayCreate := r.row == there && (!side && r.createPages && r.writeNotion || side && r.createRow && r.writeCRM && r.quiet && r.external != "another")
		created := d.Page == ledger.PageCreate || d.Row == ledger.RowInsert
		switch {
		case created != mayCreate:
			return fmt.Errorf("created %t, want %t: %+v", created, mayCreate, d)
		case d.Remove != gone:
			return fmt.Errorf("removed %t, want %t: %+v", d.Remove, gone, d)
		case r.row == notRead && len(d.Need) != 1:
			return fmt.Errorf("decided unread: %+v", d)
		case side && r.row == there && r.external == "another" && r.writeNotion && (d.Page != ledger.PageUpdate || !d.Mark || d.Row != ""):
			return fmt.Errorf("a copy keeps another page's id: %+v", d)
		case side && r.row == there && r.external != "another" && r.createRow && !r.quiet && (d.Later.IsZero() || d.Row != ""):
			return fmt.Errorf("a page that somebody still edits is not waited for: %+v", d)
		case !d.Later.IsZero() && !d.Later.Equal(noon.Add(30*time.Second)):
			return fmt.Errorf("it waits until %s; the edit may be as late as the end of its minute, and 30 s must pass after it", d.Later)
		case !side && r.row == there && !r.createPages && d.Parked[""] == "", side && r.row == there && !r.createRow && r.external != "another" && d.Parked[""] == "":
			return fmt.Errorf("nobody is told why nothing is made: %+v", d)
		}
		return nil
	})
}

// One field that cannot be used keeps the whole record back where a record is made, and only itself where it exists.
func TestABadFieldKeepsANewRecordBack(t *testing.T) {
	t.Parallel()
	in := record{state: ledger.Half, row: there, hasKey: true, createPages: true, writeNotion: true}.input()
	in.Rules.Fields = append(in.Rules.Fields, ledger.Policy{Name: "g", Rule: rule, ToNotion: true, ToCRM: true})
	in.CRM.Bad = map[string]string{"g": "a comma cannot be in an option"}
	if d := ledger.Decide(in); d.Page != "" || len(d.ToNotion) > 0 || d.Parked["g"] == "" {
		t.Errorf("a page is made without its bad field: %+v", d)
	}
	in = record{state: ledger.Half, page: there, hasPage: true, createRow: true, writeCRM: true, quiet: true}.input()
	in.Notion.Image = change.Image{field: null}
	if d := ledger.Decide(in); d.Row != "" || d.Parked[""] == "" {
		t.Errorf("a row is made of an empty page: %+v", d)
	}
}
