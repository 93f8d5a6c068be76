package notion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// read is one page as it was read, with the link's seq from before the read.
type read struct {
	page  notionapi.Page
	hash  string
	seq   int64
	via   change.Via
	hints map[string]time.Time
	got   bool // by GET
}

// emission is what was done with the rows of a query.
type emission struct {
	emitted int
	left    int       // for the next poll
	oldest  time.Time // when the least recently edited of those was edited; zero if none was left
}

func (e *emission) leave(page notionapi.Page) {
	e.left++
	if e.oldest.IsZero() || page.Edited.Before(e.oldest) {
		e.oldest = page.Edited
	}
}

// emit publishes those rows of a query whose content differs from what was emitted last.
func (p *Poller) emit(ctx context.Context, st step, pages []notionapi.Page, via change.Via) (emission, error) {
	ids := make([]string, len(pages))
	for i, page := range pages {
		ids[i] = page.ID
	}
	known, err := p.Ledger.Emitted(ctx, p.Entity.Sync, p.Entity.Name, ids)
	if err != nil {
		return emission{}, fmt.Errorf("look up what was emitted: %w", err)
	}
	var done emission
	var batch []read
	mapped := st.schema.IDs()
	for _, page := range pages {
		hash := notionapi.ContentHash(page, mapped)
		if hash == known[page.ID].Hash {
			continue
		}
		if via == change.ViaPoll && p.leaves(form{page.ID, hash, page.Edited}, page, known[page.ID]) {
			done.leave(page)
			continue
		}
		r, ok, err := p.row(ctx, st, page, hash, known[page.ID], via)
		if unreadable(err) {
			err = p.handOver(ctx, []string{page.ID})
		}
		if err != nil {
			return done, err
		}
		if ok {
			batch = append(batch, r)
		}
	}
	done.emitted, err = p.publish(ctx, st, batch)
	return done, err
}

// leaves says that a row is the next poll's: a write of our own to the page is under way, or was while the query was answered. A sweep leaves
// nothing, for the next one is a day away.
func (p *Poller) leaves(shown form, page notionapi.Page, known ledger.Emitted) bool {
	now := p.Now()
	return unsettled(page, known, now) && p.memory.mayLeave(shown, now)
}

// row looks at one row of a query that shows something new. The index that answers queries may lag: if we wrote or read the page since it could have shown that,
// the page itself is asked, once for what a row shows. A row that is cut says nothing of what it leaves out: its page is asked each time.
func (p *Poller) row(ctx context.Context, st step, page notionapi.Page, hash string, known ledger.Emitted, via change.Via) (read, bool, error) {
	if cut(page, st.schema.IDs()) {
		return p.get(ctx, st, page.ID, known, via)
	}
	shown := form{page.ID, hash, page.Edited}
	if p.memory.isOld(shown, p.Now(), p.IndexLag) {
		return read{}, false, nil
	}
	since := page.ReadFrom.Add(-p.IndexLag)
	if known.WroteAt.After(since) || known.ReadAt.After(since) {
		r, ok, err := p.get(ctx, st, page.ID, known, via)
		if err == nil && r.got && r.hash != hash {
			p.memory.provedOld(shown, r.page.ReadFrom)
		}
		return r, ok, err
	}
	return read{page: page, hash: hash, seq: known.Seq, via: via}, true, nil
}

// unreadable is an error of Notion's that concerns one page: the others go on.
func unreadable(err error) bool {
	var answer *notionapi.Error
	if !errors.As(err, &answer) || notionapi.IsUnauthorized(err) || notionapi.IsRateLimited(err) {
		return false
	}
	return answer.Status != 0
}

// handOver leaves pages to sink/notion, which reads each of them on its own time.
func (p *Poller) handOver(ctx context.Context, ids []string) error {
	var reasons []ledger.Reason
	for _, id := range ids {
		reasons = append(reasons, ledger.Reason{Sync: p.Entity.Sync, Entity: p.Entity.Name, Side: ledger.Notion, Page: id, Lane: ledger.LaneLive, Rank: p.Entity.Rank, Why: "reread"})
	}
	if len(reasons) == 0 {
		return nil
	}
	if err := p.Ledger.Add(ctx, p.Now(), reasons); err != nil {
		return fmt.Errorf("leave pages to the sink: %w", err)
	}
	return nil
}

func cut(page notionapi.Page, ids []string) bool {
	for _, id := range ids {
		if prop, ok := page.Property(id); ok && prop.HasMore {
			return true
		}
	}
	return false
}

// get reads a page whole; false if it says nothing new or cannot be found, which is no evidence of anything.
func (p *Poller) get(ctx context.Context, st step, id string, known ledger.Emitted, via change.Via) (read, bool, error) {
	page, err := p.Pages.Page(ctx, id)
	if notionapi.IsNotFound(err) {
		return read{}, false, nil
	}
	if err != nil {
		return read{}, false, fmt.Errorf("read page %s: %w", id, err)
	}
	if err := p.Pages.Complete(ctx, &page, st.schema.IDs()...); err != nil {
		return read{}, false, fmt.Errorf("read the rest of page %s: %w", id, err)
	}
	hash := notionapi.ContentHash(page, st.schema.IDs())
	ours := known.Entity == p.Entity.Name || page.Parent.DataSourceID == st.schema.DataSource
	if ours && hash != known.Hash {
		if buried, err := p.buried(ctx, st, page); buried || err != nil {
			return read{}, false, err
		}
	}
	return read{page: page, hash: hash, seq: known.Seq, via: via, got: true}, ours && hash != known.Hash, nil
}

// Databases tells of a database whether it is in the trash. [notionapi.Client] is one.
type Databases interface {
	DataSource(ctx context.Context, id string) (notionapi.DataSource, error)
}

// buried reports that a page reads as trashed because its database, or a page above that, is in the trash: nobody has deleted it.
func (p *Poller) buried(ctx context.Context, st step, page notionapi.Page) (bool, error) {
	databases, ok := p.Pages.(Databases)
	if !ok || !page.InTrash || page.Parent.DataSourceID != st.schema.DataSource {
		return false, nil
	}
	db, err := databases.DataSource(ctx, st.schema.DataSource)
	switch {
	case notionapi.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look whether the database of a trashed page is in the trash too: %w", err)
	case db.InTrash:
		p.Log.WarnContext(ctx, "a page is in the trash with its database: that is no delete", "entity", p.Entity.Name, "page", page.ID)
	}
	return db.InTrash, nil
}

// publish puts the reads into Kafka, and remembers them as emitted once they are acknowledged.
func (p *Poller) publish(ctx context.Context, st step, batch []read) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	records, emitted := make([]kafka.Record, len(batch)), make(map[string]ledger.Emission, len(batch))
	for i, r := range batch {
		record, err := p.record(st, r)
		if err != nil {
			return 0, err
		}
		e := ledger.Emission{Hash: r.hash}
		if r.got {
			e.GotAt = r.page.ReadFrom
		}
		records[i], emitted[r.page.ID] = record, e
	}
	if err := p.Publisher.SendBatch(ctx, records); err != nil {
		return 0, fmt.Errorf("publish the changes of %s: %w", p.Entity.Name, err)
	}
	if err := p.Ledger.SetEmitted(ctx, p.Entity.Sync, p.Entity.Name, emitted); err != nil {
		return 0, fmt.Errorf("remember what was emitted: %w", err)
	}
	if p.Observe != nil {
		p.Observe(p.Entity.Name, batch[0].via, len(batch))
	}
	return len(batch), nil
}

// record writes the event of one read.
func (p *Poller) record(st step, r read) (kafka.Record, error) {
	properties := map[string]json.RawMessage{}
	for _, id := range st.schema.IDs() {
		if prop, ok := r.page.Property(id); ok {
			properties[notionapi.CanonicalID(id)] = prop.Raw
		}
	}
	parent, err := json.Marshal(map[string]string{"type": r.page.Parent.Type, "data_source_id": r.page.Parent.DataSourceID, "database_id": r.page.Parent.DatabaseID})
	if err != nil {
		return kafka.Record{}, fmt.Errorf("write the page's parent: %w", err)
	}
	op := change.Update
	switch {
	case r.page.InTrash:
		op = change.Delete
	case r.via == change.ViaSweep:
		op = change.Read
	}
	external := ""
	if prop, ok := r.page.Property(st.schema.External); ok {
		external = prop.Value.Text()
	}
	e := change.PageEvent{
		Op: op, At: p.Now(),
		Page: change.Page{ID: r.page.ID, Parent: parent, InTrash: r.page.InTrash, Properties: properties},
		Source: change.PageSource{
			Version: p.Version, Name: p.Prefix, Entity: p.Entity.Name, DataSource: st.schema.DataSource, Edited: r.page.Edited,
			ReadFrom: r.page.ReadFrom, ReadTo: r.page.ReadTo, Seq: r.seq, Via: r.via, Created: r.page.Created, CreatedBy: r.page.CreatedBy,
			LastEditedBy: r.page.LastEditedBy, External: external, Hash: r.hash, Hints: r.hints,
		},
	}
	value, err := e.Encode()
	if err != nil {
		return kafka.Record{}, fmt.Errorf("page %s: %w", r.page.ID, err)
	}
	return kafka.Record{Topic: p.Topic, Key: e.Key(), Value: value}, nil
}
