package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/sink"
)

// crm is one table in memory, with the log that replication would read.
type crm struct {
	w      *world
	mu     sync.Mutex
	rows   map[string]change.Image
	xmin   map[string]uint32
	keys   []string // in order of their making
	scope  func(change.Image) bool
	xid    uint32
	writes int // by Tandem

	onWrite func(key string, row change.Image) // told of each write by Tandem; nil is nobody
}

func newCRM(w *world) *crm {
	return &crm{w: w, rows: map[string]change.Image{}, xmin: map[string]uint32{}, xid: 700, scope: func(change.Image) bool { return true }}
}

// fill makes rows that are there before Tandem is; they come as a snapshot.
func (c *crm) fill(n int) {
	c.mu.Lock()
	records := make([]kafka.Record, 0, n)
	for range n {
		key := strconv.Itoa(len(c.keys) + 1)
		c.keys = append(c.keys, key)
		c.rows[key] = change.Image{
			"name": change.TextValue("Person " + key), "email": change.TextValue("p" + key + "@example.com"), "phone": change.TextValue("+336" + fmt.Sprintf("%08s", key)),
			"job": change.TextValue("Job " + key), "city": change.TextValue("Paris"), "note": change.NullValue(),
		}
		records = append(records, c.record(key, change.Read, 0))
	}
	c.mu.Unlock()
	c.w.bus.send(records...)
}

// set changes one field of rows, in one transaction.
func (c *crm) set(field string, value func(key string) string, keys ...string) {
	c.mu.Lock()
	c.xid++
	var records []kafka.Record
	for _, key := range keys {
		row := c.rows[key].Clone()
		row[field] = change.TextValue(value(key))
		c.rows[key], c.xmin[key] = row, c.xid
		records = append(records, c.record(key, change.Update, c.xid))
	}
	c.mu.Unlock()
	c.w.bus.send(records...)
}

// record is a change as cdc writes it.
func (c *crm) record(key string, op change.Op, xid uint32) kafka.Record {
	t := c.w.entity.Tables()[0]
	row := change.Row{{Name: "id", Type: change.Type{Name: "text", Modifier: -1}, Value: change.TextValue(key)}}
	event := &change.Event{Op: op, Key: row, After: row, At: time.Now(),
		Source: change.Source{Version: "bench", Connector: "postgresql", Name: "crm", Time: time.Now(), DB: "crm", Schema: t.Schema, Table: t.Name, TxID: int64(xid), LSN: change.LSN(xid)}}
	if err := event.Validate(); err != nil {
		c.w.t.Fatal(err)
	}
	var f change.Format
	return kafka.Record{Topic: rowTopic, Key: f.AppendKey(nil, row), Value: f.AppendValue(nil, event)}
}

// row needs mu.
func (c *crm) row(key string) sink.Row {
	image, ok := c.rows[key]
	return sink.Row{Key: key, Exists: ok, InScope: ok && c.scope(image), Xmin: c.xmin[key], Image: image.Clone()}
}

// get gives one field's text.
func (c *crm) get(key, field string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rows[key][field].Text()
}

// table is the CRM as a sink sees it.
type table struct{ *crm }

var _ sink.Rows = table{}

// statement is how long PostgreSQL takes for one.
const statement = 2 * time.Millisecond

// Read implements sink.Rows.
func (t table) Read(_ context.Context, keys []string) (sink.Snapshot, error) {
	time.Sleep(statement)
	t.mu.Lock()
	defer t.mu.Unlock()
	s := sink.Snapshot{At: time.Now(), Rows: map[string]sink.Row{}, Visible: func(uint32) bool { return true }}
	for _, key := range keys {
		s.Rows[key] = t.row(key)
	}
	return s, nil
}

var errNoInserts = errors.New("nothing here makes rows")

// Write implements sink.Rows.
func (t table) Write(ctx context.Context, w sink.RowWrite, finish func(sink.RowResult) (ledger.Commit, error)) error {
	if w.Op != sink.RowUpdate {
		return errNoInserts
	}
	time.Sleep(statement)
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.row(w.Key)
	result := sink.RowResult{Key: w.Key, At: time.Now(), Image: row.Image}
	for name, v := range w.Expect {
		result.Stale = result.Stale || !change.Equal(row.Image[name], v)
	}
	if !result.Stale {
		for name, v := range w.Set {
			row.Image[name] = v
		}
	}
	commit, err := finish(result)
	if err != nil {
		return err
	}
	if err := t.w.store.Commit(ctx, commit); err != nil || result.Stale {
		return err
	}
	t.xid++
	t.rows[w.Key], t.xmin[w.Key] = row.Image, t.xid
	t.writes++
	if t.onWrite != nil {
		t.onWrite(w.Key, row.Image)
	}
	t.w.bus.send(t.record(w.Key, change.Update, t.xid))
	return nil
}

// Keys implements sink.RowKeys.
func (t table) Keys(_ context.Context, after string, most int) ([]string, error) {
	time.Sleep(statement)
	t.mu.Lock()
	defer t.mu.Unlock()
	at := 0
	if after != "" {
		at, _ = strconv.Atoi(after) // keys count from 1
	}
	return slices.Clone(t.keys[min(at, len(t.keys)):min(at+most, len(t.keys))]), nil
}

const (
	rowTopic  = "crm.public.contact"
	pageTopic = "notion.contact"
)

// bus is a Kafka of two topics, each with one reader.
type bus struct {
	t      interface{ Errorf(string, ...any) }
	topics map[string]*topic
}

type topic struct {
	mu      sync.Mutex
	records []kafka.Record
	more    chan struct{} // capacity 1
	offset  int64
}

func newBus(t interface{ Errorf(string, ...any) }) *bus {
	b := &bus{t: t, topics: map[string]*topic{}}
	for _, name := range []string{rowTopic, pageTopic} {
		b.topics[name] = &topic{more: make(chan struct{}, 1)}
	}
	return b
}

func (b *bus) send(records ...kafka.Record) {
	for _, r := range records {
		t := b.topics[r.Topic]
		t.mu.Lock()
		r.Offset, r.Time = t.offset, time.Now()
		t.offset++
		t.records = append(t.records, r)
		t.mu.Unlock()
		select {
		case t.more <- struct{}{}:
		default:
		}
	}
}

// SendBatch implements the poller's Publisher.
func (b *bus) SendBatch(_ context.Context, records []kafka.Record) error {
	time.Sleep(linger)
	b.send(records...)
	return nil
}

// How long cdc and Kafka take between a commit and a consumer, and how many records come at once.
const (
	linger   = 20 * time.Millisecond
	fetchMax = 500
)

// consume hands a topic's records to a handler until ctx ends.
func (b *bus) consume(ctx context.Context, name string, h kafka.Handler) {
	t := b.topics[name]
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.more:
		}
		time.Sleep(linger)
		for {
			t.mu.Lock()
			batch := t.records[:min(fetchMax, len(t.records))]
			t.records = t.records[len(batch):]
			t.mu.Unlock()
			if len(batch) == 0 {
				break
			}
			if err := h.Handle(ctx, batch); err != nil {
				b.t.Errorf("handle %s: %v", name, err)
			}
			time.Sleep(statement)
		}
	}
}
