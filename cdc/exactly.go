package cdc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/postgres"
)

// Transactions is a Sink whose records become readable when they are committed, together with the position, all at once or never. With one,
// every change is in Kafka exactly once:
//
//   - A session begins with Fence, and only then loads the position: what a predecessor had open is void, what it was committing is whole, and
//     neither can change any more. So the position that is loaded is the position of what can be read.
//   - A Kafka transaction holds whole PostgreSQL transactions, as many as come without a pause. One PostgreSQL transaction is cut only where its
//     writing takes longer than half of the Kafka transaction's timeout; the position then says how far into it Kafka is.
//   - A commit whose outcome is not known ends the session, as any failure does. The next one reads how it ended.
//   - PostgreSQL is told of a position after it was committed, so the slot is never ahead of it. Whichever is newer counts: normally the stored one,
//     and the server leaves out what lies before. A slot that is ahead of it was moved by somebody else, and what lies between is lost (see [gap]).
type Transactions interface {
	Sink
	// Fence voids what is open, and keeps who opened it from ever committing it. It comes first, and after every failure.
	Fence(ctx context.Context) error
	// Commit makes what was sent readable, and stores the offset with it.
	Commit(ctx context.Context, partition, offset map[string]any) error
	// Flush makes what was sent readable, with the offset as it is.
	Flush(ctx context.Context) error
	// Abort voids what was sent, so that readers need not wait for Timeout. Fence comes next.
	Abort(ctx context.Context) error
	// Timeout is how long a transaction may be open.
	Timeout() time.Duration
}

// The values of exactly.once.support, after Kafka Connect's connector option.
const (
	exactlyOnceRequired = "required"
	exactlyOnceDisabled = "disabled"
)

// abortTimeout bounds how long a failed session tries to spare readers the transaction's timeout.
const abortTimeout = 3 * time.Second

// ageFactor times the time that the last commit took is how long changes that come without a pause share one Kafka transaction, so that at
// most a twentieth of the time goes into commits; ageMax bounds what that costs in latency.
const (
	ageFactor = 20
	ageMax    = 250 * time.Millisecond
)

// ExactlyOnce reports that records and position are to share transactions.
func (c *Config) ExactlyOnce() bool { return c.ExactlyOnceSupport == exactlyOnceRequired }

// group is what the open Kafka transaction holds. It belongs to its emitter's goroutine.
type group struct {
	events int
	bytes  int64
	began  time.Time
	took   time.Duration // the last commit
}

func (g *group) add(bytes int64) {
	if g.events == 0 {
		g.began = time.Now()
	}
	g.events++
	g.bytes += bytes
}

// end is told that the group was committed.
func (g *group) end(took time.Duration) { *g = group{took: took} }

func (g *group) full(c *Config) bool {
	return g.bytes >= c.TransactionBytesMax || int64(g.events) >= c.TransactionEventsMax
}

// old reports that what came without a pause has waited long enough.
func (g *group) old(c *Config, now time.Time) bool {
	return now.Sub(g.began) >= max(c.TransactionLinger, min(ageFactor*g.took, ageMax))
}

// fence begins a session: see [Transactions].
func (s *session) fence(ctx context.Context) error {
	if s.tx == nil {
		return nil
	}
	err := s.tx.Fence(ctx)
	if err != nil && !retryable(err) {
		return fmt.Errorf("begin exactly once: %w; or set exactly.once.support=%s, which needs no right to transactions and writes changes at least once", err, exactlyOnceDisabled)
	}
	if err != nil {
		return fmt.Errorf("begin exactly once: %w", err)
	}
	return nil
}

// transact commits what was sent, with o.
func (s *session) transact(ctx context.Context, o offset) error {
	o.Owner, o.Timeline = s.config.Holder, s.timeline
	fields, err := o.encode()
	if err != nil {
		return err
	}
	if err := s.tx.Commit(ctx, s.partition(), fields); err != nil {
		return fmt.Errorf("commit changes and position: %w", err)
	}
	s.stored = &o
	return nil
}

// flushRows makes rows of a snapshot readable: there is no transaction of PostgreSQL that would have to stay whole.
func (s *session) flushRows(ctx context.Context) error {
	if err := s.tx.Flush(ctx); err != nil {
		return fmt.Errorf("commit rows of the snapshot: %w", err)
	}
	return nil
}

// between reports that no transaction of PostgreSQL is open, that something waits to be committed, and that now is the time to think of it.
func (r *reader) between() bool {
	if r.tx == nil || r.flight != nil || r.emitter.group.events == 0 {
		return false
	}
	return r.stream.Frontend().ReadBufferLen() == 0 || r.emitter.group.full(&r.config)
}

// until is when the reader looks up from waiting.
func (r *reader) until(now time.Time) time.Time {
	if r.tx != nil && r.flight == nil && r.emitter.group.events > 0 {
		return now.Add(r.config.TransactionLinger)
	}
	if r.aside.busy() {
		return now.Add(incrementalTick)
	}
	return now.Add(min(waitTick, r.config.StatusInterval))
}

// settle commits what is due: changes after a pause of transaction.linger.ms, or when enough of them have come without one; a position that moved
// without changes every offset.flush.interval.ms.
func (r *reader) settle(now time.Time) error {
	if r.tx == nil || r.flight != nil {
		return nil
	}
	r.beat(now)
	g := &r.emitter.group
	if g.events > 0 {
		if g.full(&r.config) || now.Sub(r.heard) >= r.config.TransactionLinger || g.old(&r.config, now) {
			return r.conclude()
		}
		return nil
	}
	asked := false
	select {
	case <-r.wake:
		asked = true
	default:
	}
	if (asked || now.Sub(r.concluded) >= r.config.OffsetInterval) && !r.stored.holds(r.tracker.sent()) {
		return r.conclude()
	}
	return nil
}

// beat writes a heartbeat that is due.
func (r *reader) beat(now time.Time) {
	if every := r.config.HeartbeatInterval; r.tx != nil && every > 0 && now.Sub(r.beaten) >= every {
		r.beaten = now
		r.emitter.heartbeat(r.life)
		r.emitter.group.add(0)
	}
}

// split commits in the middle of a PostgreSQL transaction when Kafka's would time out otherwise.
func (r *reader) split() error {
	if r.tx == nil || r.emitter.group.events == 0 || time.Since(r.emitter.group.began) < r.tx.Timeout()/2 {
		return nil
	}
	return r.conclude()
}

// conclude commits what was sent, with how far it goes. PostgreSQL hears that we live meanwhile. A stop does not interrupt it, within drain.timeout.ms.
func (r *reader) conclude() error {
	p := r.tracker.sent()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.life))
	defer cancel()
	defer context.AfterFunc(r.life, func() {
		if r.tracker.err() == nil { // it is a stop
			timer := time.NewTimer(r.config.DrainTimeout)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
		cancel()
	})()
	done := make(chan error, 1)
	o, began := r.stored.at(p), time.Now()
	go func() { done <- r.transact(ctx, o) }()
	tick := time.NewTicker(waitTick)
	defer tick.Stop()
	var told error
	for {
		select {
		case err := <-done:
			if err != nil {
				return err
			}
			r.concluded = time.Now()
			r.emitter.group.end(r.concluded.Sub(began))
			r.confirmed.Store(uint64(p.lsn))
			return told
		case <-tick.C:
			if r.life.Err() == nil && told == nil {
				told = r.tell(false)
			}
		}
	}
}

// finish commits what a stop left, or voids what cannot be committed.
func (r *reader) finish(failed bool) {
	if r.tx == nil {
		return
	}
	if !failed && !r.broken && r.flight == nil {
		if r.emitter.group.events == 0 && r.stored.holds(r.tracker.sent()) {
			return
		}
		err := r.conclude()
		if err == nil {
			return
		}
		r.log.Warn("stopped before Kafka had everything; the rest is sent again at the next start", "err", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.life), abortTimeout)
	defer cancel()
	if err := r.tx.Abort(ctx); err != nil {
		r.log.Debug("the open transaction was not aborted; the next start, or its timeout, ends it", "err", err)
	}
}

// usurped adds to the error of a producer that was fenced who it was. It looks where the other one writes its name, and who reads the slot.
func (s *Source) usurped(ctx context.Context, err error) error {
	var fenced interface{ Fenced() bool }
	if !errors.As(err, &fenced) || !fenced.Fenced() {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	who := "a process that has not said its name"
	if fields, loadErr := s.offsets.Load(ctx, s.partition()); loadErr == nil {
		if o, decodeErr := decodeOffset(fields); decodeErr == nil && o != nil && o.Owner != "" && o.Owner != s.config.Holder {
			who = o.Owner
		}
	}
	if reader, readErr := s.slotReader(ctx); readErr == nil {
		who += "; the replication slot is read by " + reader
	}
	return fmt.Errorf("%w: taken over by %s. Of two connectors with one name only one may run; the other's changes are not in doubt", err, who)
}

// slotReader names who reads the slot.
func (s *Source) slotReader(ctx context.Context) (string, error) {
	conn, err := postgres.Connect(ctx, s.config.Database)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, _ := conn.Query(ctx, `SELECT format('%s from %s (server process %s)', coalesce(nullif(a.application_name, ''), 'somebody'), coalesce(host(a.client_addr), 'the local socket'), a.pid)
		FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = $1`, s.config.Slot)
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
}
