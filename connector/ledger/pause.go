package ledger

import "time"

// Pausing is a row of the table of pauses: work that it covers waits, neither lost nor parked, until the row is gone. An empty part covers all
// of its kind; a row of nothing but empty parts stops everything.
type Pausing struct {
	ID        int64     `json:"id"`
	Sync      string    `json:"sync,omitempty"`
	Direction string    `json:"direction,omitempty"` // to_notion, to_crm
	Connector string    `json:"connector,omitempty"`
	Entity    string    `json:"entity,omitempty"`
	Key       string    `json:"key,omitempty"` // of the row, or the page's id
	Field     string    `json:"field,omitempty"`
	Since     time.Time `json:"since"`
	By        string    `json:"by"`
	Reason    string    `json:"reason,omitempty"`
	Kind      string    `json:"kind,omitempty"` // [PauseRestored], "" for a person's
}

// Way is a sink's work as pauses see it.
type Way struct {
	Sync      string
	Side      Side
	Connector string
}

// Direction names the way to a side.
func (s Side) Direction() string { return "to_" + string(s) }

// On reports that a pause concerns a way at all.
func (p Pausing) On(w Way) bool {
	if p.Kind == PauseRestored && w.Connector == PlanConnector {
		return false // what a person has looked at
	}
	return covers(p.Sync, w.Sync) && covers(p.Direction, w.Side.Direction()) && covers(p.Connector, w.Connector)
}

// All reports that it covers everything of an entity.
func (p Pausing) All(entity string) bool {
	return covers(p.Entity, entity) && p.Key == "" && p.Field == ""
}

// Link reports that it covers a link, or just its field Field.
func (p Pausing) Link(l Link) bool {
	return covers(p.Entity, l.Entity) && (p.Key == "" || p.Key == l.Key || p.Key == l.Page)
}

// Write reports that it covers a write to a link.
func (p Pausing) Write(l Link, w Write) bool {
	if !p.Link(l) {
		return false
	}
	_, writes := w.New[p.Field]
	return p.Field == "" || writes
}

func covers(part, name string) bool { return part == "" || part == name }

// Fields lists the fields of a link that pauses cover, and reports that one covers it whole.
func Fields(pauses []Pausing, w Way, l Link) (fields []string, whole bool) {
	for _, p := range pauses {
		switch {
		case !p.On(w) || !p.Link(l):
		case p.Field == "":
			return nil, true
		default:
			fields = append(fields, p.Field)
		}
	}
	return fields, false
}

// Refused gives the pause that covers one of a commit's writes.
func Refused(pauses []Pausing, l Link, c Commit) (Pausing, bool) {
	for _, w := range c.Writes {
		for _, p := range pauses {
			if p.On(Way{l.Sync, w.Side, c.Connector}) && p.Write(l, w) {
				return p, true
			}
		}
	}
	return Pausing{}, false
}

// HoldGroup is a number of holds that a person decides on together.
type HoldGroup struct {
	Kind   string    `json:"kind"`
	Entity string    `json:"entity"`
	Field  string    `json:"field,omitempty"`
	Side   Side      `json:"side,omitempty"` // the side that would be written
	Op     string    `json:"op,omitempty"`   // of a brake
	Count  int       `json:"count"`
	Chosen int       `json:"chosen"` // of Count: a person has said, and it is under way
	Oldest time.Time `json:"oldest"`
	Sample []Held    `json:"sample"`
}

// Held is one hold of a link, for people.
type Held struct {
	Hold
	Link int64  `json:"link"`
	Key  string `json:"key,omitempty"`
	Page string `json:"page,omitempty"`
}

// Selection names the holds that a person decides on. Empty parts select all.
type Selection struct {
	Sync   string `json:"sync"`
	Kind   string `json:"kind,omitempty"`
	Entity string `json:"entity,omitempty"`
	Field  string `json:"field,omitempty"`
	Side   Side   `json:"side,omitempty"`
	Op     string `json:"op,omitempty"`
	Link   int64  `json:"link,omitempty"` // of one record
}

// Ruling is what a person says of holds, written down before it has an effect.
type Ruling struct {
	Selection
	Choice string    `json:"choice"` // approve, reject, or keep
	Keep   Side      `json:"keep"`   // whose state stands, "" where the hold's own side says it: see For
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`
}

// Approval is a ruling as it stands in the table, with how many holds it was about.
type Approval struct {
	Ruling
	ID    int64 `json:"id"`
	Count int   `json:"count"`
}

// The choices.
const (
	Approve = "approve" // what is held is done
	Reject  = "reject"  // what is held is taken back: the side that would have been written stands
	Keep    = "keep"    // a side is named
)

// For says whose state stands for a hold, "" if the ruling does not fit it: what may be said depends on the kind.
func (r Ruling) For(h Hold) Side {
	keep := r.Keep
	switch {
	case r.Choice == Keep:
	case h.Side == "":
		return "" // which of two values stands has to be said by name
	case r.Choice == Approve:
		keep = h.Side.Other()
	case r.Choice == Reject:
		keep = h.Side
	}
	if c := h.Choices(); c[keep] == "" {
		return ""
	}
	return keep
}

// Choices says, in plain words, what each side's state standing would mean; a side that is missing cannot be chosen.
func (h Hold) Choices() map[Side]string {
	switch h.Kind {
	case "brake":
		return h.brakeChoices()
	case "conflict", "oscillation":
		return map[Side]string{CRM: "the CRM's value goes to Notion", Notion: "Notion's value goes to the CRM"}
	case "trash_page", "vanished":
		if h.Side == Notion {
			return map[Side]string{CRM: "the page goes to the trash", Notion: "the row is made again from its page, under a new key"}
		}
		return map[Side]string{CRM: "the row gets a new page; the one that cannot be read is let go, and would be a new record if it came back"}
	case "moved":
		return map[Side]string{CRM: "the row gets a new page in its database; the one that was moved is let go"}
	case "rekey":
		return map[Side]string{CRM: "its page goes to the trash; the row keeps the page that it has under its new key"}
	case "declined":
		if h.Side == Notion {
			return map[Side]string{CRM: "the page is made after all"}
		}
		return map[Side]string{Notion: "the row is made after all"}
	case "match":
		switch h.Side {
		case Notion:
			return map[Side]string{CRM: "it is a record of its own: its page is made"}
		case CRM:
			return map[Side]string{Notion: "it is a record of its own: its row is made"}
		}
	case "delete_row":
		return map[Side]string{Notion: "the row is deleted", CRM: "the page comes back from the trash"}
	case "delete_vs_edit", "restored":
		if h.Side == Notion {
			return map[Side]string{CRM: "the page goes to the trash", Notion: "the row is made again from its page, under a new key"}
		}
		return map[Side]string{Notion: "the row is deleted", CRM: "the page comes back from the trash"}
	case "grace":
		if h.Side == Notion {
			return map[Side]string{CRM: "the page goes to the trash now", Notion: "the row is made again from its page, under a new key"}
		}
		return map[Side]string{Notion: "the row is deleted now", CRM: "the page comes back from the trash"}
	}
	return nil
}

func (h Hold) brakeChoices() map[Side]string {
	switch {
	case h.Field != "" && h.Side == Notion:
		return map[Side]string{CRM: "the CRM's new value goes to Notion", Notion: "the CRM gets its old value back"}
	case h.Field != "":
		return map[Side]string{Notion: "Notion's new value goes to the CRM", CRM: "Notion gets its old value back"}
	case h.Op == OpCreate && h.Side == Notion:
		return map[Side]string{CRM: "the page is made", Notion: "no page is made of the row"}
	case h.Op == OpCreate:
		return map[Side]string{Notion: "the row is made", CRM: "no row is made of the page"}
	case h.Side == Notion:
		return map[Side]string{CRM: "the page goes to the trash", Notion: "the row is made again from its page, under a new key"}
	}
	return map[Side]string{Notion: "the row is deleted", CRM: "the page comes back from the trash"}
}
