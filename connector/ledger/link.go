package ledger

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// Side names one of the two places where an entity lives.
type Side string

// The two sides. As the side of a piece of work it names the sink that has to look: Notion's work is done by sink/notion.
const (
	CRM    Side = "crm"
	Notion Side = "notion"
)

// Other is the opposite side.
func (s Side) Other() Side {
	if s == CRM {
		return Notion
	}
	return CRM
}

// name is the side as people call it.
func (s Side) name() string {
	if s == CRM {
		return "the CRM"
	}
	return "Notion"
}

// State is what is known of a link as a whole.
type State string

const (
	// Half is a link of which one end is not there yet: a row without a page, or a page without a row.
	Half State = "half"
	// Live is a row and a page that belong together.
	Live State = "live"
	// OutOfScope is a link whose row no longer meets the mapping's where. The page is left alone.
	OutOfScope State = "out_of_scope"
	// Trashed is a link whose page is in the trash by our doing, after the row's delete.
	Trashed State = "trashed"
	// PageTrashed is a link whose page a person put in the trash, and whose row is still there. Relations to it read as empty in Notion.
	PageTrashed State = "page_trashed"
	// RowDeleted is a link whose row was deleted by our doing, after the page went to the trash.
	RowDeleted State = "row_deleted"
	// Vanished is a link one end of which cannot be found, without evidence of a delete. Nothing is written.
	Vanished State = "vanished"
)

// Link ties a row to a page. It exists from the first reason on, with one end empty, so that the lease is always on a link.
type Link struct {
	ID       int64
	Sync     string
	Entity   string
	Key      string // the CRM key's text; "" while no row is known
	Page     string // page id, lower case with dashes; "" while no page is known
	External string // the id that the page carries in its external id property, set when the link is made: see [ExternalFor]
	State    State

	Seq   int64 // grows by one with each write to the page and each stored observation (invariant 3)
	Epoch int64 // grows with each lease; a commit under another epoch is refused

	Base    map[string]FieldBase // by field name; a field that is missing has no base
	Seen    *Observation         // newest stored Notion observation, nil once it agrees with the base
	Intent  *Intent              // a remote write whose outcome is not recorded yet, nil else
	WroteAt time.Time            // when our newest write to the page was answered; zero if never
	ReadAt  time.Time            // when the newest page GET that was stored began; zero if never
	GotAt   time.Time            // when the newest page GET began whose answer the poller published; no sink's decision rests on it
	Emitted string               // content hash of the page as the poller emitted it last, or as our own write left it
}

// FieldBase is the value on which both sides last agreed, with what is known of its age on each side.
type FieldBase struct {
	Value      change.Value `json:"v"`
	Rule       string       `json:"r"`           // hash of the mapping rule under which it was agreed
	CRMSeen    time.Time    `json:"c,omitzero"`  // newest CRM snapshot that showed Value
	NotionSeen time.Time    `json:"n,omitzero"`  // when the page showed Value: begin of the newest read, by [View.Shown]
	Sent       *Sent        `json:"s,omitempty"` // a value that came back different once; twice makes the field stuck
	Stuck      *Stuck       `json:"k,omitempty"` // the field is left alone while both sides show these values
	Flips      []time.Time  `json:"f,omitempty"` // when the value went back to the one before the last; for the oscillation brake
	Before     change.Value `json:"b,omitzero"`  // the value before Value, absent if none: what a flip is recognised by
	Back       bool         `json:"w,omitempty"` // the CRM showed another value since, and went back to Value: there, Value is an edit
}

// IsZero lets encoding/json leave out what was never set.
func (b FieldBase) IsZero() bool { return b.Value.IsAbsent() }

// Sent is a value as it was written and as it came back.
type Sent struct {
	Side Side         `json:"side"`
	Sent change.Value `json:"sent"`
	Got  change.Value `json:"got"`
}

// Stuck is a pair of values that writing does not bring together: a side that changes what it is given, or two automations that fight.
// The field is left alone until either side shows something else.
type Stuck struct {
	CRM    change.Value `json:"crm"`
	Notion change.Value `json:"notion"`
	Reason string       `json:"reason"`
}

// Observation is one read of a page, as it stands in a notion.* event and on the link.
type Observation struct {
	Seq        int64                `json:"seq"`             // the link's Seq from before the read
	ReadFrom   time.Time            `json:"readFrom"`        // when the read began
	ReadTo     time.Time            `json:"readTo"`          // when the answer was there
	Edited     time.Time            `json:"edited"`          // last_edited_time: the edit lies in [Edited, Edited+60 s)
	EditedBy   string               `json:"editedBy"`        // user id of the last editor
	Created    time.Time            `json:"created"`         // created_time, cut to the minute
	InTrash    bool                 `json:"inTrash"`         // the page was read as trashed: evidence of a delete
	Gone       bool                 `json:"gone"`            // 404 or 403: unknown, never evidence
	Moved      bool                 `json:"moved"`           // the page stands in another data source
	Via        string               `json:"via"`             // poll, webhook, sweep, read
	External   string               `json:"external"`        // the external id property's text
	Hash       string               `json:"hash"`            // content hash over the mapped properties
	Properties json.RawMessage      `json:"properties"`      // {property id: property as Notion gives it}, mapped ones only
	Hints      map[string]time.Time `json:"hints,omitempty"` // property id → time of the newest webhook that named it
	Since      map[string]time.Time `json:"since,omitempty"` // property id → begin of the first read in an unbroken run that shows its value; missing: ReadFrom
}

// Follow tells of each property since when reads have shown it as it is now, given the read before this one. A property that is written down
// differently counts as changed: that costs time, and nothing else.
func (o *Observation) Follow(before *Observation) {
	if before == nil || len(before.Properties) == 0 || len(o.Properties) == 0 || !before.ReadFrom.Before(o.ReadFrom) {
		return
	}
	was := make(map[string]json.RawMessage, 16)
	since := make(map[string]time.Time, 16)
	same := func(id, value []byte) {
		old, ok := was[string(id)]
		if !ok || !sameJSON(old, value) {
			return
		}
		name := string(id)
		since[name] = before.ReadFrom
		if earlier, ok := before.Since[name]; ok {
			since[name] = earlier
		}
	}
	if change.Members(before.Properties, func(id, value []byte) { was[string(id)] = value }) != nil || change.Members(o.Properties, same) != nil {
		return
	}
	o.Since = nil
	if len(since) > 0 {
		o.Since = since
	}
}

func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// IntentKind says which remote write an [Intent] announces.
type IntentKind string

// The remote writes that have no transaction with the ledger.
const (
	IntentCreate IntentKind = "create"
	IntentUpdate IntentKind = "update"
	IntentTrash  IntentKind = "trash"
)

// Intent announces a write to Notion and stays until its outcome is recorded: after a crash or an unknown outcome it tells what
// the page may hold by our own hand, and marks the window in which a person's edit may have been overwritten.
type Intent struct {
	Kind     IntentKind   `json:"kind"`
	Values   change.Image `json:"values,omitempty"`  // field values sent
	Bases    change.Image `json:"bases,omitempty"`   // what the base becomes where that is not the value sent: see Decision.Bases
	ReadFrom time.Time    `json:"readFrom,omitzero"` // begin of the read on which the write was decided: the window opens here
	At       time.Time    `json:"at"`                // when the intent was stored; of one that has ended, when that was
	Ended    bool         `json:"ended,omitempty"`   // the request is over, and what came of it is not known; else it may still be on its way

	Properties map[string]string `json:"properties,omitempty"` // property id → field, of what is written over what was there: its window is kept
	// Again: a create that was given up came before this one, for its page could not be found. A page that carries the id may be that one's answer.
	Again bool `json:"again,omitempty"`
}

// Conflict is one field that both sides changed to different values, with the losing value, stored before it is overwritten.
type Conflict struct {
	ID           string       `json:"id"` // uuid; the alert carries the same
	Field        string       `json:"field"`
	Base         change.Value `json:"base,omitzero"`
	CRM          change.Value `json:"crm"`
	Notion       change.Value `json:"notion"`
	Winner       Side         `json:"winner"`
	Rule         string       `json:"rule"` // last_write_wins, tie, initial_authority, one_way, relation
	Undecidable  bool         `json:"undecidable"`
	CRMAfter     time.Time    `json:"crmAfter,omitzero"` // the CRM's edit lies in (CRMAfter, CRMBefore]
	CRMBefore    time.Time    `json:"crmBefore,omitzero"`
	NotionAfter  time.Time    `json:"notionAfter,omitzero"` // Notion's edit lies in (NotionAfter, NotionBefore]
	NotionBefore time.Time    `json:"notionBefore,omitzero"`
	Editor       string       `json:"editor,omitempty"` // Notion user who edited the page last
	Critical     bool         `json:"critical"`
	At           time.Time    `json:"at"`
	Tell         bool         `json:"tell,omitempty"`     // who edited the page is told by a comment on it
	Restores     string       `json:"restores,omitempty"` // the conflict whose losing value was put back; then the rule is restored
	By           string       `json:"by,omitempty"`       // who asked for that
	Reason       string       `json:"reason,omitempty"`   // and why, in their words
}

// Kept is the value that won.
func (c Conflict) Kept() change.Value {
	if c.Winner == CRM {
		return c.CRM
	}
	return c.Notion
}

// Loser is the side whose value lost, with the value.
func (c Conflict) Loser() (Side, change.Value) {
	if c.Winner == CRM {
		return Notion, c.Notion
	}
	return CRM, c.CRM
}

// Hold is a decision that waits for a human. One link has at most one hold of a kind and field.
type Hold struct {
	Kind   string    `json:"kind"`            // delete_row, trash_page, delete_vs_edit, vanished, restored, brake, oscillation, moved, rekey, conflict, grace, paused, match, declined
	Field  string    `json:"field,omitempty"` // the field that it keeps back, "" for the whole record
	Reason string    `json:"reason"`          // in plain words
	At     time.Time `json:"at"`
	Side   Side      `json:"side,omitempty"` // the side that would be written, "" if that is the question
	Op     string    `json:"op,omitempty"`   // of a brake: what it counts
	From   string    `json:"from,omitempty"` // of a field: what that side shows (Notion, where there is no side), cut for a list
	To     string    `json:"to,omitempty"`   // and what it would become (the CRM's, where there is no side)
	Mark   string    `json:"mark,omitempty"` // of a field: hash of what both sides show; what a person says is about this and nothing else

	Keep     Side      `json:"keep,omitempty"`     // whose state a person wants to stand, "" while nobody has said
	Until    time.Time `json:"until,omitzero"`     // when that runs out
	Approval int64     `json:"approval,omitempty"` // where it is written down who said so
}

// Name tells a link's holds apart: the kind, and the field behind a stroke if there is one.
func (h Hold) Name() string {
	if h.Field == "" {
		return h.Kind
	}
	return h.Kind + "/" + h.Field
}

// Alert is one message of the outbox. The relay publishes it at least once under its id.
type Alert struct {
	ID       string          `json:"id"`
	At       time.Time       `json:"at"`
	Kind     string          `json:"kind"` // conflict, hold, parked, overwritten, recovered, …
	Sync     string          `json:"sync"`
	Entity   string          `json:"entity"`
	Key      string          `json:"key"`
	Page     string          `json:"page"`
	Field    string          `json:"field,omitempty"`
	Critical bool            `json:"critical"`
	Summary  string          `json:"summary"`         // one sentence for a person
	Count    int             `json:"count,omitempty"` // so many alerts in one: a digest
	Detail   json.RawMessage `json:"detail,omitempty"`
	Link     int64           `json:"link,omitempty"`  // the link whose state it tells of, 0 if it tells of none
	State    string          `json:"state,omitempty"` // of a hold: its kind
}

// Write is one write to a side, recorded before it happens.
type Write struct {
	Side Side         `json:"side"`
	Op   string       `json:"op"` // create, update, delete, restore
	Old  change.Image `json:"old,omitempty"`
	New  change.Image `json:"new,omitempty"`
	Why  string       `json:"why"`

	Run       string            `json:"run,omitempty"`       // the process start, the plan or the undo that wrote
	By        string            `json:"by,omitempty"`        // whose edit it carried, or who gave the command
	Conflicts map[string]string `json:"conflicts,omitempty"` // field → id of the conflict that the write settled
}
