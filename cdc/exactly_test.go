package cdc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// committedLog is a Kafka with transactions, as who reads committed sees it. Commits can fail before or after they took effect.
type committedLog struct {
	*topicLog
	offsets *memoryOffsets
	trouble func() (happens bool, err error) // of each commit; nil: none

	mu      sync.Mutex
	open    []Record
	fenced  bool // Fence comes first
	commits [][]Record
}

func (l *committedLog) Fence(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open, l.fenced = nil, false
	return nil
}

func (l *committedLog) Send(_ context.Context, r Record, done func(error)) {
	l.mu.Lock()
	if l.fenced {
		l.mu.Unlock()
		done(retryableError{})
		return
	}
	if l.tooLarge(r) {
		l.open, l.fenced = nil, true
		l.mu.Unlock()
		done(tooLargeError{})
		return
	}
	l.open = append(l.open, r)
	l.mu.Unlock()
	done(nil)
}

func (l *committedLog) Commit(ctx context.Context, partition, offset map[string]any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fenced {
		return retryableError{}
	}
	happens, err := true, error(nil)
	if l.trouble != nil {
		happens, err = l.trouble()
	}
	if happens {
		for _, r := range l.open {
			l.topicLog.Send(ctx, r, func(error) {})
		}
		l.commits = append(l.commits, l.open)
		if offset != nil {
			l.offsets.mu.Lock()
			l.offsets.entry = maps.Clone(offset)
			l.offsets.mu.Unlock()
		}
	}
	l.open, l.fenced = nil, err != nil
	return err
}

func (l *committedLog) Flush(ctx context.Context) error { return l.Commit(ctx, nil, nil) }

func (l *committedLog) Abort(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open, l.fenced = nil, true
	return nil
}

func (l *committedLog) Timeout() time.Duration { return time.Minute }

// troubles has one commit in so many fail from now on, before or after it took effect, at most so often. fell tells how many did.
func (l *committedLog) troubles(t *testing.T, most, oneIn int) (fell func() int) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	n := 0 // under l.mu, as trouble is called
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = func() (bool, error) {
		if n == most || dice.IntN(oneIn) > 0 {
			return true, nil
		}
		n++
		return dice.IntN(2) == 0, retryableError{}
	}
	return func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return n
	}
}

func (w *world) exactly() *committedLog {
	w.config.ExactlyOnceSupport, w.config.Holder = exactlyOnceRequired, "us"
	log := &committedLog{topicLog: w.kafka, offsets: w.offsets}
	w.sink = log
	return log
}

// Connections are cut, commits fail before and after they took effect, the source stops and starts: every change is told once, in order. It begins when the
// tables are read: of a snapshot that is cut short, rows may come twice, and older events after them.
func TestExactlyOnceWhateverHappens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), counters)
	w.config.TransactionEventsMax = 10
	log := w.exactly()
	s := w.start(t)
	eventually(t, "the stream", func() bool { return s.Status().Phase == "streaming" })
	fell := log.troubles(t, 8, 15)
	stop := writers(t, w)
	defer stop()
	for i := range 6 {
		w.kafka.awaitCount(t, w.kafka.len()+100)
		if i%2 == 0 {
			w.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tandem' AND datname = current_database()`)
			continue
		}
		s.Stop()
		s = w.start(t)
	}
	stop()
	for key, numbers := range whole(t, w) {
		for i, n := range numbers {
			if n != numbers[0]+i {
				t.Fatalf("%s: told %v: a gap or a repeat at %d", key, numbers, i)
			}
		}
	}
	if fell() == 0 {
		t.Error("no commit failed: nothing was shown")
	}
}

// Kafka's transactions hold PostgreSQL's whole, also where they are larger than a Kafka transaction needs to be.
func TestKafkaTransactionsHoldWholeOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE part (id serial PRIMARY KEY, tx int)`)
	w.config.TransactionEventsMax = 50
	log := w.exactly()
	w.start(t)
	total := 0
	for tx := range 60 {
		size := 1 + tx*tx%130
		total += size
		w.exec(t, `INSERT INTO part (tx) SELECT $1::int FROM generate_series(1, $2::int)`, tx, size)
	}
	w.kafka.awaitCount(t, total)
	log.mu.Lock()
	defer log.mu.Unlock()
	in := map[string]int{}
	for i, records := range log.commits {
		for _, r := range records {
			tx, _ := decoded(t, r).After.Text("tx")
			if before, ok := in[tx]; ok && before != i {
				t.Fatalf("transaction %s is split over commits %d and %d", tx, before, i)
			}
			in[tx] = i
		}
	}
	if len(in) != 60 {
		t.Errorf("%d transactions of 60", len(in))
	}
}

// lateLog acknowledges nothing before a commit, and answers what an abort voids as a client does that is told to give up.
type lateLog struct {
	*committedLog
	late []func(error)
}

type givenUpError struct{}

func (givenUpError) Error() string { return "client is aborting buffered records" }

func (l *lateLog) Send(ctx context.Context, r Record, done func(error)) {
	l.committedLog.Send(ctx, r, func(err error) {
		if err != nil {
			done(err)
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.late = append(l.late, done)
	})
}

func (l *lateLog) settle(err error) {
	l.mu.Lock()
	late := l.late
	l.late = nil
	l.mu.Unlock()
	for _, done := range late {
		done(err)
	}
}

func (l *lateLog) Commit(ctx context.Context, partition, offset map[string]any) error {
	l.settle(nil)
	return l.committedLog.Commit(ctx, partition, offset)
}

func (l *lateLog) Abort(ctx context.Context) error {
	l.settle(givenUpError{})
	return l.committedLog.Abort(ctx)
}

// PostgreSQL died while records were on their way to Kafka. The session voided them, took Kafka's answer to that for the reason of its end, and the connector
// failed for good (make crash found it).
func TestWhatIsVoidedIsNoFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE big (id int PRIMARY KEY)`)
	w.config.InFlightBytesMax, w.config.TransactionLinger = 64<<20, time.Second
	log := &lateLog{committedLog: w.exactly()}
	w.sink = log
	w.start(t)
	for round := range 3 {
		w.exec(t, `INSERT INTO big SELECT $1::int * 1000 + generate_series(1, 500)`, round)
		eventually(t, "records on their way, or there", func() bool {
			log.mu.Lock()
			defer log.mu.Unlock()
			return len(log.late) > 0 || len(log.commits) > 0
		})
		w.exec(t, `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1`, w.config.Slot)
	}
	if records := w.kafka.awaitCount(t, 1500); len(records) != 1500 {
		t.Errorf("%d records", len(records))
	}
}

type fencedError struct{}

func (fencedError) Error() string   { return "fenced" }
func (fencedError) Retryable() bool { return false }
func (fencedError) Fenced() bool    { return true }

// Two connectors of one name would throw each other out for ever. The one that was thrown out says by whom, and ends.
func TestWhoIsFencedEndsAndSaysByWhom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	log := w.exactly()
	s := w.source(t)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream", func() bool { return s.Status().Phase == "streaming" && w.offsets.get("tandem_owner") == "us" })
	log.mu.Lock()
	log.trouble = func() (bool, error) {
		w.offsets.mu.Lock()
		w.offsets.entry["tandem_owner"] = "crm-2/4711"
		w.offsets.mu.Unlock()
		return false, fencedError{}
	}
	log.mu.Unlock()
	w.exec(t, `INSERT INTO contact (name) VALUES ('x')`)
	<-s.Done()
	var fenced fencedError
	if err := s.Err(); !errors.As(err, &fenced) || !strings.Contains(err.Error(), "crm-2/4711") {
		t.Errorf("it ended with %v", err)
	}
	if w.kafka.len() != 0 {
		t.Errorf("%d records", w.kafka.len())
	}
}

// A user without the right learns which, and what does without it.
func TestNoRightToTransactionsNamesTheOption(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.config.ExactlyOnceSupport = exactlyOnceRequired
	s, err := New(w.config, refusing{&committedLog{topicLog: w.kafka}}, w.offsets, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "exactly.once.support=disabled") {
		t.Errorf("Start = %v", err)
	}
	if _, err := New(w.config, w.kafka, w.offsets, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a sink without transactions was taken")
	}
}

type refusing struct{ *committedLog }

func (refusing) Fence(context.Context) error { return fmt.Errorf("not authorised") }

// A prepared transaction holds back what PostgreSQL may forget, not what Kafka is known to have.
func TestSentKnowsWhatASnapshotOfFlightsIsWorth(t *testing.T) {
	t.Parallel()
	var k tracker
	a, prepared, b := k.begin(), k.begin(), k.begin()
	a.add()
	a.seal(progress{lsn: 10, next: change.Position{Commit: 10}})
	b.add()
	b.seal(progress{lsn: 30, next: change.Position{Commit: 30}})
	if got := k.sent(); got.lsn != 10 || got.next != (change.Position{Commit: 30}) {
		t.Errorf("sent = %+v, want lsn 10 and everything before 30", got)
	}
	prepared.seal(progress{})
	if got := k.sent(); got.lsn != 30 || got.next != (change.Position{Commit: 30}) {
		t.Errorf("sent = %+v after the prepared one ended", got)
	}
	if got := k.safe(); got.lsn != 0 {
		t.Errorf("safe = %+v before anything was acknowledged", got)
	}
}
