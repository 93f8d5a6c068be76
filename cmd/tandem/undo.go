package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/sink"
)

type undoOptions struct {
	sessionOptions
	writeOptions
	Plan, Out string
	Apply     bool
	Records   bool
	Over      bool
	As        string
	Reason    string
	Top       int
}

func newUndoCommand(g *globalOptions) *cobra.Command {
	o := &undoOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "undo --config FILE",
		Short: "Take writes back: of a run, a person, a field, a time",
		Long: `Undo plans to put each field back to what it was before the writes that are named: by --run, --by, --field, --entity, --key, --side, --since and
--until, at least one of them. A field that somebody has edited since keeps its newer value, and is listed. Without --apply it only shows what it would
do; --out writes that down as a plan, and --plan FILE --apply does what stands there or less. Values are put back in the CRM, each compared with what
stands there at that moment, and the connectors that run bring them to Notion. The brakes of the mapping count what undo writes like anything else.

With --records whole records are taken back as well, each if nobody has touched it since: a page that was made goes to the trash, a row that was made is
deleted, a page that went to the trash comes back, and a deleted row is put back (as it was where the mapping deletes softly, else as a new row of the values
that the audit has). Their other ends are left as they are, on hold: tandem holds lists them, and approve, reject or keep say what is to become of them.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.sessionOptions.addFlags(c)
	o.writeOptions.addFlags(c)
	f := c.Flags()
	f.BoolVar(&o.Apply, "apply", false, "do it")
	f.BoolVar(&o.Records, "records", false, "also take back records that were made, and put back those that were removed")
	f.BoolVar(&o.Over, "over-brakes", false, "let it write more than the brakes allow; the audit says so")
	f.StringVar(&o.Out, "out", "", "write the plan to this file")
	f.StringVar(&o.Plan, "plan", "", "take the plan from this file instead of making one")
	f.StringVar(&o.As, "as", "", "who asks, for the audit (default: the user of this process)")
	f.StringVar(&o.Reason, "reason", "", "why, for the audit")
	f.IntVar(&o.Top, "top", 10, "how many fields of each kind are shown")
	return c
}

// undoPlan is what undo would do. Its hash binds a file to what was shown.
type undoPlan struct {
	Sync    string       `json:"sync"`
	Made    time.Time    `json:"made"`
	Back    []undoField  `json:"back"`    // to be put back
	Newer   []undoField  `json:"newer"`   // edited since: kept
	Left    []undoField  `json:"left"`    // cannot be put back, with the reason
	Stands  int          `json:"stands"`  // are as they were already
	Records []undoRecord `json:"records"` // to be taken or put back as a whole
	Hash    string       `json:"hash"`
}

type undoField struct {
	Link   int64        `json:"link"`
	Entity string       `json:"entity"`
	Key    string       `json:"key"`
	Field  string       `json:"field,omitempty"`
	Wrote  change.Value `json:"wrote,omitzero"` // what the writes left there
	Was    change.Value `json:"was,omitzero"`   // what was there before them
	Now    change.Value `json:"now,omitzero"`   // what both sides agreed on last
	Why    string       `json:"why,omitempty"`
}

func (p *undoPlan) hash() (string, error) {
	bare := *p
	bare.Hash = ""
	text, err := json.Marshal(bare)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), err
}

func (o *undoOptions) run(ctx context.Context) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	s, err := a.openSession(ctx, o.Config)
	if err != nil {
		return err
	}
	defer s.close()
	plan, err := o.plan(ctx, s)
	if err != nil {
		return err
	}
	if o.Out != "" {
		data, err := json.MarshalIndent(plan, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.Out, append(data, '\n'), 0o600); err != nil {
			return fmt.Errorf("write the plan: %w", err)
		}
	}
	if !o.Apply {
		if o.JSON {
			return o.out.json(plan)
		}
		o.show(plan)
		return nil
	}
	if err := s.writable(ctx, a, o.Config); err != nil {
		return err
	}
	return o.apply(ctx, a, s, plan)
}

func (o *undoOptions) check() error {
	w := o.writeOptions
	none := w == writeOptions{}
	switch {
	case o.Plan != "" && !none:
		return usagef("--plan has what is to be undone: give no other choice with it")
	case o.Plan == "" && none:
		return usagef("say what is to be undone: --run, --by, --field, --entity, --key, --side, --since or --until")
	case o.Top < 0:
		return usagef("--top must not be negative")
	}
	_, err := o.filter("", time.Now())
	return err
}

func (o *undoOptions) plan(ctx context.Context, s *session) (*undoPlan, error) {
	if o.Plan != "" {
		return readUndo(o.Plan, s.sync)
	}
	f, err := o.filter(s.sync, time.Now())
	if err != nil {
		return nil, err
	}
	f.Oldest = true
	writes, err := s.store.Audit(ctx, f)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, w := range writes {
		ids = append(ids, w.Link)
	}
	links, err := s.store.ByID(ctx, slices.Compact(slices.Sorted(slices.Values(ids))))
	if err != nil {
		return nil, err
	}
	return planUndo(s.sync, time.Now().UTC(), writes, links, o.Records)
}

func readUndo(path, sync string) (*undoPlan, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("read the plan: %w", err)}
	}
	plan := &undoPlan{}
	if err := json.Unmarshal(data, plan); err != nil {
		return nil, usageError{fmt.Errorf("read the plan %s: %w", path, err)}
	}
	want, err := plan.hash()
	switch {
	case err != nil:
		return nil, err
	case want != plan.Hash:
		return nil, usagef("the plan %s is not as it was made: make it again", path)
	case plan.Sync != sync:
		return nil, usagef("the plan %s is of sync %q, and the configuration of %q", path, plan.Sync, sync)
	}
	return plan, nil
}

// planUndo sums writes up, oldest first: each field goes from what the last of them left there to what was there before the first. What was made or removed as
// a whole is one record, if records are asked for.
func planUndo(sync string, now time.Time, writes []pgledger.AuditRow, links map[int64]ledger.Link, records bool) (*undoPlan, error) {
	type name struct {
		link  int64
		field string
	}
	fields, order, left := map[name]*undoField{}, []name{}, map[name]bool{}
	plan := &undoPlan{Sync: sync, Made: now, Back: []undoField{}, Newer: []undoField{}, Left: []undoField{}, Records: []undoRecord{}}
	whole := map[int64]bool{}
	if records {
		whole = plan.takeRecords(writes, links)
	}
	for _, w := range writes {
		if whole[w.Link] {
			continue
		}
		n := name{w.Link, w.Field}
		f := undoField{Link: w.Link, Entity: w.Entity, Key: w.Key, Field: w.Field, Wrote: w.Became, Was: w.Was}
		if w.Op != "update" {
			if n.field = ""; !left[n] {
				left[n] = true
				f.Field, f.Wrote, f.Was, f.Why = "", change.Value{}, change.Value{}, "a "+w.Op+" of the whole record; --records takes it back"
				plan.Left = append(plan.Left, f)
			}
			continue
		}
		switch have := fields[n]; {
		case have == nil:
			fields[n], order = &f, append(order, n)
			have = &f
			fallthrough
		default:
			have.Wrote = w.Became
			if w.Erased {
				have.Why = "a value of it was forgotten"
			}
		}
	}
	for _, n := range order {
		plan.sort(*fields[n], links)
	}
	hash, err := plan.hash()
	plan.Hash = hash
	return plan, err
}

// sort puts a field where it belongs.
func (p *undoPlan) sort(f undoField, links map[int64]ledger.Link) {
	l, ok := links[f.Link]
	base, agreed := l.Base[f.Field]
	switch {
	case f.Why != "":
	case !ok:
		f.Why = "the record is not linked any more"
	case f.Was.IsAbsent() || f.Wrote.IsAbsent():
		f.Why = "what was there before is not known"
	case agreed && change.Equal(base.Value, f.Was):
		p.Stands++
		return
	case agreed && !change.Equal(base.Value, f.Wrote):
		f.Now = base.Value
		p.Newer = append(p.Newer, f)
		return
	default:
		p.Back = append(p.Back, f)
		return
	}
	p.Left = append(p.Left, f)
}

func (o *undoOptions) show(p *undoPlan) {
	o.out.printf("%d fields would be put back, %d were edited since and are kept, %d are as they were already, %d cannot be put back\n", len(p.Back), len(p.Newer), p.Stands, len(p.Left))
	o.list("to be put back", p.Back, func(f undoField) string { return inBrief(f.Wrote) + " → " + inBrief(f.Was) })
	o.list("edited since, kept", p.Newer, func(f undoField) string { return "is " + inBrief(f.Now) + "; the writes left " + inBrief(f.Wrote) })
	o.list("left", p.Left, func(f undoField) string { return f.Why })
	o.showRecords(p.Records)
	if len(p.Back)+len(p.Records) > 0 {
		o.out.printf("nothing was changed; --apply does it\n")
	}
}

func (o *undoOptions) list(title string, fields []undoField, say func(undoField) string) {
	if len(fields) == 0 {
		return
	}
	o.out.printf("%s:\n", title)
	for _, f := range fields[:min(o.Top, len(fields))] {
		o.out.printf("  %s\n", printable(strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", f.Entity, f.Key, f.Field, say(f)))))
	}
	if more := len(fields) - o.Top; more > 0 {
		o.out.printf("  and %d more\n", more)
	}
}

// undoAnswer is what undo --apply prints as JSON.
type undoAnswer struct {
	Run    string      `json:"run"`
	Put    int         `json:"put_back"`
	Stands int         `json:"stood_already"`
	Newer  []undoField `json:"newer"`
	Left   []undoField `json:"left"`

	Records int `json:"records"` // taken or put back as a whole
}

func (o *undoOptions) apply(ctx context.Context, a *app, s *session, plan *undoPlan) error {
	w, err := s.worker(ctx, a)
	if err != nil {
		return err
	}
	w.Holder, w.Lease = "tandem undo "+a.holder, time.Minute
	answer := undoAnswer{Run: "undo-" + newID()[:8], Newer: plan.Newer, Left: plan.Left, Stands: plan.Stands}
	for _, f := range plan.Back {
		out, err := s.restoreSoon(ctx, w, ledger.Link{Entity: f.Entity, Key: f.Key}, sink.Restoration{Link: f.Link, ID: newID(), By: byWhom(o.As), Reason: o.Reason, Run: answer.Run, Over: o.Over,
			Conflict: ledger.Conflict{Field: f.Field, CRM: f.Was, Notion: f.Wrote, Winner: ledger.Notion}})
		var not *sink.NotRestoredError
		switch {
		case errors.As(err, &not) && not.Newer:
			f.Why = not.Reason
			answer.Newer = append(answer.Newer, f)
		case errors.As(err, &not), errors.Is(err, sink.ErrBusy):
			f.Why = err.Error()
			answer.Left = append(answer.Left, f)
		case err != nil:
			o.tell(answer)
			return fmt.Errorf("put %s of %s %s back, after %d others: %w", f.Field, f.Entity, f.Key, answer.Put, err)
		case out.Stands:
			answer.Stands++
		default:
			answer.Put++
		}
	}
	if err := o.applyRecords(ctx, s, w, plan.Records, &answer); err != nil {
		o.tell(answer)
		return err
	}
	o.tell(answer)
	return nil
}

func (o *undoOptions) tell(a undoAnswer) {
	if o.JSON {
		_ = o.out.json(a)
		return
	}
	o.out.printf("%d fields were put back in the CRM as run %s; the connectors that run bring them to Notion\n", a.Put, a.Run)
	if a.Records > 0 {
		o.out.printf("%d whole records were taken or put back; their other ends wait for a person: tandem holds\n", a.Records)
	}
	o.list("edited since, kept", a.Newer, func(f undoField) string { return cmp.Or(f.Why, "is "+inBrief(f.Now)+" now") })
	o.list("left", a.Left, func(f undoField) string { return f.Why })
}
