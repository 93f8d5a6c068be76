package notion

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// Pages is what the poller asks of Notion.
type Pages interface {
	QueryDataSource(ctx context.Context, dataSourceID string, query notionapi.Query) (notionapi.List, error)
	Rows(ctx context.Context, dataSourceID string, query notionapi.Query) iter.Seq2[notionapi.Page, error]
	Page(ctx context.Context, id string) (notionapi.Page, error)
	Complete(ctx context.Context, page *notionapi.Page, ids ...string) error
}

// Ledger is what the poller asks of the ledger.
type Ledger interface {
	Schema(ctx context.Context, sync, entity string) (ledger.Schema, bool, error)
	Emitted(ctx context.Context, sync, entity string, pages []string) (map[string]ledger.Emitted, error)
	SetEmitted(ctx context.Context, sync, entity string, emitted map[string]ledger.Emission) error
	Pages(ctx context.Context, sync, entity, after string, max int) ([]string, error)
	Add(ctx context.Context, now time.Time, reasons []ledger.Reason) error
	Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error)
	Cursor(ctx context.Context, name string) (json.RawMessage, error)
	SaveCursor(ctx context.Context, name string, fence ledger.Fence, position json.RawMessage) error
	Windows(ctx context.Context, sync string, pages []string, after time.Time) ([]ledger.Window, error)
	Overwrote(ctx context.Context, lost []ledger.Overwrite, now time.Time) error
	KeptEdits(ctx context.Context, sync string, after time.Time) ([]ledger.Edit, error)
}

// Publisher puts records into Kafka and returns when all are acknowledged.
type Publisher interface {
	SendBatch(ctx context.Context, records []kafka.Record) error
}

// Poller reads one entity's pages. Its fields are set before the first step and not changed after; one goroutine drives it.
type Poller struct {
	Entity    *mapping.Entity
	Topic     string
	Prefix    string // topic.prefix, the events' source.name
	Version   string // of the program, for the events
	Holder    string
	Pages     Pages
	Ledger    Ledger
	Publisher Publisher
	Now       func() time.Time
	Log       *slog.Logger
	Observe   func(entity string, via change.Via, emitted int) // metrics; nil is nobody

	IndexLag      time.Duration // notion.index.lag.ms: how long a query may not show a write
	SweepInterval time.Duration
	LeadFor       time.Duration // how long a step may take before another process may take over

	sweep  *sweep
	leads  bool      // the lead may be ours
	polled time.Time // when the newest poll began
	memory memory
	saved  savedCursor
	edits  []ledger.Edit // of people, in windows whose end is not known yet
	told   bool          // those that were told before this process began are among them
}

// Result is what one step did.
type Result struct {
	Led      bool // false: another process polls this entity
	Seen     int  // pages looked at
	Emitted  int
	Left     int  // rows left for the next poll, because of a write that is under way
	Sweeping bool // a sweep has more to do
}

// cursor is the poller's position, kept in the ledger.
type cursor struct {
	Minute time.Time `json:"minute"`         // newest last_edited_time seen
	Whole  time.Time `json:"whole,omitzero"` // when the newest poll that saw everything began, on our clock
	Swept  time.Time `json:"swept,omitzero"` // when the last whole sweep began
}

// clockMargin is how far Notion's clock may be behind ours. A whole poll has seen what was edited before it began, less the index lag and
// this: without that the minute of a large import would be paged through at every poll until somebody edits something later.
const clockMargin = 10 * time.Minute

// plain is the position as it is read back: its times say what a clock on the wall says.
func (c cursor) plain() cursor {
	return cursor{c.Minute.Round(0), c.Whole.Round(0), c.Swept.Round(0)}
}

// from is where a poll begins: the newest minute seen, or later where a whole poll has shown that nothing new lies before.
func (c cursor) from(lag time.Duration) time.Time {
	from := c.Minute
	if whole := c.Whole.Add(-clockMargin); whole.After(from) {
		from = whole
	}
	return from.Add(-overlap - lag)
}

// step is one leadership over the cursor.
type step struct {
	fence   ledger.Fence
	cursor  cursor
	request request
	schema  ledger.Schema
}

// DefaultLead is how long a step may take before another process may take over: longer than a request with all its retries.
const DefaultLead = 3 * time.Minute

// lead is what the ledger calls this entity's poller.
func (p *Poller) lead() string { return CursorName(p.Entity.Sync, p.Entity.Name) }

// CursorName is the name of an entity's cursor, and of the lease over it, in the ledger.
func CursorName(sync, entity string) string { return "poll/" + sync + "/" + entity }

// RunOnce polls once, and goes on with a sweep if one is due.
func (p *Poller) RunOnce(ctx context.Context) (Result, error) {
	if err := p.judge(ctx); err != nil {
		return Result{}, err
	}
	st, led, err := p.begin(ctx)
	if err != nil || !led {
		return Result{}, err
	}
	if !p.sweepDue(st) {
		return p.poll(ctx, st)
	}
	if st.cursor.Minute.IsZero() || p.Now().Sub(p.polled) < pollAmidSweep {
		return p.runSweep(ctx, st)
	}
	result, err := p.poll(ctx, st)
	result.Sweeping = true
	return result, err
}

// pollAmidSweep is how often live edits have their turn while a sweep goes on, which may take hours, or cannot be ended.
const pollAmidSweep = 30 * time.Second

// begin takes the lead and reads the position; false if another process leads or the database is not known yet.
func (p *Poller) begin(ctx context.Context) (step, bool, error) {
	// An end does not cut it off: the server might carry it out after Close has given the lead back, which then stood until it ended by itself.
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveFor)
	defer cancel()
	fence, ok, err := p.Ledger.Lead(asking, p.lead(), p.Holder, p.Now(), p.LeadFor)
	p.leads = ok || err != nil // a call that timed out may have taken the lead
	if err != nil || !ok {
		p.endSweep()
		return step{}, false, err
	}
	schema, known, err := p.Ledger.Schema(ctx, p.Entity.Sync, p.Entity.Name)
	if err != nil {
		return step{}, false, fmt.Errorf("read what is known of Notion's schema: %w", err)
	}
	if !known {
		return step{}, false, fmt.Errorf("the database of %s is not known yet: the sink.NotionSink of sync %s has to run once", p.Entity.Name, p.Entity.Sync)
	}
	st := step{fence: fence, schema: schema}
	if err := p.loadCursor(ctx, &st.cursor); err != nil {
		return st, false, err
	}
	return st, true, p.load(ctx, p.lead()+"/request", &st.request)
}

// leaveFor bounds the last word to the ledger; if it cannot be said the lead ends by itself.
const leaveFor = 5 * time.Second

// Close lets go of what a sweep in progress holds, and of the lead: whoever polls next need not wait for its end. No step runs any more.
func (p *Poller) Close(ctx context.Context) error {
	p.endSweep()
	if !p.leads {
		return nil
	}
	p.leads = false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveFor)
	defer cancel()
	if _, _, err := p.Ledger.Lead(ctx, p.lead(), p.Holder, p.Now(), 0); err != nil {
		return fmt.Errorf("give back the lead of %s: %w", p.lead(), err)
	}
	return nil
}

// savedCursor is the position as it was read or written last: a poll that finds it so in the ledger need not read it anew.
type savedCursor struct {
	text   []byte
	cursor cursor
}

func (p *Poller) loadCursor(ctx context.Context, into *cursor) error {
	data, err := p.Ledger.Cursor(ctx, p.lead())
	if err != nil || data == nil {
		return err
	}
	if !bytes.Equal(data, p.saved.text) {
		var c cursor
		if err := json.Unmarshal(data, &c); err != nil {
			return fmt.Errorf("read the state of %s: %w", p.lead(), err)
		}
		p.saved = savedCursor{data, c}
	}
	*into = p.saved.cursor
	return nil
}

func (p *Poller) load(ctx context.Context, name string, into any) error {
	data, err := p.Ledger.Cursor(ctx, name)
	if err != nil || data == nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read the state of %s: %w", name, err)
	}
	return nil
}

func (p *Poller) save(ctx context.Context, st step) error {
	data, err := json.Marshal(st.cursor)
	if err != nil {
		return fmt.Errorf("write the poll cursor: %w", err)
	}
	if err := p.Ledger.SaveCursor(ctx, p.lead(), st.fence, data); err != nil {
		return fmt.Errorf("save the poll cursor: %w", err)
	}
	p.saved = savedCursor{data, st.cursor.plain()}
	return nil
}

// overlap is looked at again beside the index lag: the newest minute may still get edits.
const overlap = time.Minute

// poll asks for what was edited since the newest minute seen, with overlap.
func (p *Poller) poll(ctx context.Context, st step) (Result, error) {
	p.polled = p.Now()
	p.memory.forget(p.polled, p.IndexLag)
	result := Result{Led: true}
	var held time.Time // the minute of the oldest row that was left: the cursor waits there, for the next poll to show it again
	from := st.cursor.from(p.IndexLag)
	query := notionapi.Query{
		Filter: notionapi.EditedOnOrAfter(from),
		Sorts:  []notionapi.Sort{{Timestamp: "last_edited_time"}},
	}
	for {
		list, err := p.Pages.QueryDataSource(ctx, st.schema.DataSource, query)
		switch {
		case notionapi.IsInvalidCursor(err) && query.Cursor != "":
			query.Cursor = "" // start this poll again: what was emitted is not emitted twice
			continue
		case err != nil:
			return result, fmt.Errorf("query the pages of %s: %w", p.Entity.Name, err)
		}
		done, err := p.emit(ctx, st, list.Pages, change.ViaPoll)
		if err != nil {
			return result, err
		}
		result.Seen, result.Emitted, result.Left = result.Seen+len(list.Pages), result.Emitted+done.emitted, result.Left+done.left
		if held.IsZero() {
			held = done.oldest
		}
		if p.advance(&st.cursor, list.Pages, held) {
			if err := p.save(ctx, st); err != nil {
				return result, err
			}
		}
		switch {
		case list.HasMore && list.NextCursor != "":
			query.Cursor = list.NextCursor
		case list.Incomplete:
			// 10,000 rows were edited since: go on from the newest of them.
			if from, err = p.goOn(ctx, from, list.Pages); err != nil {
				return result, err
			}
			query.Cursor, query.Filter = "", notionapi.EditedOnOrAfter(from)
		default:
			if result.Left == 0 {
				st.cursor.Whole = p.polled
			}
			return result, p.save(ctx, st)
		}
	}
}

// goOn says from when to ask on behind the rows that a query could give. What a minute holds beyond them is a sweep's to find.
func (p *Poller) goOn(ctx context.Context, from time.Time, pages []notionapi.Page) (time.Time, error) {
	newest := from
	for _, page := range pages {
		if page.Edited.After(newest) {
			newest = page.Edited
		}
	}
	if newest.After(from) {
		return newest, nil
	}
	if !p.memory.mayAsk(from, p.Now(), overlap+p.IndexLag) {
		return from.Add(time.Minute), nil
	}
	why := "more than 10,000 pages were edited in one minute"
	return from.Add(time.Minute), RequestSweep(ctx, p.Ledger, p.Entity.Sync, p.Entity.Name, p.Holder, p.Now(), why)
}

// advance moves the cursor to the newest minute among pages that are in Kafka, and not past one that is held; it never goes back.
func (p *Poller) advance(c *cursor, pages []notionapi.Page, held time.Time) bool {
	moved := false
	for _, page := range pages {
		if page.Edited.After(c.Minute) && (held.IsZero() || !page.Edited.After(held)) {
			c.Minute, moved = page.Edited, true
		}
	}
	return moved
}

// RunPages looks at single pages that webhooks named, by GET.
func (p *Poller) RunPages(ctx context.Context, pages map[string]Named) (Result, error) {
	open := p.edits
	for _, id := range change.Sorted(pages) {
		p.edits = append(slices.Clip(p.edits), pages[id].Edits...)
	}
	if err := p.judge(ctx); err != nil {
		p.edits = open // the caller brings the others again
		return Result{}, err
	}
	st, led, err := p.begin(ctx)
	ids := change.Sorted(pages)
	if err == nil && !led {
		return Result{}, p.handOver(ctx, p.known(ctx, ids))
	}
	if err != nil {
		return Result{}, err
	}
	result := Result{Led: true}
	known, err := p.Ledger.Emitted(ctx, p.Entity.Sync, p.Entity.Name, ids)
	if err != nil {
		return result, fmt.Errorf("look up what was emitted: %w", err)
	}
	var batch []read
	for _, id := range ids {
		if parent := pages[id].DataSource; parent != "" && parent != st.schema.DataSource && known[id].Entity != p.Entity.Name {
			continue // another entity's
		}
		r, ok, err := p.get(ctx, st, id, known[id], change.ViaWebhook)
		if unreadable(err) {
			err = p.handOver(ctx, []string{id})
		}
		if err != nil {
			return result, err
		}
		if ok {
			r.hints = pages[id].Hints
			batch = append(batch, r)
		}
		result.Seen++
	}
	result.Emitted, err = p.publish(ctx, st, batch)
	return result, err
}

// known leaves those pages that links of this entity have. A process that does not poll hands these over; new pages are found by the one that does.
func (p *Poller) known(ctx context.Context, ids []string) []string {
	emitted, err := p.Ledger.Emitted(ctx, p.Entity.Sync, p.Entity.Name, ids)
	if err != nil {
		return nil // a hint that is lost costs time, not an edit
	}
	return slices.DeleteFunc(ids, func(id string) bool { return emitted[id].Entity != p.Entity.Name })
}
