package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/postgres"
	"github.com/tandem-sync/tandem/sink/plan"
)

// restored gives the pause that stands because the database was found to be a backup.
func (s *session) restored(ctx context.Context) (ledger.Pausing, bool, error) {
	pauses, err := s.store.Pauses(ctx, s.sync)
	if err != nil {
		return ledger.Pausing{}, false, err
	}
	i := slices.IndexFunc(pauses, func(p ledger.Pausing) bool { return p.Kind == ledger.PauseRestored })
	if i < 0 {
		return ledger.Pausing{}, false, nil
	}
	return pauses[i], true, nil
}

// goOn ends the pause after a restore: both sides are looked at from then on, for what was read before the restore may have been lost with it.
func (s *session) goOn(ctx context.Context, a *app, p ledger.Pausing, by, how string) error {
	for try := 1; ; try++ { // somebody else may be asking for one at this moment, and holds the place for a second
		err := a.requestSweeps(ctx, s.store, s.entities, "the database was restored")
		if err == nil {
			break
		}
		if try == 5 || lifecycle.Pause(ctx, 500*time.Millisecond) != nil {
			return err
		}
	}
	if _, err := s.store.Resume(ctx, []int64{p.ID}); err != nil {
		return err
	}
	now := time.Now()
	return s.store.Raise(ctx, []ledger.Alert{{
		ID: fmt.Sprintf("restored-over-%s-%d-%d", s.sync, p.ID, p.Since.UnixMicro()), At: now, Kind: ledger.AlertRecovered, Sync: s.sync,
		Summary: fmt.Sprintf("the sync goes on after the restore: %s by %s", how, by),
	}})
}

// age looks whether the database is the one that was known, and whether it waits for a plan since it was restored.
func (c *checkup) age(ctx context.Context, k *sinkKeys) {
	if !c.first("age " + k.Name) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	db := k.Database
	db.ApplicationName, db.ConnectionsMax = "tandem check", 2
	pool, err := postgres.OpenPool(ctx, db)
	if err != nil {
		return // said already
	}
	defer pool.Close()
	store := pgledger.New(pool)
	if err := store.Check(ctx); err != nil {
		return // likewise
	}
	s := &session{sync: k.Common.Sync, store: store}
	if p, there, err := s.restored(ctx); err == nil && there {
		if !c.first("restored " + k.Common.Sync) {
			return
		}
		c.add("error", "ledger", "tandem plan FILE… --out PLAN; look at it; tandem apply PLAN FILE…", "%s", p.Reason)
		return
	}
	known, err := knownAge(ctx, c.app.sinkKafka(k), k.Kafka.offsets(k.OffsetTopic), k.Common.Sync, k.Name)
	if err != nil {
		c.add(isUnreachable, "kafka "+k.OffsetTopic, "", "look how old the ledger was known to be: %v", err)
		return
	}
	have, err := store.Age(ctx, k.Common.Sync)
	if err != nil {
		c.add(isUnreachable, "ledger", "", "%v", err)
		return
	}
	if verdict, why := known.Recognise(have); verdict == ledger.AgeRestored {
		c.add("error", "ledger", "start the sinks: they write nothing. Then tandem plan FILE… --out PLAN; look at it; tandem apply PLAN FILE…", "%s", why)
	}
}

// beforePlan refuses a plan that is older than a restore.
func (h *ahead) beforePlan(ctx context.Context, head plan.Head) error {
	p, there, err := h.restored(ctx)
	if err != nil || !there || head.Made.After(p.Since) {
		return err
	}
	return fmt.Errorf("the database was restored after this plan was made (found on %s): make a new one with tandem plan", p.Since.Format(time.RFC3339))
}

// afterPlan ends the pause after a restore where all that was planned of all entities was looked at. It says what became of it, "" where nothing was paused.
func (h *ahead) afterPlan(ctx context.Context, a *app, head plan.Head, counts map[plan.Outcome]int) (string, error) {
	p, there, err := h.restored(ctx)
	if err != nil || !there {
		return "", err
	}
	for _, e := range h.entities {
		if head.Mappings[e.Name] == "" {
			return fmt.Sprintf("the pause after the restore stays: the plan says nothing of %s; make one of all entities", e.Name), nil
		}
	}
	if counts[plan.Failed] > 0 {
		return "the pause after the restore stays: not everything could be done; make a new plan", nil
	}
	if err := h.goOn(ctx, a, p, byWhom(""), "a plan was applied"); err != nil {
		return "", err
	}
	return "the pause after the restore has ended: the connectors go on", nil
}
