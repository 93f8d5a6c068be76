package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/postgres"
	"github.com/tandem-sync/tandem/sink"
)

// failing tells people that a connector of this process does not run, and that it runs again, by alerts of every sync that the process knows: whichever
// relay still runs brings them, in this process or another. It is the runtime's observer.
type failing struct {
	outlets map[string]outlet // by sync
	now     func() time.Time
	log     *slog.Logger

	mu   sync.Mutex
	seen map[string]*fitness // by connector
}

// outlet is where alerts of one sync are raised and ended.
type outlet interface {
	Raise(ctx context.Context, alerts []ledger.Alert) error
	End(ctx context.Context, sync, kind, state string, now time.Time) (int, error)
}

// fitness is what is known of one connector.
type fitness struct {
	status connector.Status
	since  time.Time // of that state
	bad    time.Time // when it failed first, since it last held; zero while all is well
	told   bool
	clear  bool // that it is well was said, in case that a process before this one had said otherwise
}

// A restart that helps is nobody's news; one that helps for a moment only is none.
const (
	failingPatience = time.Minute
	failingSteady   = time.Minute
	failingIdle     = 5 * time.Second
	failingTimeout  = 10 * time.Second
)

// StateChanged implements connector.Observer.
func (f *failing) StateChanged(s connector.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = map[string]*fitness{}
	}
	c := f.seen[s.Name]
	if c == nil {
		c = &fitness{}
		f.seen[s.Name] = c
	}
	if c.status.State != s.State {
		c.since = f.now()
	}
	if s.Error == "" {
		s.Error = c.status.Error // of the failure before
	}
	c.status = s
	switch s.State {
	case connector.Failed, connector.Restarting:
		if c.bad.IsZero() {
			c.bad = f.now()
		}
	case connector.Paused, connector.Stopped:
		c.bad = time.Time{} // a person wants it so
	case connector.Running, connector.Unassigned:
	}
}

// RunOnce tells what is to be told by now.
func (f *failing) RunOnce(ctx context.Context) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	n := 0
	for _, name := range change.Sorted(f.seen) {
		c, now := f.seen[name], f.now()
		var err error
		switch {
		case !c.told && !c.bad.IsZero() && (c.status.State == connector.Failed || c.status.State != connector.Running && now.Sub(c.bad) >= failingPatience):
			err = f.raise(ctx, name, *c)
			c.told, c.clear = err == nil, false
		case c.status.State == connector.Running && now.Sub(c.since) >= failingSteady && !c.clear,
			c.told && c.bad.IsZero():
			if err = f.end(ctx, name); err == nil {
				c.bad, c.told, c.clear = time.Time{}, false, true
			}
		default:
			continue
		}
		if n++; err != nil {
			errs = append(errs, err)
		}
	}
	return n, errors.Join(errs...)
}

func (f *failing) raise(ctx context.Context, name string, c fitness) error {
	goesOn := "it is started again until it holds"
	if c.status.State == connector.Failed {
		goesOn = "it is not started again by itself"
	}
	ctx, cancel := context.WithTimeout(ctx, failingTimeout)
	defer cancel()
	var errs []error
	for _, of := range change.Sorted(f.outlets) {
		errs = append(errs, f.outlets[of].Raise(ctx, []ledger.Alert{{
			ID: sink.StableID("connector", of, name), At: f.now(), Kind: ledger.AlertConnector, State: name, Sync: of, Critical: true,
			Summary: fmt.Sprintf("connector %s (%s) does not run since %s, %s: %s", name, c.status.Class, c.bad.UTC().Format("15:04:05 MST"), goesOn, c.status.Error),
		}}))
	}
	return errors.Join(errs...)
}

func (f *failing) end(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, failingTimeout)
	defer cancel()
	var errs []error
	for _, of := range change.Sorted(f.outlets) {
		_, err := f.outlets[of].End(ctx, of, ledger.AlertConnector, name, f.now())
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// failing makes the observer of connectors' states for what the documents know of.
func (a *app) failing(docs []document) *failing {
	f := &failing{outlets: map[string]outlet{}, now: time.Now, log: a.log}
	for _, doc := range docs {
		switch doc.Config["connector.class"] {
		case "sink.NotionSink":
			k := &notionSinkKeys{}
			if a.decode(doc.Document, k).Err() == nil {
				f.outlets[k.Common.Sync] = ledgerOf{k.Database}
			}
		case "sink.PostgresSink":
			k := &crmSinkKeys{}
			if a.decode(doc.Document, k).Err() == nil {
				f.outlets[k.Common.Sync] = ledgerOf{k.Database}
			}
		case "source.NotionSource":
			k := &pollKeys{}
			if a.decode(doc.Document, k).Err() == nil {
				f.outlets[k.Common.Sync] = ledgerOf{k.Database}
			}
		}
	}
	return f
}

// ledgerOf opens the ledger for each call: there is one in a long while, and the connector that has it open may be the one that does not run.
type ledgerOf struct{ config postgres.Config }

func (l ledgerOf) with(ctx context.Context, do func(*pgledger.Store) error) error {
	c := l.config
	c.ApplicationName, c.ConnectionsMax = "tandem alerts", 1
	pool, err := postgres.OpenPool(ctx, c)
	if err != nil {
		return fmt.Errorf("open the ledger for an alert: %w", err)
	}
	defer pool.Close()
	return do(pgledger.New(pool))
}

// Raise implements outlet.
func (l ledgerOf) Raise(ctx context.Context, alerts []ledger.Alert) error {
	return l.with(ctx, func(s *pgledger.Store) error { return s.Raise(ctx, alerts) })
}

// End implements outlet.
func (l ledgerOf) End(ctx context.Context, sync, kind, state string, now time.Time) (n int, err error) {
	err = l.with(ctx, func(s *pgledger.Store) error { n, err = s.End(ctx, sync, kind, state, now); return err })
	return n, err
}
