package ledger

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// Errors that every store of the ledger answers with.
var (
	// ErrFenced is returned when a commit's epoch is not the link's any more: another worker holds the lease now.
	ErrFenced = errors.New("the lease was taken by another worker")
	// ErrBraked is returned when a commit's brake counts as many writes in its window as it allows; nothing was stored.
	ErrBraked = errors.New("the brake holds: too many writes of this kind in its window")
	// ErrPaused is returned when a commit would record a write that is paused; nothing was stored.
	ErrPaused = errors.New("paused")
	// ErrTaken is returned when a commit would give a link an end (row or page) that another link has.
	ErrTaken = errors.New("the row or page belongs to another link")
)

// Lane orders work: live edits go before backfill.
type Lane string

// The lanes.
const (
	LaneLive     Lane = "live"
	LaneBackfill Lane = "backfill"
)

// Reason says why a link must be looked at. It names the link by one of its ends; a link that does not exist is made, half.
// Reasons for one link and side become one work row: the liveliest lane, the earliest first-seen, the newest transaction.
type Reason struct {
	Sync, Entity string
	Side         Side   // the sink that must look: Notion for a change of the row, CRM for one of the page
	Key          string // the row's key, or
	Page         string // the page's id, or
	Link         int64  // the link itself
	Lane         Lane
	Rank         int    // parents before children: the entity's place in the order of foreign keys
	Why          string // cdc, snapshot, poll, webhook, sweep, relation, reread, rekey, sync, retry
	Xid          uint32 // the row change's transaction id as logical decoding gives it, 0 if none
	CommitAt     time.Time
	Deleted      bool         // the row's delete event: evidence, to be confirmed by reading
	NewKey       string       // the row got this key: the link moves to it (if no link has it yet)
	Seen         *Observation // a read of the page that the reason brings along
	NotBefore    time.Time
}

// Work is the row of the work table for one link and side.
type Work struct {
	Side      Side
	Lane      Lane
	Rank      int
	Why       string // of the newest reason
	FirstSeen time.Time
	CommitAt  time.Time // newest commit time of its reasons, zero if none came from the CRM
	Xid       uint32    // newest transaction of its reasons, 0 if none
	Also      string    // older transactions of its reasons, with blanks between them: none of them need be visible where the newest is
	Deleted   bool      // one of its reasons was the row's delete event
	NotBefore time.Time
	Attempts  int    // failed looks since the last success
	Trouble   string // why the newest look failed, in plain words; "" if none did
	Version   int64  // grows with each reason: work that got a newer reason is not done
	Parked    string // why it waits for its cause to go; "" while it does not. A new reason sets it free.
}

// Claim asks for work and leases its links.
type Claim struct {
	Sync     string
	Entities []string // none means all of the sync
	Side     Side
	Max      int
	Holder   string        // who asks, for people
	Lease    time.Duration // longer than the longest request
	Now      time.Time
	Link     int64 // just this link, due or not; 0 for any that is due
	Lane     Lane  // only work of this lane; "" for any

	Connector string // what is paused for it, its entities, its keys or its direction is not taken
}

// Item is a leased link with its work. Works holds the claimed side's row first, then the other side's if there is one.
type Item struct {
	Link  Link
	Works []Work
	Holds []Hold // of the link, by kind

	Paused []string // fields of it that are paused
}

// Work gives the work row of a side.
func (it Item) Work(side Side) (Work, bool) {
	for _, w := range it.Works {
		if w.Side == side {
			return w, true
		}
	}
	return Work{}, false
}

// Commit is all that one step stores for one link, in one transaction, refused with [ErrFenced] under another epoch. Nil and zero
// parts change nothing.
type Commit struct {
	Link  int64
	Epoch int64
	Now   time.Time

	Key   *string // "" takes the end away
	Page  *string
	State *State
	// Absorb removes this other, half link and its work after taking over its page (or key): two halves became one link.
	Absorb int64

	Base     map[string]FieldBase // fields to set
	Unbase   []string             // fields to forget
	Seen     *Observation         // stores it with Seq = the link's new Seq, which grows by one; moves ReadAt to its ReadFrom if Via is "read"
	Unsee    bool                 // the observation agrees with the base: its properties are dropped
	Emitted  *string
	Intent   *Intent
	Intended bool         // the intent's outcome is recorded: it is dropped
	Settled  *Observation // of an open intent that Intent replaces: the read that shows what became of it. It closes its window and is not stored
	WroteAt  time.Time    // our write to the page was answered: Seq grows by one
	External string       // sets a new external id

	Conflicts []Conflict
	Holds     []Hold   // replaces the link's hold of the same kind and field
	Unhold    []string // kinds, or names of holds, to drop; "*" drops all
	Alerts    []Alert
	Writes    []Write // recorded, and counted by the brakes
	Counts    []Meter // what the brakes count the link as, from Now on
	Brakes    []Brake // checked before Writes are recorded, under a lock for each: ErrBraked
	Tripped   []Tripped
	Connector string // whose write it is: a pause that covers one of Writes refuses the commit with ErrPaused

	Reasons []Reason // work for this or other links, and for the other side
	Finish  *Finish
	Release bool // gives the lease back
	Remove  bool // removes the link with all of its work: it was a half link with nothing behind it
}

// Tripped tells of a brake that held something. Its alert is stored unless another link is held by that brake already: it tells of a change of
// state, from nothing held to something, not of each record.
type Tripped struct {
	Meter Meter
	Alert Alert
}

// Finish says what becomes of the claimed side's work row.
type Finish struct {
	Side    Side
	Version int64     // as claimed; if a newer reason came the row stays and is due at once
	Later   time.Time // not zero: look again then; Attempts grows by one if Failed
	Failed  bool
	Trouble string // of a failed look: why, in plain words
	Parked  string // not empty: wait for the cause to go; Attempts grows by one
}

// Schema is what the ledger knows of an entity's place in Notion. sink/notion owns it; the others wait for it.
type Schema struct {
	Workspace  string            `json:"workspace"`
	Database   string            `json:"database"`
	DataSource string            `json:"dataSource"`
	External   string            `json:"external"`         // id of the external id property
	Status     string            `json:"status,omitempty"` // id of the property in which pages say their state, "" for none
	Properties map[string]string `json:"properties"`       // field name → property id
	Types      map[string]string `json:"types"`            // field name → property type in Notion
	Parked     map[string]string `json:"parked,omitempty"` // field name → why it is left out for now

	// Names are the properties' names in the mapping when they were bound: another name there is the author's wish, another one in Notion is a
	// rename. Generations grow when a field gets another property, or its property was of another type for a while: what was agreed on before
	// says nothing of it. Kinds are the properties' types while they are not those of the mapping.
	Names       map[string]string `json:"names,omitempty"`
	Generations map[string]int    `json:"generations,omitempty"`
	Kinds       map[string]string `json:"kinds,omitempty"`
}

// Emitted is what the poller must know of a page before it emits its change.
type Emitted struct {
	Page    string
	Known   bool   // a link has the page
	Entity  string // the link's, if there is one: another entity's poller leaves the page alone
	Hash    string
	Seq     int64
	WroteAt time.Time
	ReadAt  time.Time // when the newest page GET began, a sink's or the poller's own
	Writing time.Time // a write to the page was announced, and the lease of who carries it out lasts until then; zero if no such write is open
}

// Emission is what the poller published of a page.
type Emission struct {
	Hash  string
	GotAt time.Time // when the page GET began that gave it; zero for a row of a query
}

// Fence proves that its holder still leads; it grows with each new leader.
type Fence int64

// Tally is one line of status: work of one entity, side and lane.
type Tally struct {
	Entity string
	Side   Side
	Lane   Lane
	Due    int       // waits to be looked at, at once or at its time
	Later  int       // of Due: not before a time that has not come (it settles, or is tried again)
	Parked int       // waits for a cause to go
	Oldest time.Time // first seen of the oldest due work, zero if none
}

// Count is what an entity has in all.
type Count struct {
	Entity    string
	Links     int // live
	Half      int
	Holds     int
	Conflicts int
	Alerts    int // not delivered yet
	Vanished  int
}

// Pending is work that waits for something, for people: parked, held, or tried in vain.
type Pending struct {
	Link  Link
	Work  []Work
	Holds []Hold
}

// Values reports the values of an image's fields in base.
func (l Link) Values() change.Image {
	im := make(change.Image, len(l.Base))
	for name, b := range l.Base {
		im[name] = b.Value
	}
	return im
}

// IDs lists the ids of the mapped properties and of the external id's, in order: all that is ever read of a page.
func (s Schema) IDs() []string {
	ids := make([]string, 0, len(s.Properties)+1)
	for _, field := range change.Sorted(s.Properties) {
		ids = append(ids, s.Properties[field])
	}
	if s.External != "" { // while a mapping only observes it may not be there yet
		ids = append(ids, s.External)
	}
	return ids
}

// Xids are all transactions of the work's reasons that are remembered: a snapshot counts if it contains every one of them.
func (w Work) Xids() []uint32 {
	var xids []uint32
	for _, text := range strings.Fields(w.Also) {
		if n, err := strconv.ParseUint(text, 10, 32); err == nil {
			xids = append(xids, uint32(n))
		}
	}
	if w.Xid != 0 {
		xids = append(xids, w.Xid)
	}
	return xids
}

// AlsoMax bounds the older transactions that are remembered. More than that in the moment before a look are visible long since.
const AlsoMax = 32

// Remember adds an older transaction.
func (w *Work) Remember(xid uint32) {
	text := strconv.FormatUint(uint64(xid), 10)
	known := strings.Fields(w.Also)
	if xid == 0 || xid == w.Xid || slices.Contains(known, text) {
		return
	}
	known = append(known, text)
	w.Also = strings.Join(known[max(0, len(known)-AlsoMax):], " ")
}
