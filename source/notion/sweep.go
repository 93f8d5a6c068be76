package notion

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// Sweeps, with their reasons.
const (
	DefaultSweepInterval = 24 * time.Hour
	sweepStep            = 300  // rows a step: three requests, so that polls and webhooks have their turn
	linksStep            = 1000 // links a step when a sweep is compared with them
)

// sweep is a walk over all pages. It lives in memory: a process that dies begins anew, for a sweep only makes work.
type sweep struct {
	started time.Time
	next    func() (notionapi.Page, error, bool)
	stop    func()
	found   map[[16]byte]struct{} // ids of pages: a quarter of a million take 8 MB so, and four times that as texts
	newest  time.Time             // created_time of the last page
}

func (p *Poller) sweepDue(st step) bool {
	swept := st.cursor.Swept
	return p.sweep != nil || swept.IsZero() || st.request.At.After(swept) || p.Now().Sub(swept) >= p.SweepInterval
}

// request is what somebody asked for. It has a place of its own in the ledger: who asks need not be who polls.
type request struct {
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

// RequestLedger is what it takes to ask for a sweep.
type RequestLedger interface {
	Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error)
	SaveCursor(ctx context.Context, name string, fence ledger.Fence, position json.RawMessage) error
}

// RequestSweep asks whoever polls an entity for a sweep of all of its pages.
func RequestSweep(ctx context.Context, l RequestLedger, sync, entity, holder string, now time.Time, why string) error {
	name := CursorName(sync, entity) + "/request"
	fence, ok, err := l.Lead(ctx, name, holder, now, time.Second)
	if err != nil {
		return fmt.Errorf("ask for a sweep of %s: %w", entity, err)
	}
	if !ok {
		return fmt.Errorf("ask for a sweep of %s: somebody else is asking at this moment", entity)
	}
	data, err := json.Marshal(request{At: now, Why: why})
	if err != nil {
		return fmt.Errorf("ask for a sweep of %s: %w", entity, err)
	}
	if err := l.SaveCursor(ctx, name, fence, data); err != nil {
		return fmt.Errorf("ask for a sweep of %s: %w", entity, err)
	}
	_, _, err = l.Lead(ctx, name, holder, now, 0) // given back: who asks next, asks at once
	return err
}

// runSweep does one step of a sweep.
func (p *Poller) runSweep(ctx context.Context, st step) (Result, error) {
	ctx = notionapi.WithLane(ctx, notionapi.Backfill)
	if p.sweep == nil {
		p.sweep = &sweep{started: p.Now(), found: map[[16]byte]struct{}{}}
		p.walk(ctx, st, notionapi.Filter{})
	}
	pages, done, err := p.sweep.take(sweepStep)
	if errors.Is(err, notionapi.ErrMinuteTooFull) {
		p.pass(ctx, st, err)
		err = nil
	}
	if err != nil {
		p.endSweep()
		return Result{Led: true}, fmt.Errorf("sweep the pages of %s: %w", p.Entity.Name, err)
	}
	result := Result{Led: true, Seen: len(pages), Sweeping: !done}
	for _, page := range pages {
		p.sweep.found[short(page.ID)] = struct{}{}
	}
	walked, err := p.emit(ctx, st, pages, change.ViaSweep)
	if err != nil {
		p.endSweep()
		return result, err
	}
	result.Emitted = walked.emitted
	if !done {
		return result, nil
	}
	if err := p.missing(ctx); err != nil {
		return result, err
	}
	// What was edited meanwhile is the poll's: it begins where the sweep began.
	if began := p.sweep.started.Truncate(time.Minute); st.cursor.Minute.Before(began) {
		st.cursor.Minute = began
	}
	st.cursor.Swept = p.sweep.started
	p.endSweep()
	return result, p.save(ctx, st)
}

// walk begins to list the pages that a filter lets pass, oldest first.
func (p *Poller) walk(ctx context.Context, st step, filter notionapi.Filter) {
	p.sweep.next, p.sweep.stop = iter.Pull2(p.Pages.Rows(context.WithoutCancel(ctx), st.schema.DataSource, notionapi.Query{Filter: filter}))
}

// pass goes on behind a minute in which more pages were made than Notion lists. It would be as full the next time: beginning anew would spend
// the backfill's requests for ever and never come to the pages behind it. Linked pages that it hides are read one by one, as all that a sweep
// did not see are; one without a link is found when somebody edits it.
func (p *Poller) pass(ctx context.Context, st step, cause error) {
	p.sweep.stop()
	from := p.sweep.newest.Truncate(time.Minute).Add(time.Minute)
	p.Log.WarnContext(ctx, "sweep goes on behind a minute that Notion does not list whole: pages made in it that have no link yet are found when somebody edits them",
		"entity", p.Entity.Name, "minute", p.sweep.newest.Truncate(time.Minute), "reason", cause.Error())
	p.walk(ctx, st, notionapi.CreatedOnOrAfter(from))
}

// endSweep lets go of a walk; the next step begins anew.
func (p *Poller) endSweep() {
	if p.sweep != nil {
		p.sweep.stop()
		p.sweep = nil
	}
}

func (s *sweep) take(n int) (pages []notionapi.Page, done bool, err error) {
	for len(pages) < n {
		page, err, ok := s.next()
		if !ok {
			return pages, true, nil
		}
		if err != nil {
			return pages, false, err
		}
		if page.Created.After(s.newest) {
			s.newest = page.Created
		}
		pages = append(pages, page)
	}
	return pages, false, nil
}

// short is a page's id in 16 bytes: the id itself, or, of a text that is none, its hash.
func short(page string) [16]byte {
	if raw, err := hex.DecodeString(strings.ReplaceAll(page, "-", "")); err == nil && len(raw) == 16 {
		return [16]byte(raw)
	}
	sum := sha256.Sum256([]byte(page))
	return [16]byte(sum[:16])
}

// missing makes work for linked pages that the sweep did not see. Absence is not deletion: sink/notion reads each of them.
func (p *Poller) missing(ctx context.Context) error {
	after := ""
	for {
		pages, err := p.Ledger.Pages(ctx, p.Entity.Sync, p.Entity.Name, after, linksStep)
		if err != nil || len(pages) == 0 {
			return err
		}
		after = pages[len(pages)-1]
		var reasons []ledger.Reason
		for _, page := range pages {
			if _, found := p.sweep.found[short(page)]; !found {
				reasons = append(reasons, ledger.Reason{
					Sync: p.Entity.Sync, Entity: p.Entity.Name, Side: ledger.Notion, Page: page, Lane: ledger.LaneBackfill, Rank: p.Entity.Rank, Why: "reread",
				})
			}
		}
		if len(reasons) == 0 {
			continue
		}
		if err := p.Ledger.Add(ctx, p.Now(), reasons); err != nil {
			return fmt.Errorf("make work for pages that a sweep did not see: %w", err)
		}
	}
}
