package cdc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/tandem-sync/tandem/cdc/transform"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/converter"
)

// Record is one Kafka record to be.
type Record struct {
	Topic   string
	Key     []byte // nil: no key
	Value   []byte // nil: a tombstone
	Headers []change.Header
	Time    time.Time
}

// Sink takes records. Records of one key must reach Kafka in the order of the calls. done is called exactly once, from any
// goroutine, with nil when Kafka has the record for good; it does not block. Send may block while Kafka is slow, but the
// caller keeps what is in flight below in.flight.bytes.max, so that it need not.
type Sink interface {
	Send(ctx context.Context, r Record, done func(error))
}

// recordOverhead is charged beside a record's bytes: what the Kafka client and its callbacks hold for each one that waits.
const recordOverhead = 512

// scratchMax is the largest buffer that is kept to write the next event into.
const scratchMax = 64 << 10

// emitter turns events into records, within a budget of bytes. It belongs to the goroutine that reads the stream.
type emitter struct {
	config    *Config
	sink      Sink
	log       *slog.Logger
	budget    *semaphore.Weighted
	headers   []change.Header // of every record
	naming    naming
	chain     transform.Chain   // transforms, where one has an expression
	unwrap    *transform.Unwrap // nil: values are envelopes
	topics    map[tableName]destination
	converter *converter.Converter // nil: JSON without schemas
	cut       map[tableName]bool   // tables whose large values were cut, which is said once
	waiting   func() error         // called now and then while the budget is used up
	resume    change.Position      // events before it are in Kafka
	bound     boundary             // of the open transaction
	orders    map[tableName]int64  // events of the open transaction, by table; messages by prefix, without a schema
	order     int64
	now       func() time.Time
	tells     func(prefix string) bool // messages that are written; nil: all
	shaper    *shaper                  // which columns, and in what form; nil: all, as they are
	records   *atomic.Uint64           // handed to the sink
	tally     *tally                   // … by table; nil: not counted
	last      lastTally
	scratch   []byte                      // the last event's key and value
	group     group                       // what the open Kafka transaction holds; counted, and of no use, at least once
	rotate    func(context.Context) error // commits a group that is full, where no transaction of PostgreSQL must stay whole; nil: nobody does
	faults    *faults
	sizes     *sizeLimits
}

func newEmitter(c *Config, sink Sink, runID string, records *atomic.Uint64, log *slog.Logger) *emitter {
	e := &emitter{
		config: c, sink: sink, log: log, budget: semaphore.NewWeighted(c.InFlightBytesMax), naming: c.naming(), chain: c.transforms().Chain(), unwrap: c.transforms().Unwrap(), topics: map[tableName]destination{}, cut: map[tableName]bool{},
		orders: map[tableName]int64{}, now: time.Now, records: records, faults: &faults{}, sizes: &sizeLimits{},
	}
	if c.ContextHeaders {
		for _, h := range [][2]string{
			{change.HeaderLogicalName, c.TopicPrefix}, {change.HeaderTaskID, "0"}, {change.HeaderConnectorName, connectorType}, {change.HeaderRunID, runID},
		} {
			e.headers = append(e.headers, change.Header{Key: h[0], Value: []byte(h[1])})
		}
	}
	return e
}

// connectorType is what Debezium calls its connector for PostgreSQL, in source.connector and in the header that claims to have the connector's name.
const connectorType = "postgresql"

// emit writes an event, and the tombstone after a delete, as part of f.
func (e *emitter) emit(ctx context.Context, ev *change.Event, f *flight) error {
	if slices.Contains(e.config.Skipped, string(ev.Op)) || ev.Op == change.Message && !e.writesMessage(ev) {
		return nil
	}
	if ev = e.shaper.shape(ev); ev == nil {
		return nil
	}
	e.number(ev)
	if ev.Op != change.Read && ev.Position.Compare(e.resume) < 0 {
		return nil // Kafka has it: the server sends whole transactions, also the half that was acknowledged
	}
	ev.At = e.now()
	if ev.Source.Time.IsZero() {
		ev.Source.Time = ev.At.Truncate(time.Microsecond) // a message outside of transactions has no time of its own
	}
	if err := ev.Validate(); err != nil {
		return err
	}
	to, keep := e.destination(ev), true
	var err error
	if e.chain != nil {
		if to.topic, keep, err = e.transform(ev, false); err != nil {
			return err
		}
	}
	r := Record{Topic: to.topic, Headers: e.headers, Time: ev.At}
	if to.field != nil {
		ev.Key, ev.NewKey, ev.OldKey = to.field.Extend(ev.Key), to.field.Extend(ev.NewKey), to.field.Extend(ev.OldKey)
	}
	if ev.Op == change.Message {
		r.Headers = nil // Debezium's messages have none
	}
	if own := e.config.Format.Headers(ev); own != nil {
		r.Headers = append(own, e.headers...)
	}
	if ev.Mark != "" {
		r.Headers = append([]change.Header{{Key: change.HeaderOrigin, Value: []byte(ev.Mark)}}, r.Headers...)
	}
	if e.unwrap != nil && ev.Op != change.Message {
		return e.emitRow(ctx, ev, to, r, keep, f)
	}
	cut, err := e.write(ctx, ev, to, &r)
	if err != nil {
		return err
	}
	if cut != nil {
		r.Headers = append(cut, r.Headers...)
	}
	at := place{tableName{ev.Source.Schema, ev.Source.Table}, ev.Source.LSN}
	switch {
	case !keep:
	case e.tooLarge(&r):
		err = e.setAside(ctx, r, to, ev, f)
	default:
		err = e.send(ctx, r, f, at)
	}
	if err != nil {
		return err
	}
	e.count(ev)
	return e.bury(ctx, ev, r, f)
}

// bury writes the tombstone after a delete.
func (e *emitter) bury(ctx context.Context, ev *change.Event, r Record, f *flight) (err error) {
	if ev.Op != change.Delete || !e.config.Tombstones || r.Key == nil {
		return nil // without a key a tombstone would say nothing
	}
	keep := true
	if e.chain != nil {
		if r.Topic, keep, err = e.transform(ev, true); err != nil || !keep {
			return err
		}
	}
	r.Value = nil
	return e.send(ctx, r, f, place{tableName{ev.Source.Schema, ev.Source.Table}, ev.Source.LSN})
}

func (e *emitter) writesMessage(ev *change.Event) bool {
	return e.config.Messages && (e.tells == nil || e.tells(ev.Message.Prefix))
}

// send hands the record over and waits while too much is in flight.
func (e *emitter) send(ctx context.Context, r Record, f *flight, at place) error {
	if e.rotate != nil && e.group.full(e.config) {
		if err := e.rotate(ctx); err != nil {
			return err
		}
		e.group.end(0)
	}
	charge := min(int64(len(r.Key)+len(r.Value)+recordOverhead), e.config.InFlightBytesMax)
	if !e.budget.TryAcquire(charge) {
		if err := e.wait(ctx, charge); err != nil {
			return err
		}
	}
	f.add()
	e.group.add(int64(len(r.Key) + len(r.Value)))
	e.records.Add(1)
	topic, key, size := r.Topic, r.Key, len(r.Key)+len(r.Value)
	e.sink.Send(ctx, r, func(err error) {
		if err != nil {
			err = e.refused(topic, key, size, at, err)
		}
		f.ack(err)
		e.budget.Release(charge) // last: who finds the budget whole finds the outcomes recorded
	})
	return nil
}

// flush returns when nothing is in flight.
func (e *emitter) flush(ctx context.Context) error {
	if err := e.budget.Acquire(ctx, e.config.InFlightBytesMax); err != nil {
		return fmt.Errorf("wait for Kafka's acknowledgements: %w", context.Cause(ctx))
	}
	e.budget.Release(e.config.InFlightBytesMax)
	return nil
}

// wait looks up from waiting so that the server does not think we are gone (wal_sender_timeout) while Kafka is.
func (e *emitter) wait(ctx context.Context, charge int64) error {
	for {
		tick, cancel := context.WithTimeout(ctx, waitTick)
		err := e.budget.Acquire(tick, charge)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if e.waiting == nil || !errors.Is(err, context.DeadlineExceeded) {
			continue
		}
		if err := e.waiting(); err != nil {
			return err
		}
	}
}

// destination is where a table's records go, and what they are called there.
type destination struct {
	topic, name string
	field       *transform.KeyField // of its keys; nil: they are as they are
}

func (e *emitter) destination(ev *change.Event) destination {
	if ev.Op == change.Message {
		return destination{topic: e.naming.message()}
	}
	t := tableName{ev.Source.Schema, ev.Source.Table}
	to, ok := e.topics[t]
	if !ok {
		to.topic, to.name, to.field = e.naming.table(t)
		e.topics[t] = to
	}
	return to
}

// number fills the transaction block. Its id has the commit's LSN, so that it is the same in every event, as Debezium's is not.
func (e *emitter) number(ev *change.Event) {
	if !e.config.TransactionInfo || ev.Source.TxID == 0 || ev.Op == change.Read {
		return
	}
	t := tableName{ev.Source.Schema, ev.Source.Table}
	if ev.Op == change.Message {
		t.name = ev.Message.Prefix
	}
	e.order++
	if e.orders[t]++; e.orders[t] == 1 {
		e.bound.tables = append(e.bound.tables, t)
	}
	ev.Tx = &change.Transaction{
		ID: e.bound.id, TotalOrder: e.order, DataCollectionOrder: e.orders[t],
	}
}

// heartbeat tells consumers that we live. Nobody waits for it.
func (e *emitter) heartbeat(ctx context.Context) {
	now := time.Now()
	r := Record{
		Topic: e.naming.heartbeat(), Time: now,
		Key: fmt.Appendf(nil, `{"serverName":%q}`, e.config.TopicPrefix), Value: fmt.Appendf(nil, `{"ts_ms":%d}`, now.UnixMilli()),
	}
	if err := e.convert(ctx, &r, change.HeartbeatKeySchema, change.HeartbeatSchema); err != nil {
		e.log.Warn("a heartbeat cannot be written", "err", err)
		return
	}
	e.sink.Send(ctx, r, func(error) {})
}
