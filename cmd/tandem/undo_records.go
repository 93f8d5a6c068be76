package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/sink"
)

// undoRecord is a record that was made or removed on a side, to be taken or put back.
type undoRecord struct {
	Link   int64        `json:"link"`
	Entity string       `json:"entity"`
	Key    string       `json:"key,omitempty"`
	Page   string       `json:"page,omitempty"`
	Side   ledger.Side  `json:"side"` // that was written, and is again
	Made   bool         `json:"made"` // else it was removed
	Values change.Image `json:"values"`
	Do     string       `json:"do"`
}

// takeRecords sums up what was made and what was removed, and says which links are seen to by that: their fields come and go with the record.
func (p *undoPlan) takeRecords(writes []pgledger.AuditRow, links map[int64]ledger.Link) map[int64]bool {
	found, order, ops := map[int64]*undoRecord{}, []int64{}, map[int64]map[int64]string{}
	for _, w := range writes {
		if w.Op == "update" {
			continue
		}
		if found[w.Link] == nil {
			found[w.Link] = &undoRecord{Link: w.Link, Entity: w.Entity, Side: w.Side, Made: w.Op == "create", Values: change.Image{}}
			order, ops[w.Link] = append(order, w.Link), map[int64]string{}
		}
		ops[w.Link][w.N] = w.Op
	}
	broken := map[int64]string{}
	for _, w := range writes {
		r := found[w.Link]
		switch {
		case r == nil:
		case w.Erased:
			broken[w.Link] = "a value of it was forgotten"
		case len(ops[w.Link]) > 1 || w.Op == "restore":
			broken[w.Link] = "it was made, removed or restored more than once: undo a shorter time"
		case r.Made && w.Side == r.Side && !w.Became.IsAbsent():
			r.Values[w.Field] = w.Became // the last one: what the writes left there
		case !r.Made && w.Op != "update" && !w.Was.IsAbsent():
			r.Values[w.Field] = w.Was
		}
	}
	whole := map[int64]bool{}
	for _, id := range order {
		whole[id] = true
		p.sortRecord(*found[id], links[id], broken[id])
	}
	return whole
}

func (p *undoPlan) sortRecord(r undoRecord, l ledger.Link, why string) {
	r.Key, r.Page = l.Key, l.Page
	switch {
	case why != "":
	case l.ID == 0:
		why = "the record is not linked any more"
	case r.Made && r.Side == ledger.Notion:
		r.Do = "put the page in the trash"
	case r.Made:
		r.Do = "delete the row"
	case r.Side == ledger.Notion:
		r.Do = "take the page out of the trash"
	default:
		r.Do = "put the row back"
	}
	if why != "" {
		p.Left = append(p.Left, undoField{Link: r.Link, Entity: r.Entity, Key: r.Key, Why: why})
		return
	}
	if r.Made {
		for name, v := range r.Values {
			if b, ok := l.Base[name]; ok && !change.Equal(b.Value, v) {
				p.Newer = append(p.Newer, undoField{Link: r.Link, Entity: r.Entity, Key: r.Key, Field: name, Wrote: v, Now: b.Value, Why: "the record was edited since"})
				return
			}
		}
	}
	p.Records = append(p.Records, r)
}

func (o *undoOptions) showRecords(records []undoRecord) {
	byWhat := map[string]int{}
	for _, r := range records {
		byWhat[r.Do]++
	}
	for _, what := range change.Sorted(byWhat) {
		o.out.printf("%d records: %s\n", byWhat[what], what)
	}
	for i, r := range records {
		if i == o.Top {
			o.out.printf("  and %d more\n", len(records)-o.Top)
			break
		}
		o.out.printf("  %s\n", printable(fmt.Sprintf("%s %s, page %s: %s", r.Entity, r.Key, r.Page, r.Do)))
	}
}

// applyRecords takes back what was made and puts back what was removed, each if it still is as it was planned.
func (o *undoOptions) applyRecords(ctx context.Context, s *session, w *sink.Worker, records []undoRecord, answer *undoAnswer) error {
	for _, r := range records {
		rv := sink.Revocation{Link: r.Link, Side: r.Side, Made: r.Made, Values: r.Values, By: byWhom(o.As), Reason: o.Reason, Run: answer.Run, Over: o.Over}
		err := s.turn(ctx, w, ledger.Notion, ledger.Link{Entity: r.Entity, Key: r.Key, Page: r.Page}, func() error { return w.Revoke(ctx, rv) })
		var not *sink.NotRestoredError
		f := undoField{Link: r.Link, Entity: r.Entity, Key: r.Key}
		switch {
		case errors.As(err, &not) && not.Newer:
			f.Why = not.Reason
			answer.Newer = append(answer.Newer, f)
		case errors.As(err, &not), errors.Is(err, sink.ErrBusy):
			f.Why = err.Error()
			answer.Left = append(answer.Left, f)
		case err != nil:
			return fmt.Errorf("%s of %s %s, after %d others: %w", r.Do, r.Entity, strings.TrimSpace(r.Key+" "+r.Page), answer.Records, err)
		default:
			answer.Records++
		}
	}
	return nil
}
