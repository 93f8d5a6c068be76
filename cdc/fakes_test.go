package cdc

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(code int) int {
		if err := goleak.Find(); err != nil {
			fmt.Println(err)
			return 1
		}
		return code
	})
}

// topicLog is a Kafka that never loses anything: what it acknowledged stays, in order. It can be held up, and can refuse.
type topicLog struct {
	mu      sync.Mutex
	records []Record
	held    []func()       // acknowledgements that wait
	hold    bool           // do not acknowledge for now
	refuse  error          // answer this instead of taking records
	limits  map[string]int // larger records of a topic are refused
	over    bool           // the source ended
	changed chan struct{}  // closed and replaced at every record
}

func newTopicLog() *topicLog { return &topicLog{changed: make(chan struct{})} }

func (l *topicLog) Send(_ context.Context, r Record, done func(error)) {
	if l.tooLarge(r) {
		done(tooLargeError{})
		return
	}
	l.mu.Lock()
	if err := l.refuse; err != nil {
		l.mu.Unlock()
		done(err)
		return
	}
	l.records = append(l.records, r)
	close(l.changed)
	l.changed = make(chan struct{})
	if l.hold {
		l.held = append(l.held, func() { done(nil) })
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	done(nil)
}

func (l *topicLog) tooLarge(r Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit := l.limits[r.Topic]
	return limit > 0 && len(r.Key)+len(r.Value) > limit
}

func (l *topicLog) setLimit(topic string, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits == nil {
		l.limits = map[string]int{}
	}
	l.limits[topic] = bytes
}

// tooLargeError is Kafka's answer to a record that is larger than its topic takes.
type tooLargeError struct{}

func (tooLargeError) Error() string   { return "MESSAGE_TOO_LARGE" }
func (tooLargeError) Retryable() bool { return false }
func (tooLargeError) TooLarge() bool  { return true }

func (l *topicLog) setHold(hold bool) {
	l.mu.Lock()
	l.hold = hold
	release := l.held
	if !hold {
		l.held = nil
	} else {
		release = nil
	}
	l.mu.Unlock()
	for _, done := range release {
		done()
	}
}

func (l *topicLog) setRefuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = err
}

func (l *topicLog) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.records)
}

// giveUp wakes who waits for records that will not come.
func (l *topicLog) giveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	close(l.changed)
	l.changed = make(chan struct{})
}

// await waits until enough holds of the records so far.
func (l *topicLog) await(t *testing.T, what string, enough func([]Record) bool) []Record {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		l.mu.Lock()
		records, changed, over := l.records[:len(l.records):len(l.records)], l.changed, l.over
		l.mu.Unlock()
		if enough(records) {
			return records
		}
		if over {
			t.Fatalf("%s: the source ended first; %d records: %s", what, len(records), summary(t, records))
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%s: did not come; %d records: %s", what, len(records), summary(t, records))
		}
	}
}

func (l *topicLog) awaitCount(t *testing.T, n int) []Record {
	t.Helper()
	return l.await(t, fmt.Sprintf("%d records", n), func(r []Record) bool { return len(r) >= n })
}

// summary gives a line a record: op and key.
func summary(t *testing.T, records []Record) []string {
	t.Helper()
	var out []string
	for _, r := range records {
		e := decoded(t, r)
		op := string(e.Op)
		if e.Tombstone {
			op = "-"
		}
		out = append(out, op+" "+string(r.Key))
	}
	if len(out) > 40 {
		out = append(out[:40], "…")
	}
	return out
}

func decoded(t *testing.T, r Record) *change.Envelope {
	t.Helper()
	e, err := change.Decode(r.Key, r.Value, r.Headers)
	if err != nil {
		t.Fatalf("record %s %s: %v", r.Key, r.Value, err)
	}
	return e
}

// memoryOffsets is a compacted topic of one key.
type memoryOffsets struct {
	mu     sync.Mutex
	entry  map[string]any
	saves  int
	refuse error
}

func (m *memoryOffsets) get(field string) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.entry[field]
}

func (m *memoryOffsets) Load(context.Context, map[string]any) (map[string]any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.entry), nil
}

func (m *memoryOffsets) Save(_ context.Context, _, offset map[string]any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return m.refuse
	}
	m.entry = maps.Clone(offset)
	m.saves++
	return nil
}

// world is a database, a Kafka and what is stored between runs.
type world struct {
	dsn     string
	db      *pgx.Conn
	kafka   *topicLog
	offsets *memoryOffsets
	sink    Sink    // what stands before kafka; nil: nothing
	signals Signals // of channel kafka; nil: none
	config  Config
}

// newWorld makes the tables that the tests share, and a configuration that captures them.
func newWorld(t *testing.T, dsn, sql string) *world {
	t.Helper()
	w := &world{dsn: dsn, kafka: newTopicLog(), offsets: &memoryOffsets{}, config: Default()}
	w.config.Name, w.config.TopicPrefix, w.config.Tables = "cdc", "crm", []string{`public\..*`}
	w.config.Database.DSN = config.NewSecret(dsn)
	w.config.Slot = "slot_" + dsnName(dsn)
	w.config.OffsetInterval, w.config.StatusInterval, w.config.SlotRetryDelay = 50*time.Millisecond, 200*time.Millisecond, 50*time.Millisecond
	w.config.Version = "test"
	w.db = w.connect(t)
	w.exec(t, sql)
	return w
}

func dsnName(dsn string) string {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		panic(err)
	}
	return c.Database
}

func (w *world) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (w *world) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := w.db.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) value(t *testing.T, sql string, args ...any) string {
	t.Helper()
	var out string
	if err := w.db.QueryRow(t.Context(), sql, args...).Scan(&out); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// before is what stands before kafka: its transactions, unless the test says otherwise.
func (w *world) before() Sink {
	switch {
	case w.sink != nil:
		return w.sink
	case w.config.ExactlyOnce():
		return &committedLog{topicLog: w.kafka, offsets: w.offsets}
	}
	return w.kafka
}

// atLeastOnce has records written as they come, for tests of what is acknowledged, and when.
func (w *world) atLeastOnce() { w.config.ExactlyOnceSupport = exactlyOnceDisabled }

func (w *world) source(t *testing.T) *Source {
	t.Helper()
	s, err := New(w.config, w.before(), w.offsets, slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: logLevel()})))
	if err != nil {
		t.Fatal(err)
	}
	if w.signals != nil {
		s.Listen(ChannelKafka, w.signals)
	}
	return s
}

func logLevel() slog.Level {
	if os.Getenv("VERBOSE") != "" {
		return slog.LevelDebug
	}
	return slog.LevelError
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) { w.t.Logf("%s", p); return len(p), nil }

// start runs a source until the test ends, or until Stop, and waits until it streams.
func (w *world) start(t *testing.T) *Source {
	t.Helper()
	s := w.begin(t)
	eventually(t, "the stream", func() bool {
		phase := s.Status().Phase
		return phase == phaseStreaming.String() || phase == phaseStopped.String()
	})
	return s
}

// begin is start without waiting.
func (w *world) begin(t *testing.T) *Source {
	t.Helper()
	s := w.source(t)
	if err := s.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.Stop(); s.Err() != nil {
			t.Errorf("the source ended: %v", s.Err())
		}
	})
	go func() { // a source that gives up must not leave its test waiting
		if <-s.Done(); s.Err() != nil {
			w.kafka.giveUp()
		}
	}()
	return s
}

// eventually polls, for what only the server knows.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: did not come true", what)
		}
	}
}
