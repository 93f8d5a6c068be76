package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/cdc"
	"github.com/tandem-sync/tandem/connector/ledger"
)

type statusOptions struct {
	sessionOptions
	Top int
}

func newStatusCommand(g *globalOptions) *cobra.Command {
	o := &statusOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "status --config FILE",
		Short: "Show what is linked, what waits, and what waits for a person",
		Long: `Status reads the ledger: how many rows and pages belong together, what work waits for which side and since when, and the records that do
not go on by themselves, each with its reason; and what the last comparison of both sides found, with its age. It fails if something differs though
nothing explains it. Of a cdc.PostgresSource that serves no sync it shows the replication slot, and the tables that are being read.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.addFlags(c)
	c.Flags().IntVar(&o.Top, "top", 10, "how many records that wait for something are listed")
	return c
}

// statusAnswer is what status prints as JSON.
type statusAnswer struct {
	Sync      string              `json:"sync"`
	At        time.Time           `json:"at"`
	Entities  []entityStatus      `json:"entities"`
	Work      []workStatus        `json:"work"`
	Backfill  *backfillStatus     `json:"backfill,omitempty"`
	Slots     []slotStatus        `json:"slots,omitempty"`               // replication slots of the CRM's database
	Refused   time.Time           `json:"notion_refuses_until,omitzero"` // Notion asked to send nothing before then
	LeftOut   []driftStatus       `json:"left_out"`                      // fields that a changed table or database keeps back
	Held      []heldStatus        `json:"held,omitempty"`                // what waits for a person, summed up
	Proofs    []ledger.Proof      `json:"proofs"`                        // the last comparison of both sides of each entity
	Differs   []ledger.Difference `json:"differs"`                       // what differs though nothing explains it
	Pending   []pendingStatus     `json:"pending"`
	Paused    []ledger.Pausing    `json:"paused"`
	Snapshots []snapshotTable     `json:"snapshots,omitempty"` // tables that the sources among the files read while they stream
	More      bool                `json:"more"`                // more records are pending than are listed
}

type entityStatus struct {
	Entity    string `json:"entity"`
	Live      int    `json:"live"`
	Half      int    `json:"half"`
	Vanished  int    `json:"vanished"`
	Holds     int    `json:"holds"`
	Conflicts int    `json:"conflicts"`
	Alerts    int    `json:"alerts_undelivered"`
}

type workStatus struct {
	Entity string    `json:"entity"`
	Side   string    `json:"side"`
	Lane   string    `json:"lane"`
	Due    int       `json:"due"`
	Later  int       `json:"later"`
	Parked int       `json:"parked"`
	Oldest time.Time `json:"oldest,omitzero"`
}

// slotStatus is a replication slot of the CRM's database, whoever reads it. Sizes are in bytes.
type slotStatus struct {
	Name      string  `json:"name"`
	Active    bool    `json:"active"`
	WALStatus string  `json:"wal_status"`
	Lost      string  `json:"lost,omitempty"`
	Lag       uint64  `json:"lag_bytes"`
	Retained  uint64  `json:"retained_bytes"`
	Safe      *uint64 `json:"safe_bytes,omitempty"` // nothing limits it
	Used      float64 `json:"used_share"`
	text      string
}

func slotStatusOf(s cdc.SlotState) slotStatus {
	out := slotStatus{Name: s.Name, Active: s.Reader != 0, WALStatus: s.WALStatus, Lost: s.Lost, Lag: s.Lag, Retained: s.Retained, Used: s.Used(), text: slotText(s, 0)}
	if s.Limited {
		out.Safe = &s.Safe
	}
	return out
}

// backfillStatus says how long the background work to Notion takes at least. Live edits go first.
type backfillStatus struct {
	Records   int    `json:"records"`
	PerMinute int    `json:"requests_per_minute"`
	AtLeast   string `json:"at_least"`
}

// heldStatus sums up what waits for the same answer of a person.
type heldStatus struct {
	Entity string    `json:"entity"`
	Kind   string    `json:"kind"`
	Field  string    `json:"field,omitempty"`
	Count  int       `json:"count"`
	Chosen int       `json:"answered"` // of Count: somebody has said, and it is under way
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"` // of one of them
}

func heldStatusOf(g ledger.HoldGroup) heldStatus {
	h := heldStatus{Entity: g.Entity, Kind: g.Kind, Field: g.Field, Count: g.Count, Chosen: g.Chosen, Since: g.Oldest}
	for _, sample := range g.Sample {
		h.Reason = sample.Reason
	}
	return h
}

type pendingStatus struct {
	Entity  string    `json:"entity"`
	Key     string    `json:"key,omitempty"`
	Page    string    `json:"page,omitempty"`
	Kind    string    `json:"kind"` // parked, held, retried
	Side    string    `json:"side,omitempty"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
	NextTry time.Time `json:"next_try,omitzero"`
}

func (o *statusOptions) run(ctx context.Context) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	if o.Top < 0 {
		return usagef("--top must not be negative")
	}
	s, err := a.openSession(ctx, o.Config)
	if errors.Is(err, errNoLedger) {
		if sources := o.onlySources(a); sources != nil {
			return o.sources(ctx, a, sources)
		}
	}
	if err != nil {
		return err
	}
	defer s.close()
	answer, err := s.status(ctx, o.Top)
	if err != nil {
		return err
	}
	answer.Snapshots = o.snapshots(ctx, a)
	if o.JSON {
		err = o.out.json(answer)
	} else {
		o.show(answer)
	}
	if err == nil && len(answer.Differs) > 0 {
		return errSaid
	}
	return err
}

func (s *session) status(ctx context.Context, top int) (statusAnswer, error) {
	answer := statusAnswer{Sync: s.sync, At: time.Now().UTC(), Entities: []entityStatus{}, Work: []workStatus{}, Pending: []pendingStatus{}}
	var err error
	if answer.Paused, err = s.store.Pauses(ctx, s.sync); err != nil {
		return answer, err
	}
	counts, err := s.store.Counts(ctx, s.sync)
	if err != nil {
		return answer, err
	}
	for _, c := range counts {
		answer.Entities = append(answer.Entities, entityStatus{c.Entity, c.Links, c.Half, c.Vanished, c.Holds, c.Conflicts, c.Alerts})
	}
	tallies, err := s.store.Tallies(ctx, s.sync, answer.At)
	if err != nil {
		return answer, err
	}
	for _, t := range tallies {
		answer.Work = append(answer.Work, workStatus{t.Entity, string(t.Side), string(t.Lane), t.Due, t.Later, t.Parked, t.Oldest})
	}
	answer.Backfill = s.backfill(tallies)
	slots, err := cdc.Slots(ctx, s.pool, "")
	if err != nil {
		return answer, err
	}
	for _, slot := range slots {
		answer.Slots = append(answer.Slots, slotStatusOf(slot))
	}
	if token := s.keys.Notion.budgetName(); token != "" {
		_, paused, err := s.store.Budget(ctx, token)
		if err != nil {
			return answer, err
		}
		if paused.After(answer.At) {
			answer.Refused = paused.UTC()
		}
	}
	pending, err := s.store.Pending(ctx, s.sync, top+1)
	if err != nil {
		return answer, err
	}
	if answer.LeftOut, err = s.drifts(ctx); err != nil {
		return answer, err
	}
	groups, err := s.store.HoldGroups(ctx, ledger.Selection{Sync: s.sync}, answer.At, 1)
	if err != nil {
		return answer, err
	}
	for _, g := range groups {
		answer.Held = append(answer.Held, heldStatusOf(g))
	}
	if answer.Proofs, answer.Differs, err = s.store.Proofs(ctx, s.sync); err != nil {
		return answer, err
	}
	answer.More = len(pending) > top
	for _, p := range pending[:min(top, len(pending))] {
		answer.Pending = append(answer.Pending, pendingOf(p)...)
	}
	return answer, nil
}

// backfill estimates by one request a record: a first sync makes a page of each; an update takes two, and what is equal none.
func (s *session) backfill(tallies []ledger.Tally) *backfillStatus {
	b := &backfillStatus{PerMinute: s.keys.Notion.rate()}
	for _, t := range tallies {
		if t.Side == ledger.Notion && t.Lane == ledger.LaneBackfill {
			b.Records += t.Due - t.Later
		}
	}
	if b.Records == 0 || b.PerMinute == 0 {
		return nil
	}
	b.AtLeast = (time.Duration(b.Records) * time.Minute / time.Duration(b.PerMinute)).Round(time.Second).String()
	return b
}

// pendingOf says why one link does not go on by itself.
func pendingOf(p ledger.Pending) []pendingStatus {
	var out []pendingStatus
	base := pendingStatus{Entity: p.Link.Entity, Key: p.Link.Key, Page: p.Link.Page}
	for _, h := range p.Holds {
		held := base
		held.Kind, held.Reason, held.Since = "held", h.Reason, h.At
		out = append(out, held)
	}
	for _, w := range p.Work {
		line := base
		line.Side, line.Since = string(w.Side), w.FirstSeen
		isHold := slices.ContainsFunc(p.Holds, func(h ledger.Hold) bool { return h.Reason == w.Parked })
		switch {
		case isHold:
			continue // said above
		case w.Parked != "":
			line.Kind, line.Reason = "parked", w.Parked
		case w.Attempts > 0:
			line.Kind, line.Reason, line.NextTry = "retried", fmt.Sprintf("tried %d times: %s", w.Attempts, cmp.Or(w.Trouble, "explain says why it waits")), w.NotBefore
		default:
			continue
		}
		out = append(out, line)
	}
	return out
}

func (o *statusOptions) show(a statusAnswer) {
	o.out.printf("sync %s\n\n", a.Sync)
	if !a.Refused.IsZero() {
		o.out.printf("Notion asked to be left alone until %s, for %s from now: nothing is sent to it before; what is to be done waits\n\n", a.Refused.Format("2006-01-02 15:04:05 UTC"), roughly(a.Refused.Sub(a.At)))
	}
	for _, p := range a.Paused {
		o.out.printf("PAUSED since %s by %s: %s", ago(a.At, p.Since), printable(p.By), printable(pausedWhat(p)))
		if p.Reason != "" {
			o.out.printf(" (%s)", printable(p.Reason))
		}
		if p.Kind != ledger.PauseRestored { // its reason says what ends it
			o.out.printf("; tandem resume --id %d", p.ID)
		}
		o.out.printf("\n")
	}
	if len(a.Paused) > 0 {
		o.out.printf("\n")
	}
	if len(a.Snapshots) > 0 {
		o.out.snapshots(a.Snapshots)
		o.out.printf("\n")
	}
	if len(a.Entities) == 0 {
		o.out.printf("nothing is linked yet\n")
	} else {
		var rows [][]string
		for _, e := range a.Entities {
			rows = append(rows, []string{e.Entity, fmt.Sprint(e.Live), fmt.Sprint(e.Half), fmt.Sprint(e.Vanished), fmt.Sprint(e.Holds), fmt.Sprint(e.Conflicts), fmt.Sprint(e.Alerts)})
		}
		o.out.table([]string{"ENTITY", "LINKED", "HALF", "VANISHED", "HELD", "CONFLICTS", "ALERTS UNSENT"}, rows)
	}
	o.out.printf("\n")
	if len(a.Work) == 0 {
		o.out.printf("no work waits\n")
	} else {
		var rows [][]string
		for _, w := range a.Work {
			rows = append(rows, []string{w.Entity, "to " + w.Side, w.Lane, fmt.Sprint(w.Due - w.Later), fmt.Sprint(w.Later), fmt.Sprint(w.Parked), ago(a.At, w.Oldest)})
		}
		o.out.table([]string{"ENTITY", "SIDE", "LANE", "DUE", "LATER", "PARKED", "OLDEST"}, rows)
	}
	if b := a.Backfill; b != nil {
		o.out.printf("\nin the background %d records wait for Notion: some %s at %d requests a minute, one for each; live edits go first\n", b.Records, b.AtLeast, b.PerMinute)
	}
	for i, slot := range a.Slots {
		if i == 0 {
			o.out.printf("\n")
		}
		o.out.printf("slot %s: %s\n", printable(slot.Name), slot.text)
	}
	o.showProofs(a)
	if len(a.LeftOut) > 0 {
		o.out.printf("\nleft out because a table or a database has changed (tandem drift says more):\n")
		for _, d := range a.LeftOut {
			o.out.printf("  %s.%s: %s\n", printable(d.Entity), printable(d.Field), printable(short(d.Reason, 300)))
		}
	}
	o.showWaiting(a)
}

// showWaiting sums up what many records wait for alike, and lists the others.
func (o *statusOptions) showWaiting(a statusAnswer) {
	lines, single := 0, 0
	line := func(what, kind string, since time.Time, reason string) {
		if lines++; lines == 1 {
			o.out.printf("\nwaiting for something:\n")
		}
		o.out.printf("  %s  %s since %s: %s\n", printable(what), kind, ago(a.At, since), printable(short(reason, 300)))
	}
	many := map[string]bool{}
	for _, h := range a.Held {
		if h.Count < 2 {
			continue
		}
		many[h.Reason] = true
		kind := "held"
		if h.Chosen > 0 {
			kind = fmt.Sprintf("held (%d of them answered)", h.Chosen)
		}
		line(strings.TrimSpace(fmt.Sprintf("%d of %s %s", h.Count, h.Entity, h.Field)), kind, h.Since, h.Reason+" (tandem holds)")
	}
	for _, p := range a.Pending {
		if many[p.Reason] {
			continue
		}
		name := strings.TrimSpace(p.Entity + " " + p.Key)
		if p.Key == "" {
			name = p.Entity + " page " + p.Page
		}
		single++
		line(name, p.Kind, p.Since, p.Reason)
	}
	if a.More && single > 0 {
		o.out.printf("  … and more: --top says how many are listed\n")
	}
}

// showProofs says in a line for each entity whether its sides are equal, since when that is known, and what differs.
func (o *statusOptions) showProofs(a statusAnswer) {
	if len(a.Proofs)+len(a.Differs) > 0 {
		o.out.printf("\n")
	}
	for _, p := range a.Proofs {
		word := "equal"
		switch {
		case p.Differs > 0:
			word = "DIFFERS"
		case p.Waiting+p.Held > 0:
			word = "equal but for what waits"
		}
		o.out.printf("compared %s ago, %s: %s (%d equal, %d waiting, %d held, %d differ)\n", ago(a.At, p.Finished), p.Entity, word, p.Equal, p.Waiting, p.Held, p.Differs)
	}
	for i, d := range a.Differs {
		if i == 3 {
			o.out.printf("  and %d more: tandem verify lists them\n", len(a.Differs)-i)
			break
		}
		o.out.printf("  DIFFERS though nothing explains it: %s\n", printable(strings.Join(strings.Fields(fmt.Sprintf("%s %s %s (page %s): %q in the CRM, %q in Notion", d.Entity, d.Key, d.Field, d.Page, d.CRM, d.Notion)), " ")))
	}
}

// ago says how long ago a time was, as short as a table wants it.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := now.Sub(t)
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
