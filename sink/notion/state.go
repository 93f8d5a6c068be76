package notion

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// statusField stands for the property of a page's state where fields are named that are left out.
const statusField = "status_property"

// StatePages is what a [Stater] asks of Notion.
type StatePages interface {
	UpdatePage(ctx context.Context, id string, update notionapi.PageUpdate) (notionapi.Page, error)
}

// StateLedger is what it asks of the ledger.
type StateLedger interface {
	Pending(ctx context.Context, sync string, max int) ([]ledger.Pending, error)
	ByID(ctx context.Context, ids []int64) (map[int64]ledger.Link, error)
	Said(ctx context.Context, sync string) ([]ledger.Said, error)
	Say(ctx context.Context, sync string, what ledger.Said, now time.Time) error
	Schema(ctx context.Context, sync, entity string) (ledger.Schema, bool, error)
	Pauses(ctx context.Context, sync string) ([]ledger.Pausing, error)
	Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error)
}

// Stater lets pages say what keeps their records back, in a property of its own (notion.status_property), in the background's share of the budget: one
// request when something does for longer than a moment, one when it is over. New pages are made with the word that they are in sync. The property is
// none that the mapping reads: what stands in it is nobody's edit. One goroutine calls RunOnce.
type Stater struct {
	Sync      string
	Connector string
	Holder    string
	Entities  []*mapping.Entity
	Pages     StatePages
	Ledger    StateLedger
	Now       func() time.Time
	Log       *slog.Logger

	refused map[int64]time.Time // link → when it is worth another try
	calm    map[int64]time.Time // link → since when nothing keeps it back, as far as looks have shown
}

// Limits of the stater.
const (
	statesMax     = 20   // pages in one step
	statesAtOnce  = 1000 // pages that say something else than that they are in sync: where all of them wait, one alert says it better
	statesLead    = time.Minute
	statesPending = 10_000
	stateRefused  = 10 * time.Minute
	stateCalm     = 10 * time.Second // what is looked at again waits for nothing for a moment; that is no news
)

// RunOnce writes what pages are to say and do not yet; it reports how many it wrote.
func (s *Stater) RunOnce(ctx context.Context) (int, error) {
	wanted, err := s.wanted(ctx)
	if err != nil || len(wanted) == 0 {
		return 0, err
	}
	if _, ok, err := s.Ledger.Lead(ctx, "states "+s.Sync, s.Holder, s.Now(), statesLead); err != nil || !ok {
		return 0, err
	}
	pauses, err := s.Ledger.Pauses(ctx, s.Sync)
	if err != nil {
		return 0, err
	}
	ids := make([]int64, len(wanted))
	for i, w := range wanted {
		ids[i] = w.Link
	}
	links, err := s.Ledger.ByID(ctx, ids)
	if err != nil {
		return 0, err
	}
	ctx = notionapi.WithLane(ctx, notionapi.Backfill)
	began, n := s.Now(), 0
	for _, w := range wanted {
		if n == statesMax || s.Now().Sub(began) > statesLead/2 || ctx.Err() != nil {
			break // another process may lead soon
		}
		link, ok := links[w.Link]
		if !ok || !s.may(link, pauses) {
			continue
		}
		wrote, err := s.say(ctx, link, w.Text)
		if err != nil {
			return n, err
		}
		if wrote {
			n++
		}
	}
	return n, nil
}

// wanted lists what pages are to say and do not yet, in order of their links.
func (s *Stater) wanted(ctx context.Context) ([]ledger.Said, error) {
	pending, err := s.Ledger.Pending(ctx, s.Sync, statesPending)
	if err != nil {
		return nil, err
	}
	said, err := s.Ledger.Said(ctx, s.Sync)
	if err != nil {
		return nil, err
	}
	says, now := map[int64]ledger.Said{}, s.Now()
	for _, w := range said {
		says[w.Link] = w
	}
	var wanted []ledger.Said
	standing := map[int64]bool{}
	for _, p := range pending {
		text := ledger.StateOf(p, now)
		if text == "" || len(standing) >= statesAtOnce {
			continue
		}
		standing[p.Link.ID] = true
		if was := says[p.Link.ID]; was.Text != text || !was.Shown {
			wanted = append(wanted, ledger.Said{Link: p.Link.ID, Text: text})
		}
	}
	calm := map[int64]time.Time{}
	for _, w := range said {
		if standing[w.Link] {
			continue
		}
		since, ok := s.calm[w.Link]
		if !ok {
			since = now
		}
		if calm[w.Link] = since; now.Sub(since) >= stateCalm {
			wanted = append(wanted, ledger.Said{Link: w.Link})
		}
	}
	s.calm = calm
	return wanted, nil
}

// may reports that a link's page may be told now.
func (s *Stater) may(link ledger.Link, pauses []ledger.Pausing) bool {
	if link.Page == "" || link.State == ledger.PageTrashed || link.State == ledger.Trashed || s.Now().Before(s.refused[link.ID]) {
		return false
	}
	for _, p := range pauses {
		if p.On(ledger.Way{Sync: s.Sync, Side: ledger.Notion, Connector: s.Connector}) && p.Field == "" && p.Link(link) {
			return false
		}
	}
	for _, e := range s.Entities {
		if e.Name == link.Entity {
			return e.Document.Notion.StatusProperty != "" && e.WriteNotion
		}
	}
	return false
}

// say writes one page: what it is to say is kept first, so that a page never goes on saying what nobody remembers.
func (s *Stater) say(ctx context.Context, link ledger.Link, text string) (bool, error) {
	schema, ok, err := s.Ledger.Schema(ctx, s.Sync, link.Entity)
	if err != nil || !ok || schema.Status == "" {
		return false, err
	}
	if err := s.Ledger.Say(ctx, s.Sync, ledger.Said{Link: link.ID, Text: text}, s.Now()); err != nil {
		return false, err
	}
	writes := map[string]notionapi.PropertyWrite{}
	if err := putStatus(writes, schema, text); err != nil {
		return false, err
	}
	if _, err := s.Pages.UpdatePage(ctx, link.Page, notionapi.PageUpdate{Properties: writes}); err != nil {
		if s.refused == nil {
			s.refused = map[int64]time.Time{}
		}
		s.refused[link.ID] = s.Now().Add(stateRefused)
		s.Log.DebugContext(ctx, "a page's state is not written", "entity", link.Entity, "key", link.Key, "page", link.Page, "reason", err.Error())
		return true, nil
	}
	delete(s.refused, link.ID)
	return true, s.Ledger.Say(ctx, s.Sync, ledger.Said{Link: link.ID, Text: text, Shown: true}, s.Now())
}

// putStatus adds the word on a page's state to what is written to it, where the mapping wants one.
func putStatus(writes map[string]notionapi.PropertyWrite, schema ledger.Schema, text string) error {
	if schema.Status == "" {
		return nil
	}
	if text == "" {
		text = ledger.InSync
	}
	w, err := notionapi.EncodeProperty(notionapi.TypeRichText, change.TextValue(text), notionapi.EncodeOptions{})
	if err != nil {
		return fmt.Errorf("encode the page's state: %w", err)
	}
	writes[schema.Status] = w
	return nil
}
