package sink

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// healEvery is how often work is looked for whose cause may have gone without telling: a relation's target that had no counterpart, an option that was
// not offered.
const healEvery = time.Minute

// missingTarget finds the target in a reason that [translation.linksOf] gives.
var missingTarget = regexp.MustCompile(`(?:^|: )([^ :]+) (.+) (?:is not linked yet|has no counterpart yet)$`)

// heal frees such work. A target that comes late tells nobody: who waited for it for too long would wait for a sweep.
func (w *Worker) heal(ctx context.Context) error {
	adder, ok := w.Ledger.(Adder)
	if !ok || w.Now().Sub(w.healed) < healEvery {
		return nil
	}
	w.healed = w.Now()
	pending, err := w.Ledger.Pending(ctx, w.Sync, wakeMax)
	if err != nil {
		return fmt.Errorf("look for what waits for a relation's target: %w", err)
	}
	waiting, targets := map[string][]ledger.Reason{}, map[string][]string{}
	for _, p := range pending {
		for _, work := range p.Work {
			m := missingTarget.FindStringSubmatch(cmp.Or(work.Parked, work.Trouble)) // edits of a record count as looks: its pauses grow to minutes
			if work.Side != w.Side || m == nil || w.Entities[m[1]] == nil {
				continue
			}
			at := m[1] + " " + m[2]
			if len(waiting[at]) == 0 {
				targets[m[1]] = append(targets[m[1]], m[2])
			}
			waiting[at] = append(waiting[at], ledger.Reason{Link: p.Link.ID, Sync: p.Link.Sync, Entity: p.Link.Entity, Side: w.Side, Lane: work.Lane, Rank: work.Rank, Why: "retry"})
		}
	}
	var reasons []ledger.Reason
	for _, entity := range change.Sorted(targets) {
		there, err := w.there(ctx, entity, targets[entity])
		if err != nil {
			return err
		}
		for _, text := range there {
			reasons = append(reasons, waiting[entity+" "+text]...)
		}
	}
	freed, err := w.offered(ctx, pending)
	if err != nil {
		return err
	}
	reasons = append(reasons, freed...)
	if reasons = append(reasons, w.relook(pending, w.Now())...); len(reasons) == 0 {
		return nil
	}
	return adder.Add(ctx, w.Now(), reasons)
}

// there gives those of the keys (in sink/crm the page ids) that have a counterpart now.
func (w *Worker) there(ctx context.Context, entity string, texts []string) (there []string, err error) {
	if len(texts) == 0 {
		return nil, nil
	}
	var found map[string]ledger.Link
	if w.Side == ledger.Notion {
		found, err = w.Ledger.ByKey(ctx, w.Sync, entity, texts)
	} else {
		found, err = w.Ledger.ByPage(ctx, w.Sync, texts)
	}
	if err != nil {
		return nil, fmt.Errorf("look up what a relation waits for: %w", err)
	}
	for _, text := range texts {
		if l, ok := found[text]; ok && l.Entity == entity && l.Key != "" && l.Page != "" {
			there = append(there, text)
		}
	}
	return there, nil
}
