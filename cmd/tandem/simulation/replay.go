package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// journal is what the ledger acknowledged, in order, as text: whoever changes afterwards what was handed over changes nothing of it. Every twentieth run
// keeps one.
type journal struct {
	on      bool
	entries []entry
}

type entry struct {
	kind string
	data []byte
	err  error
}

type added struct {
	Now     time.Time
	Reasons []ledger.Reason
}

type emissions struct {
	Entity  string
	Emitted map[string]ledger.Emission
}

const journalEvery = 20

// note writes a call down before it is made.
func (j *journal) note(call any) entry {
	if !j.on {
		return entry{}
	}
	data, err := json.Marshal(call)
	return entry{data: data, err: err}
}

// add keeps a call that was acknowledged.
func (j *journal) add(kind string, e entry) {
	if j.on {
		e.kind = kind
		j.entries = append(j.entries, e)
	}
}

// replayed (12): a ledger that is given again all that was acknowledged knows what the one that lived through it knows. What was refused left no trace in it.
func (j *judge) replayed() {
	if !j.w.journal.on {
		return
	}
	fresh := memledger.New()
	for i, e := range j.w.journal.entries {
		if err := e.again(j.w.context(), fresh); err != nil {
			j.fault("replay", "call %d of %d, %s: %v", i+1, len(j.w.journal.entries), e.kind, err)
			return
		}
	}
	for _, e := range j.w.entities {
		live, again := j.known(j.w.ledger, e), j.known(fresh, e)
		for _, name := range change.Sorted(live) {
			if again[name] != live[name] {
				j.fault("replay", "%s of %s: told again, the ledger knows %s, and it knew %s", name, e.Name, again[name], live[name])
			}
		}
		if len(again) != len(live) {
			j.fault("replay", "told again, the ledger knows %d links of %s, and it knew %d", len(again), e.Name, len(live))
		}
	}
}

func (e entry) again(ctx context.Context, on *memledger.Store) error {
	read := func(into any) error {
		if e.err != nil {
			return e.err
		}
		return json.Unmarshal(e.data, into)
	}
	switch e.kind {
	case "add":
		var a added
		if err := read(&a); err != nil {
			return err
		}
		return on.Add(ctx, a.Now, a.Reasons)
	case "take":
		var c ledger.Claim
		if err := read(&c); err != nil {
			return err
		}
		_, err := on.Take(ctx, c)
		return err
	case "emitted":
		var m emissions
		if err := read(&m); err != nil {
			return err
		}
		return on.SetEmitted(ctx, syncName, m.Entity, m.Emitted)
	}
	var c ledger.Commit
	if err := read(&c); err != nil {
		return err
	}
	return on.Commit(ctx, c)
}

// known is all that a ledger knows of an entity's links, by key or page.
func (j *judge) known(of *memledger.Store, e *mapping.Entity) map[string]string {
	ctx, out := j.w.context(), map[string]string{}
	keys, _ := of.Keys(ctx, syncName, e.Name, "", 10_000) // memory does not fail
	byKey, _ := of.ByKey(ctx, syncName, e.Name, keys)
	pages, _ := of.Pages(ctx, syncName, e.Name, "", 10_000)
	byPage, _ := of.ByPage(ctx, syncName, pages)
	for name, l := range byKey {
		out["row "+name] = whole(of, l)
	}
	for name, l := range byPage {
		out["page "+name] = whole(of, l)
	}
	return out
}

func whole(of *memledger.Store, l ledger.Link) string {
	holds, _ := of.Holds(context.Background(), l.ID)
	conflicts, _ := of.Conflicts(context.Background(), syncName, l.ID, 1000)
	text, err := json.Marshal([]any{l, holds, conflicts, of.Audit(l.ID)})
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(text)
}

// checkAudit (12): what is written stands in the audit by then, with these values. What was recorded and never sent is there too: nobody can know.
func (w *world) checkAudit(link ledger.Link, side ledger.Side, op string, values change.Image) {
	audit := w.ledger.Audit(link.ID)
	for i := len(audit) - 1; i >= 0; i-- {
		a := audit[i]
		if a.Side != side || a.Op != op {
			continue
		}
		for _, field := range change.Sorted(values) {
			f, ok := w.fieldOf(link.Entity, field)
			recorded, there := a.New[field]
			if !ok || !there && !values[field].IsNull() || there && f.Relation == "" && !change.Equal(recorded, values[field]) {
				w.violation("audit", "%s of %s (link %d) is written on %s as %s, and the audit says %s", field, link.Entity, link.ID, side, values[field], recorded)
			}
		}
		return
	}
	w.violation("audit", "%s of %s (link %d) on %s stands in no audit", op, link.Entity, link.ID, side)
}
