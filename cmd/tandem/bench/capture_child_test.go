package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/tandem-sync/tandem/cdc"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka"
)

// childEnv holds, in a process that the measurements start, what it has to do: a process of its own, so that time, processor and memory are the source's alone.
const childEnv = "TANDEM_BENCH_CAPTURE"

// capture says what a source has to do.
type capture struct {
	DSN, Slot, Bootstrap, Prefix string // no Bootstrap: records are discarded
	Snapshot                     bool
	AtLeastOnce                  bool   // else records that go to Kafka go there exactly once
	Records                      uint64 // until so many can be read
	Extra                        map[string]string
}

// captured is what it cost.
type captured struct {
	Took      time.Duration // from the start, connecting included, to the last acknowledgement
	Writing   time.Duration // from the first record on
	Processor time.Duration
	MemoryMiB float64 // the most that the process ever held
	Bytes     int64
}

func (c capture) keys() config.Map {
	m := config.Map{"name": "bench", "connector.class": "cdc.PostgresSource", "topic.prefix": c.Prefix, "table.include.list": `public\.bench`,
		"database.hostname": "x", "database.dbname": "x", "slot.name": c.Slot, "snapshot.mode": "no_data"}
	if c.Snapshot {
		m["snapshot.mode"] = "initial"
	}
	if c.AtLeastOnce || c.Bootstrap == "" { // who discards records has no transactions
		m["exactly.once.support"] = "disabled"
	}
	for key, value := range c.Extra {
		m[key] = value
	}
	return m
}

// counting gives records on, if there is somebody, and tells when the last one is there.
type counting struct {
	to interface {
		Send(ctx context.Context, r kafka.Record, done func(error))
	}
	uncounted bool // somebody else counts
	first     atomic.Pointer[time.Time]
	want      uint64
	headers   kafka.Headers[change.Header]
	n         atomic.Uint64
	bytes     atomic.Int64
	done      chan error
}

func (s *counting) Send(ctx context.Context, r cdc.Record, done func(error)) {
	if s.bytes.Add(int64(len(r.Value))) == int64(len(r.Value)) {
		now := time.Now()
		s.first.CompareAndSwap(nil, &now)
	}
	if s.to == nil {
		done(nil)
		s.add(1, nil)
		return
	}
	out := kafka.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: s.headers.Of(r.Headers), Time: r.Time}
	s.to.Send(ctx, out, func(err error) { done(err); s.count(err) })
}

func (s *counting) count(err error) {
	if !s.uncounted {
		s.add(1, err)
	}
}

func (s *counting) add(n uint64, err error) {
	if err != nil {
		select {
		case s.done <- err:
		default:
		}
		return
	}
	if now := s.n.Add(n); now >= s.want && now-n < s.want {
		s.done <- nil
	}
}

// forgetful keeps the position while the process lives.
type forgetful struct{ entry map[string]any }

func (f *forgetful) Load(context.Context, map[string]any) (map[string]any, error) {
	return f.entry, nil
}

func (f *forgetful) Save(_ context.Context, _, offset map[string]any) error {
	f.entry = offset
	return nil
}

// child is the main of such a process: it prints a captured as JSON.
func child() int {
	c := capture{}
	err := json.Unmarshal([]byte(os.Getenv(childEnv)), &c)
	var cost captured
	if err == nil {
		cost, err = c.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(cost)
	return 0
}

func (c capture) run() (captured, error) {
	var keys cdc.Config
	if err := config.Decode(c.keys(), config.Resolver{}, &keys).Err(); err != nil {
		return captured{}, err
	}
	keys.Database.DSN, keys.Database.Host, keys.Database.Database = config.NewSecret(c.DSN), "", ""
	counts := &counting{want: c.Records, done: make(chan error, 1)}
	sink, shut, err := c.sink(context.Background(), counts)
	if err != nil {
		return captured{}, err
	}
	defer shut()
	source, err := cdc.New(keys, sink, &forgetful{}, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return captured{}, err
	}
	began := time.Now()
	if err := source.Start(context.Background()); err != nil {
		return captured{}, err
	}
	defer source.Stop()
	select {
	case err = <-counts.done:
	case <-source.Done():
		err = source.Err()
	}
	cost := captured{Took: time.Since(began), Processor: processor(), Bytes: counts.bytes.Load()}
	if err != nil {
		return cost, err
	}
	cost.Writing = time.Since(*counts.first.Load())
	cost.MemoryMiB, err = memory(os.Getpid(), "VmHWM")
	return cost, err
}

// sink is where the records go, which counts counts.
func (c capture) sink(ctx context.Context, counts *counting) (sink cdc.Sink, shut func(), err error) {
	switch {
	case c.Bootstrap == "":
		return counts, func() {}, nil
	case !c.AtLeastOnce:
		return newCommitting(ctx, counts, c.Bootstrap, c.Prefix)
	}
	producer, err := kafka.OpenProducer(kafka.Config{BootstrapServers: []string{c.Bootstrap}})
	if err != nil {
		return nil, nil, err
	}
	counts.to = producer
	return counts, producer.Close, nil
}
