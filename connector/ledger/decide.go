package ledger

import (
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// View is one side as it was read: canonical values, and what is known of their age.
type View struct {
	Read     bool                 // false: not read, or a read that does not count (invariant 3)
	There    bool                 // the row exists, or the page is not in the trash
	Scope    bool                 // the mapping's where holds, or the page stands in the entity's data source
	Deleted  bool                 // direct evidence: a delete event whose row is gone, a page read as trashed
	Image    change.Image         // canonical; a field that is missing was not read
	Bad      map[string]string    // field → why its value cannot be used, in plain words
	Waits    map[string]string    // field → what it waits for: a relation whose target is not linked yet
	At       time.Time            // begin of the read: it shows every edit made before, unless it lags
	Until    time.Time            // no edit that it shows was made later
	Hints    map[string]time.Time // field → an edit of it was made no earlier than this
	Editor   string               // who edited last, where the side knows
	EditedAt time.Time            // the page's floored minute
	External string               // the page's external id
	Guarded  map[string]string    // of Notion: field → why its value must not go to the CRM, in plain words
	Lags     bool                 // of Notion: a row of a query, whose index may show the page as it was a while ago
	Since    map[string]time.Time // of Notion: field → begin of the first read in an unbroken run that shows its value; missing: At
}

// Input is all that [Decide] sees.
type Input struct {
	Rules  Rules
	Link   Link
	CRM    View
	Notion View
	Chosen map[string]Side // field → the side whose value a person wants to stand, where the two differ; "": for the record as a whole
	Holds  []Hold          // of the link, with what people said of them
	Now    time.Time
}

// PageOp and RowOp are what a decision does to a side.
type (
	PageOp string
	RowOp  string
)

// The operations.
const (
	PageCreate  PageOp = "create"
	PageUpdate  PageOp = "update"
	PageTrash   PageOp = "trash"
	PageRestore PageOp = "restore"
	RowInsert   RowOp  = "create"
	RowUpdate   RowOp  = "update"
	RowDelete   RowOp  = "delete"
)

// Decision is what is to be done for one link. Its effects are carried out by the two sinks, each on its own side.
type Decision struct {
	Need      []Side // sides that must be read before anything can be decided; nothing else is set then
	Page      PageOp
	Row       RowOp
	ToNotion  change.Image // values for the page, by field
	ToCRM     change.Image // values for the row, by field
	Mark      bool         // the page's external id must be written (or cleared, where it is another page's)
	Observed  change.Image // what would have been written, were writing on
	Conflicts []Conflict
	Holds     []Hold
	Trips     []Trip               // of [Gate]: the brakes that held something
	State     State                // the link's state from now on; "" leaves it
	Remove    bool                 // the link has nothing behind it any more
	LetGo     bool                 // the link gives its page up: a person said that the row gets another one
	Parked    map[string]string    // field → why it is left out; "" as name: the whole record
	Waits     map[string]string    // field → what it waits for
	Typing    map[string]time.Time // field → its value in Notion may be typed still; a read that begins then or later tells
	Later     time.Time            // not zero: not yet; look again then

	agreed  places // fields that both sides show alike: see Agreed
	arrived places // fields of which the page shows what we sent, and nobody had recorded it
}

// Quiet reports that the decision does nothing to either side.
func (d Decision) Quiet() bool {
	return len(d.Need) == 0 && d.Page == "" && d.Row == "" && !d.Mark && len(d.Conflicts) == 0 && len(d.Holds) == 0 && !d.Remove && !d.LetGo
}

// Decide says what one link needs. It is pure and symmetric: the same input gives the same decision, and swapping the sides with
// mirrored rules mirrors it (two-way-sync.md 3.1).
func Decide(in Input) Decision {
	switch {
	case !in.CRM.Read && in.Link.Key != "":
		return Decision{Need: []Side{CRM}}
	case in.Link.Page == "":
		return decideRowOnly(in)
	case in.Link.Key == "":
		return decidePageOnly(in)
	case !in.CRM.There:
		return decideRowGone(in)
	case !in.CRM.Scope:
		return Decision{State: OutOfScope}
	case !in.Notion.Read:
		if crmAgrees(&in) {
			return Decision{State: Live}
		}
		return Decision{Need: []Side{Notion}}
	case !in.Notion.There || !in.Notion.Scope:
		return decidePageGone(in)
	}
	d := Decision{State: Live}
	decideFields(&in, &d)
	if in.Notion.External != in.Link.External && in.Rules.WriteNotion {
		d.Mark = true
	}
	finishOps(&d)
	return d
}

func finishOps(d *Decision) {
	if d.Page == "" && (len(d.ToNotion) > 0 || d.Mark) {
		d.Page = PageUpdate
	}
	if d.Row == "" && len(d.ToCRM) > 0 {
		d.Row = RowUpdate
	}
}

// CRMAgrees reports that the row shows the base and nothing waits from Notion: no request is needed to know that there is nothing to do.
func CRMAgrees(in Input) bool { return crmAgrees(&in) }

func crmAgrees(in *Input) bool {
	if in.Link.State != Live || in.Link.Intent != nil || in.Link.Seen != nil {
		return false
	}
	for i := range in.Rules.Fields {
		p := &in.Rules.Fields[i]
		value, read := in.CRM.Image[p.Name]
		if !read || len(in.CRM.Bad) > 0 && in.CRM.Bad[p.Name] != "" {
			return false
		}
		base, ok := in.Link.Base[p.Name]
		if !ok || base.Rule != p.Rule || base.Sent != nil || base.Stuck != nil || base.Back || !p.Alike(base.Value, value) {
			return false
		}
	}
	return true
}

// decideRowOnly is for a link without a page.
func decideRowOnly(in Input) Decision {
	switch {
	case !in.CRM.There || !in.CRM.Scope:
		return Decision{Remove: true}
	case in.declined(Notion):
		return Decision{Holds: []Hold{{Kind: "declined", Side: Notion, At: in.Now, Reason: "a person said that no page is made of this row"}}}
	case !in.Rules.CreatePages:
		return Decision{Parked: map[string]string{"": "the mapping does not create pages (creates.to_notion is off)"}}
	}
	d := Decision{Waits: in.CRM.Waits}
	values := change.Image{}
	for _, p := range in.Rules.Fields {
		if reason := in.CRM.Bad[p.Name]; reason != "" {
			d.park(p.Name, reason)
		}
		// Fields that travel to the CRM only are there too: a new page starts with what the CRM says.
		if v, ok := in.CRM.Image[p.Name]; ok {
			values[p.Name] = v
		}
	}
	switch {
	case len(d.Parked) > 0:
		return d // a row that cannot be a page as a whole is no page at all
	case !in.Rules.WriteNotion:
		d.Observed = values
	default:
		d.Page, d.ToNotion = PageCreate, values
	}
	return d
}

// declined reports that a person does not want the record on a side, and has not changed that since.
func (in *Input) declined(side Side) bool {
	switch in.Chosen[""] {
	case side:
		return true
	case side.Other():
		return false
	}
	for _, h := range in.Holds {
		if h.Kind == "declined" && h.Side == side {
			return true
		}
	}
	return false
}

// lagMost is how far behind a query's index may be: as far as its setting goes (notion.index.lag.ms).
const lagMost = 10 * time.Minute

// decidePageOnly is for a page that no row belongs to: a person made it, or duplicated one.
func decidePageOnly(in Input) Decision {
	n := in.Notion
	switch {
	case !n.Read:
		return Decision{Need: []Side{Notion}}
	case !n.There || !n.Scope:
		return Decision{Remove: true}
	case in.declined(CRM):
		return Decision{Holds: []Hold{{Kind: "declined", Side: CRM, At: in.Now, Reason: "a person said that no row is made of this page"}}}
	case n.External != "" && n.External != in.Link.External:
		// The id of another link: a copy of its page. Cleared, it is a new record.
		if !in.Rules.WriteNotion {
			return Decision{Parked: map[string]string{"": "the page is a copy of another and its id cannot be cleared while writing to Notion is off"}}
		}
		return Decision{Page: PageUpdate, Mark: true}
	case !in.Rules.CreateRows:
		return Decision{Parked: map[string]string{"": "the mapping does not make rows from pages (creates.to_crm is off)"}}
	}
	switch ready := n.EditedAt.Add(time.Minute + in.Rules.rest()); {
	case in.Now.Before(ready):
		return Decision{Later: ready}
	case n.At.Before(ready), n.Lags && n.At.Before(ready.Add(lagMost)):
		return Decision{Need: []Side{Notion}} // it rested when it was read, or since: only a later read can tell that nobody went on typing
	}
	d := Decision{Waits: n.Waits}
	values := change.Image{}
	for _, p := range in.Rules.Fields {
		if reason := n.Bad[p.Name]; reason != "" {
			d.park(p.Name, reason)
		}
		if reason := n.Guarded[p.Name]; reason != "" && p.ToCRM {
			d.park(p.Name, reason) // half a record is no record
		}
		if v, ok := n.Image[p.Name]; ok && p.ToCRM && !v.IsNull() {
			values[p.Name] = v
		}
	}
	switch {
	case len(d.Parked) > 0:
		return d
	case len(values) == 0:
		d.park("", "the page is empty: nothing to make a row of")
		return d
	case !in.Rules.WriteCRM:
		d.Observed = values
	default:
		d.Row, d.ToCRM = RowInsert, values
	}
	return d
}

// decideRowGone is for a link whose row is not there (any more).
func decideRowGone(in Input) Decision {
	if in.Chosen[""] != "" {
		if d, ok := chosenRowGone(in); ok {
			return d
		}
	}
	switch {
	case (in.Link.State == RowDeleted || in.Link.State == Trashed) && in.Notion.Read && in.Notion.There:
		return in.restored(Notion, "the page is there again after its row was deleted; a person has to say whether the row comes back")
	case in.Link.State == Trashed && (!in.Notion.Read || !in.Notion.There), in.Link.State == RowDeleted:
		return Decision{}
	case !in.CRM.Deleted:
		return Decision{State: Vanished, Holds: []Hold{{Kind: "vanished", Side: Notion, At: in.Now,
			Reason: "the row cannot be found, but no delete of it was seen; its page is left as it is"}}}
	case in.Rules.DeletesToPages == DeleteKeep:
		return Decision{State: OutOfScope}
	case !in.Notion.Read:
		return Decision{Need: []Side{Notion}}
	case in.Notion.Deleted && trashing(in.Link) && in.Chosen[""] != CRM && editedSince(&in, &in.Notion, false) && in.Rules.WriteNotion:
		// Somebody edited the page between our read and our trashing it: it comes back, and a person decides.
		return Decision{Page: PageRestore, Holds: []Hold{deleteVersusEdit(in.Now)}}
	case in.Notion.There && !in.Notion.Scope:
		return moved(in.Now)
	case !in.Notion.There:
		return Decision{State: Trashed} // both ends are gone, or the page cannot be reached: nothing to do
	case in.Rules.DeletesToPages == DeleteHold:
		return Decision{Holds: []Hold{{Kind: "trash_page", Side: Notion, At: in.Now, Reason: "the row was deleted; the mapping wants a person to decide about its page"}}}
	case editedSince(&in, &in.Notion, false):
		return Decision{Holds: []Hold{deleteVersusEdit(in.Now)}}
	case !in.Rules.WriteNotion:
		return Decision{}
	}
	if d, waits := in.grace(Notion, "the row was deleted; its page goes to the trash at %s, unless the row comes back"); waits {
		return d
	}
	return Decision{Page: PageTrash, State: Trashed}
}

// restored asks a person whether what was removed on a side comes back. What was said of it when it was asked first is said again: an undo knows more of it.
func (in *Input) restored(side Side, reason string) Decision {
	for _, h := range in.Holds {
		if h.Kind == "restored" && h.Side == side {
			reason = h.Reason
		}
	}
	return Decision{Holds: []Hold{{Kind: "restored", Side: side, At: in.Now, Reason: reason}}}
}

// grace lets a delete wait for as long as the mapping says, from when it was first seen.
func (in *Input) grace(side Side, reason string) (Decision, bool) {
	since := in.Now
	for _, h := range in.Holds {
		if h.Kind == "grace" && h.Side == side {
			since = h.At
		}
	}
	at := since.Add(in.Rules.Grace)
	if !in.Now.Before(at) {
		return Decision{}, false
	}
	reason = fmt.Sprintf(reason, at.UTC().Format("2006-01-02 15:04 UTC"))
	return Decision{Later: at, Holds: []Hold{{Kind: "grace", Side: side, At: since, Reason: reason}}}, true
}

// chosenRowGone does what a person said of a link whose row is gone and whose page is there.
func chosenRowGone(in Input) (Decision, bool) {
	switch {
	case !in.Notion.Read:
		return Decision{Need: []Side{Notion}}, true
	case !in.Notion.There || !in.Notion.Scope:
		return Decision{}, false
	case in.Chosen[""] == CRM && in.Rules.WriteNotion:
		return Decision{Page: PageTrash, State: Trashed}, true
	case in.Chosen[""] == Notion && in.Rules.WriteCRM:
		d := Decision{Row: RowInsert, State: Live, ToCRM: change.Image{}}
		for _, p := range in.Rules.Fields {
			if v, ok := in.Notion.Image[p.Name]; ok && p.ToCRM && !v.IsNull() {
				d.ToCRM[p.Name] = v
			}
		}
		return d, len(d.ToCRM) > 0
	}
	return Decision{}, false
}

func moved(now time.Time) Decision {
	return Decision{State: Vanished, Holds: []Hold{{Kind: "moved", At: now,
		Reason: "the page was moved out of its database; nothing is written to it while it stands elsewhere"}}}
}

func trashing(l Link) bool { return l.Intent != nil && l.Intent.Kind == IntentTrash }

func deleteVersusEdit(now time.Time) Hold {
	return Hold{Kind: "delete_vs_edit", Side: Notion, At: now, Reason: "the row was deleted while its page was edited; the edit is kept until a person decides"}
}

// EditedSince reports that a page shows an edit, since the base, of a field whose changes travel to the CRM.
func EditedSince(in Input, page View) bool { return editedSince(&in, &page, false) }

// decidePageGone is for a link whose row is there and whose page is in the trash, elsewhere, or not to be found.
func decidePageGone(in Input) Decision {
	n := in.Notion
	switch {
	case in.Chosen[""] == Notion && n.Deleted && in.Rules.WriteCRM:
		return deleteRow(&in)
	case in.Chosen[""] == CRM && !n.Deleted && in.Rules.WriteNotion:
		return Decision{LetGo: true}
	case in.Chosen[""] == CRM && n.Deleted && in.Rules.WriteNotion:
		return Decision{Page: PageRestore, State: Live}
	case n.There && !n.Scope:
		return moved(in.Now)
	case !n.Deleted:
		return Decision{State: Vanished, Holds: []Hold{{Kind: "vanished", At: in.Now,
			Reason: "the page cannot be read: it is not shared with the connection any more, in the trash with its database, or gone for good; its row is left as it is"}}}
	case in.Link.State == OutOfScope && !in.Rules.WriteNotion:
		return Decision{}
	case in.Link.State == OutOfScope:
		return Decision{Page: PageRestore, State: Live} // tidied away while its row was out of scope: that says nothing of the row, which is back in it
	case (in.Link.State == Trashed || trashing(in.Link)) && !in.Rules.WriteNotion:
		return Decision{State: Trashed} // we put the page there: that says nothing of the row
	case in.Link.State == Trashed || trashing(in.Link):
		return Decision{Page: PageRestore, State: Live} // the row came back: so does its page
	case in.Link.State == RowDeleted:
		return in.restored(CRM, "the row came back after it was deleted because its page is in the trash; a person has to say whether the page comes back")
	case in.Link.State == Vanished && in.Rules.DeletesToRows != DeleteKeep:
		return Decision{Holds: []Hold{{Kind: "delete_row", Side: CRM, At: in.Now,
			Reason: "the page was put in the trash while one of the two could not be found; a person has to decide about its row"}}}
	case in.Rules.DeletesToRows == DeleteKeep:
		return Decision{State: PageTrashed}
	case in.Rules.DeletesToRows == DeleteHold:
		return Decision{State: PageTrashed, Holds: []Hold{{Kind: "delete_row", Side: CRM, At: in.Now,
			Reason: "the page was put in the trash; the mapping wants a person to decide about its row"}}}
	case editedSince(&in, &in.CRM, true):
		return Decision{State: PageTrashed, Holds: []Hold{{Kind: "delete_vs_edit", Side: CRM, At: in.Now,
			Reason: "the page was put in the trash while its row was edited; the edit is kept until a person decides"}}}
	case !in.Rules.WriteCRM:
		return Decision{State: PageTrashed}
	}
	if d, waits := in.grace(CRM, "the page was put in the trash; its row is deleted at %s, unless the page comes back"); waits {
		d.State = PageTrashed
		return d
	}
	return deleteRow(&in)
}

// trashSeenMost is how old a look at a page in the trash may be when its row is deleted: what the poller saw may have waited for a grace period, a pause, or
// a queue, and somebody may have put the page back meanwhile.
const trashSeenMost = time.Minute

func deleteRow(in *Input) Decision {
	if in.Now.Sub(in.Notion.At) > trashSeenMost {
		return Decision{Need: []Side{Notion}}
	}
	return Decision{Row: RowDelete, State: RowDeleted}
}

// editedSince reports that a side shows something else than the base in a field whose changes travel from there. What cannot be used, or has to
// wait, may be an edit, and so may a value that was never agreed on: it cannot be told, so it counts as one.
func editedSince(in *Input, view *View, fromCRM bool) bool {
	for i := range in.Rules.Fields {
		p := &in.Rules.Fields[i]
		travels := p.ToCRM
		if fromCRM {
			travels = p.ToNotion
		}
		if !travels {
			continue
		}
		base, agreed := in.Link.Base[p.Name]
		v, read := view.Image[p.Name]
		switch {
		case view.Bad[p.Name] != "", view.Waits[p.Name] != "", read && agreed && !p.Alike(base.Value, v), read && !agreed && !isEmpty(v):
			return true
		}
	}
	return false
}

// Put records a field's value, or why there is none.
func (v *View) Put(field string, value change.Value, bad, waits string) {
	switch {
	case bad != "":
		v.Bad[field] = bad
	case waits != "":
		v.Waits[field] = waits
	case !value.IsAbsent():
		v.Image[field] = value
	}
}

// Guard records why a value of Notion must not go to the CRM, if there is a reason.
func (v *View) Guard(field, reason string) {
	if reason != "" {
		put(&v.Guarded, field, reason)
	}
}

func (d *Decision) park(field, reason string) { put(&d.Parked, field, reason) }

// put makes the map with its first entry: most decisions have nothing to say, and empty maps would be most of what they cost.
func put[M ~map[string]V, V any](m *M, name string, v V) {
	if *m == nil {
		*m = M{}
	}
	(*m)[name] = v
}
