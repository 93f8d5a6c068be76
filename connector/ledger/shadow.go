package ledger

import "time"

// Shadow is a write that was not made, because its direction only observes: of one field, or of a whole record. The ledger keeps the newest of each link, side and
// field, and counts how often it was to be another than before: what was kept of days of looking is bounded by what there is to look at.
type Shadow struct {
	Link   int64     `json:"link"`
	Sync   string    `json:"-"`
	Entity string    `json:"entity"`
	Key    string    `json:"key,omitempty"`
	Page   string    `json:"page,omitempty"`
	Side   Side      `json:"side"`            // that would have been written
	Op     string    `json:"op"`              // create, update, delete, restore, hold
	Field  string    `json:"field,omitempty"` // of an update
	From   string    `json:"from,omitempty"`  // as people read it, cut
	To     string    `json:"to,omitempty"`
	At     time.Time `json:"at"`
	Times  int       `json:"times"`
}

// Same reports that another look said nothing new.
func (s Shadow) Same(o Shadow) bool { return s.Op == o.Op && s.From == o.From && s.To == o.To }

// ShadowSum counts what would have been written, by entity, side, op and field.
type ShadowSum struct {
	Entity  string    `json:"entity"`
	Side    Side      `json:"side"`
	Op      string    `json:"op"`
	Field   string    `json:"field,omitempty"`
	Records int       `json:"records"`
	Writes  int       `json:"writes"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}
