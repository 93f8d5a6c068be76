package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// What brakes count. A blank is an update that leaves nothing where there was something; it counts as both.
const (
	OpDelete = "delete"
	OpCreate = "create"
	OpUpdate = "update"
	OpBlank  = "blank"
	// OpTransaction is the brake of what one transaction of the CRM did; it counts rows as they become reasons, not writes.
	OpTransaction = "transaction"
)

// Limit is one brake's: so many records in the window are always allowed, or this share of the entity's live links, whichever is more.
type Limit struct {
	Max   int
	Share float64
}

// Allows is how many records the limit allows of so many links.
func (l Limit) Allows(links int) int { return max(l.Max, int(l.Share*float64(links))) }

// Never reports that the limit cannot be exceeded: all of the links are allowed.
func (l Limit) Never() bool { return l.Share >= 1 }

// Limits are the brakes of one entity, the same for both directions, each counted by itself.
type Limits struct {
	Deletes     Limit
	Creates     Limit
	Updates     Limit // of one field
	Blanks      Limit // of one field: a value that becomes empty
	Transaction Limit // links that one transaction of the CRM touched

	FlipsMax int // a field that went back and forth so often in Window is held
	Window   time.Duration
}

// DefaultLimits are the brakes that a mapping has which says nothing, with their reasons:
//   - deletes, max(5, 1 %) an hour: people delete a few records by hand, and a delete loses most;
//   - blanks of one field, max(20, 0.5 %): emptying is a delete of one field, and rarer than deleting;
//   - updates of one field, max(500, 2 %): 500 changes in an hour is more than an office makes by hand in one field, and where Microsoft
//     Entra Connect draws its line; 2 % of a large table is a program at work;
//   - creates, max(1000, 10 %): lists are imported, and a record too many is the cheapest to take back. A first sync, and what snapshots and
//     sweeps find, does not count;
//   - one transaction, max(500, 2 %): one statement that changes so much is held as a whole, not for what is over the limit.
func DefaultLimits() Limits {
	return Limits{
		Deletes: Limit{5, 0.01}, Blanks: Limit{20, 0.005}, Updates: Limit{500, 0.02}, Creates: Limit{1000, 0.10}, Transaction: Limit{500, 0.02},
		FlipsMax: 3, Window: time.Hour,
	}
}

// Of gives the limit of an op.
func (l Limits) Of(op string) Limit {
	switch op {
	case OpDelete:
		return l.Deletes
	case OpCreate:
		return l.Creates
	case OpBlank:
		return l.Blanks
	case OpTransaction:
		return l.Transaction
	}
	return l.Updates
}

// Meter is what one brake counts: the links that one op was done to on one side, of one field if it is about fields. A link counts once,
// however often it was written to in the window: a record that is edited all day, or tried again and again, is one record.
type Meter struct {
	Side  Side   `json:"side"`
	Op    string `json:"op"`
	Field string `json:"field,omitempty"`
}

// Name tells meters of one entity apart.
func (m Meter) Name() string { return string(m.Side) + "/" + m.Op + "/" + m.Field }

// Brake is a limit as it is checked once more when the write is recorded.
type Brake struct {
	Meter
	Max    int // other links in the window, this one included
	Window time.Duration
}

// Trip is a brake that held something: of what, how much was counted, and how much is allowed.
type Trip struct {
	Meter
	Counted int
	Allowed int
}

// Transaction is what is known of the largest transaction of the CRM among a work's reasons.
type Transaction struct {
	Xid     uint32
	Links   int
	Deletes int
}

// Counters are what the ledger counted for a decision's writes.
type Counters struct {
	Touched     map[Meter]int // other links in the window
	Links       int           // live links of the entity
	Transaction Transaction
	Unbraked    bool // creates are not braked: this is a first sync, a snapshot or a sweep
}

// Counts lists what a decision would be counted as, in a fixed order: what must be asked of the ledger before [Gate].
func Counts(in Input, d Decision) []Meter {
	var counts []Meter
	switch {
	case d.Row == RowDelete:
		counts = append(counts, Meter{Side: CRM, Op: OpDelete})
	case d.Row == RowInsert:
		counts = append(counts, Meter{Side: CRM, Op: OpCreate})
	case d.Row == RowUpdate:
		counts = append(counts, fieldCounts(in, CRM, d.ToCRM)...)
	}
	switch {
	case d.Page == PageTrash:
		counts = append(counts, Meter{Side: Notion, Op: OpDelete})
	case d.Page == PageCreate:
		counts = append(counts, Meter{Side: Notion, Op: OpCreate})
	case d.Page == PageUpdate:
		counts = append(counts, fieldCounts(in, Notion, d.ToNotion)...)
	}
	return counts
}

// fieldCounts leaves fields out that were never agreed on under their present rule: filling a new property, or adopting a link, is the
// mapping's doing, not a mass change.
func fieldCounts(in Input, side Side, values change.Image) []Meter {
	var counts []Meter
	for _, name := range change.Sorted(values) {
		if p, ok := in.Rules.policy(name); !ok || !agreed(&in, p) {
			continue
		}
		counts = append(counts, Meter{Side: side, Op: OpUpdate, Field: name})
		if blank(values[name]) && !blank(in.on(side).Image[name]) {
			counts = append(counts, Meter{Side: side, Op: OpBlank, Field: name})
		}
	}
	return counts
}

func (r *Rules) policy(name string) (*Policy, bool) {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return &r.Fields[i], true
		}
	}
	return nil, false
}

// blank is nothing where a person would see nothing; an unchecked box is an answer.
func blank(v change.Value) bool { return isEmpty(v) && v.Kind() != change.Bool }

func agreed(in *Input, p *Policy) bool {
	_, ok := agreedBefore(in, p)
	return ok
}

func (in *Input) on(side Side) *View {
	if side == CRM {
		return &in.CRM
	}
	return &in.Notion
}

// gate is one decision's way through the brakes.
type gate struct {
	in     Input
	limits Limits
	count  Counters
	brakes []Brake
	counts []Meter
	trips  []Trip
}

// Gate takes from a decision what the brakes do not allow, and puts holds in its place; the rest of the record goes on. What it lets through
// comes back as brakes, each to be checked once more, exactly, when the write is recorded (several workers may stand at the gate at once), and
// as what the write counts as. What a person approved passes, uncounted; what is held already stays held, whatever the count is by now.
func Gate(in Input, d Decision, limits Limits, count Counters) (Decision, []Brake, []Meter) {
	d = holdOscillation(in, d, limits)
	g := &gate{in: in, limits: limits, count: count}
	asked := Counts(in, d)
	for _, c := range asked {
		if c.Field == "" {
			if tripped := g.record(c); tripped != nil {
				return Decision{Holds: []Hold{*tripped}, Trips: g.trips}, nil, nil
			}
		}
	}
	d.ToNotion, d.ToCRM = maps.Clone(d.ToNotion), maps.Clone(d.ToCRM)
	held := map[string]bool{}
	for _, c := range asked {
		if c.Field == "" || held[c.Field] {
			continue
		}
		if tripped := g.field(c, asked); tripped != nil {
			held[c.Field] = true
			d = withhold(d, *tripped)
		}
	}
	g.drop(held)
	d.Trips = g.trips
	for i := range d.Holds {
		if h := &d.Holds[i]; h.Field != "" && h.Mark == "" {
			h.describe(&in, h.Field)
		}
	}
	return finishHeld(d), g.brakes, g.counts
}

// record asks about a write of the whole record.
func (g *gate) record(c Meter) *Hold {
	if h, ok := g.in.approved("brake", "", c.Side.Other()); ok && h.Op != "" || g.in.Chosen[""] != "" {
		return nil
	}
	if c.Op == OpCreate && g.count.Unbraked {
		return nil
	}
	if c.Op == OpDelete && c.Side == Notion {
		if limit := g.limits.Deletes.Allows(g.count.Links); !g.limits.Deletes.Never() && g.count.Transaction.Deletes > limit {
			return g.hold(c, OpTransaction, g.count.Transaction.Deletes, limit)
		}
	}
	return g.ask(c)
}

// field asks about a write of one field. Blanks come behind updates: the lower limit speaks where both would.
func (g *gate) field(c Meter, asked []Meter) *Hold {
	if _, ok := g.in.approved("brake", c.Field, c.Side.Other()); ok || g.in.Chosen[c.Field] != "" {
		return nil
	}
	if c.Side == Notion && c.Op == OpUpdate {
		limit := g.limits.Transaction.Allows(g.count.Links)
		if !g.limits.Transaction.Never() && g.count.Transaction.Links > limit {
			return g.hold(c, OpTransaction, g.count.Transaction.Links, limit)
		}
	}
	blank := Meter{Side: c.Side, Op: OpBlank, Field: c.Field}
	if c.Op == OpUpdate && slices.Contains(asked, blank) {
		if tripped := g.tripped(blank); tripped != nil {
			return tripped
		}
	}
	return g.ask(c)
}

func (g *gate) ask(c Meter) *Hold {
	if tripped := g.tripped(c); tripped != nil {
		return tripped
	}
	if limit := g.limits.Of(c.Op); !limit.Never() {
		g.brakes = append(g.brakes, Brake{Meter: c, Max: limit.Allows(g.count.Links), Window: g.limits.Window})
	}
	g.counts = append(g.counts, c)
	return nil
}

// tripped tells whether a brake holds: it is full, or it held this very thing before and nobody has said what is to become of it.
func (g *gate) tripped(c Meter) *Hold {
	limit := g.limits.Of(c.Op)
	if limit.Never() {
		return nil
	}
	allowed := limit.Allows(g.count.Links)
	for _, h := range g.in.Holds {
		if h.Kind == "brake" && h.Field == c.Field && h.Side == c.Side && (h.Op == c.Op || h.Op == OpTransaction && c.Op != OpBlank) {
			return g.hold(c, h.Op, g.count.Touched[c], allowed)
		}
	}
	if g.count.Touched[c] >= allowed {
		return g.hold(c, c.Op, g.count.Touched[c], allowed)
	}
	return nil
}

func (g *gate) hold(c Meter, op string, counted, allowed int) *Hold {
	h := Hold{Kind: "brake", Field: c.Field, Side: c.Side, Op: op, At: g.in.Now}
	g.trips = append(g.trips, Trip{Meter: Meter{Side: c.Side, Op: op, Field: c.Field}, Counted: counted, Allowed: allowed})
	h.Reason = brakeInWords(c, op, allowed, g.limits.Window)
	if c.Field != "" {
		h.describe(&g.in, c.Field)
	}
	return &h
}

func brakeInWords(c Meter, op string, allowed int, window time.Duration) string {
	what := map[string]string{OpDelete: "deletes", OpCreate: "new records", OpUpdate: "changes", OpBlank: "emptied values"}[c.Op]
	if c.Field != "" {
		what += " of " + c.Field
	}
	if op == OpTransaction {
		return fmt.Sprintf("one transaction of the CRM touched more than %d records: it is held as a whole until a person has looked (%s)", allowed, what)
	}
	return fmt.Sprintf("more than %d %s in %s on the way to %s: this one is held until a person has looked", allowed, what, lasting(window), c.Side.name())
}

// lasting is a duration without the zeros that Go prints.
func lasting(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// drop forgets what would have been checked and counted of fields that are held after all: another brake spoke.
func (g *gate) drop(held map[string]bool) {
	g.brakes = slices.DeleteFunc(g.brakes, func(b Brake) bool { return b.Field != "" && held[b.Field] })
	g.counts = slices.DeleteFunc(g.counts, func(c Meter) bool { return c.Field != "" && held[c.Field] })
}

// withhold takes a field out of a decision on both sides: of a set that merged, one half alone would be taken for a removal by the other.
func withhold(d Decision, h Hold) Decision {
	delete(d.ToNotion, h.Field)
	delete(d.ToCRM, h.Field)
	d.Conflicts = slices.DeleteFunc(slices.Clone(d.Conflicts), func(c Conflict) bool { return c.Field == h.Field })
	d.Holds = append(slices.Clone(d.Holds), h)
	return d
}

// finishHeld leaves no write that would write nothing.
func finishHeld(d Decision) Decision {
	if d.Page == PageUpdate && len(d.ToNotion) == 0 && !d.Mark {
		d.Page = ""
	}
	if d.Row == RowUpdate && len(d.ToCRM) == 0 {
		d.Row = ""
	}
	return d
}

// Withhold takes fields that are held, or whose work is paused, out of a decision.
func Withhold(d Decision, holds []Hold) Decision {
	d.ToNotion, d.ToCRM = maps.Clone(d.ToNotion), maps.Clone(d.ToCRM)
	for _, h := range holds {
		if h.Field != "" {
			known := d.Holds
			d = withhold(d, h)
			d.Holds = known
		}
	}
	return finishHeld(d)
}

// Pause puts fields aside whose work is paused.
func Pause(in Input, d Decision, paused []string) Decision {
	var holds []Hold
	for _, name := range paused {
		if writes(d, name) {
			holds = append(holds, Hold{Kind: "paused", Field: name, At: in.Now, Reason: "work on this field is paused"})
		}
	}
	if len(holds) == 0 {
		return d
	}
	d = Withhold(d, holds)
	d.Holds = append(slices.Clone(d.Holds), holds...)
	return d
}

// Choices gives what people chose for the holds of a link, where it still applies: it has not run out, and both sides show what they showed
// when it was held. An approval of a brake is no choice between two values: [Gate] lets it pass.
func Choices(in Input) map[string]Side {
	var chosen map[string]Side
	for _, h := range in.Holds {
		if !h.Chosen(in.Now) || h.Kind == "brake" && h.Keep == h.Side.Other() || h.Kind == "paused" {
			continue
		}
		if h.Field == "" || h.Mark == "" || h.Mark == in.mark(h.Field) {
			put(&chosen, h.Field, h.Keep)
		}
	}
	return chosen
}

// approved finds a person's approval of a kind of hold that still applies.
func (in *Input) approved(kind, field string, keep Side) (Hold, bool) {
	for _, h := range in.Holds {
		if h.Kind == kind && h.Field == field && h.Keep == keep && h.Chosen(in.Now) && (field == "" || h.Mark == in.mark(field)) {
			return h, true
		}
	}
	return Hold{}, false
}

// Chosen reports that a person has said what is to become of the hold, and that this has not run out.
func (h Hold) Chosen(now time.Time) bool { return h.Keep != "" && now.Before(h.Until) }

// describe says what the two sides show, for people, and marks it, so that an approval is of this and of nothing else.
func (h *Hold) describe(in *Input, field string) {
	from, to := in.Notion.Image[field], in.CRM.Image[field]
	if h.Side == CRM {
		from, to = to, from
	}
	h.From, h.To, h.Mark = clip(from), clip(to), in.mark(field)
}

func (in *Input) mark(field string) string {
	data, err := json.Marshal([2]change.Value{in.agreedForm(field, in.CRM.Image[field]), in.agreedForm(field, in.Notion.Image[field])})
	if err != nil {
		data = fmt.Appendf(nil, "%v %v", in.CRM.Image[field], in.Notion.Image[field])
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// agreedForm gives a value that is the base, written differently, as the base is written: for a person they are one.
func (in *Input) agreedForm(field string, v change.Value) change.Value {
	if p, ok := in.Rules.policy(field); ok && p.Same != nil {
		if base, ok := agreedBefore(in, p); ok && p.Alike(base.Value, v) {
			return base.Value
		}
	}
	return v
}

// clip is a value as a list bears it.
func clip(v change.Value) string {
	if v.IsAbsent() || blank(v) {
		return ""
	}
	text := []rune(v.String())
	if len(text) > clipMax {
		return string(text[:clipMax]) + "…"
	}
	return string(text)
}

const clipMax = 120
