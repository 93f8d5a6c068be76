package sink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

// keys are the keys of a table.
type keys []string

func (k keys) Keys(_ context.Context, after string, most int) ([]string, error) {
	var out []string
	for _, key := range k {
		if key > after && len(out) < most {
			out = append(out, key)
		}
	}
	return out, nil
}

func sweep(t *testing.T, store *memledger.Store, clock *clock, holder string, rows map[string]sink.RowKeys) *sink.RowSweep {
	t.Helper()
	es := compiled(t, contactMapping, dealMapping)
	return &sink.RowSweep{Sync: "acme", Holder: holder, Entities: []*mapping.Entity{es["contact"], es["deal"]}, Rows: rows, Ledger: store, Interval: 24 * time.Hour, Now: clock.now}
}

// A sweep looks at every row and at every link, also of rows that are gone, in steps, and goes on where a process died.
func TestARowSweepLooksAtAllRowsAndLinks(t *testing.T) {
	t.Parallel()
	store, clock := memledger.New(), &clock{at: nine}
	var contacts keys
	for i := range 2500 {
		contacts = append(contacts, fmt.Sprintf("%05d", i))
	}
	rows := map[string]sink.RowKeys{"contact": contacts, "deal": keys{"d1"}}
	gone := ledger.Reason{Sync: "acme", Entity: "contact", Side: ledger.CRM, Key: "gone"}
	if err := store.Add(t.Context(), nine, []ledger.Reason{gone}); err != nil {
		t.Fatal(err)
	}
	s := sweep(t, store, clock, "a", rows)
	if n, err := s.RunOnce(t.Context()); n != 0 || err != nil {
		t.Fatalf("the snapshot is the first sweep: %d, %v", n, err)
	}
	clock.advance(23 * time.Hour)
	if n, _ := s.RunOnce(t.Context()); n != 0 {
		t.Fatal("it sweeps early")
	}
	clock.advance(2 * time.Hour)
	if n, err := s.RunOnce(t.Context()); n == 0 || n > 2000 || err != nil {
		t.Fatalf("one step: %d, %v", n, err)
	}
	clock.advance(2 * time.Minute) // the process died; another goes on
	next := sweep(t, store, clock, "b", rows)
	total := 0
	for range 20 {
		n, err := next.RunOnce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if total != 1500+2501+1+1 { // the rest of the rows, then each link; and the other entity's
		t.Errorf("%d keys after the first step, want 4003: it began anew, or left some out", total)
	}
	items, err := store.Take(t.Context(), ledger.Claim{Sync: "acme", Side: ledger.Notion, Max: 5000, Holder: "x", Lease: time.Minute, Now: clock.now()})
	if err != nil || len(items) != 2502 || items[0].Works[0].Lane != ledger.LaneBackfill || items[0].Works[0].Why != "sweep" {
		t.Errorf("%d links have work, want 2502: %v", len(items), err)
	}
	if n, err := s.RunOnce(t.Context()); n != 0 || err != nil {
		t.Errorf("the old leader: %d, %v", n, err)
	}
}

func TestASweepThatWasAskedForIsDoneOnce(t *testing.T) {
	t.Parallel()
	store, clock := memledger.New(), &clock{at: nine}
	s := sweep(t, store, clock, "a", map[string]sink.RowKeys{"contact": keys{"1"}, "deal": keys{}})
	asks := sweep(t, store, clock, "b", nil) // who asks need not be who sweeps
	if err := asks.Request(t.Context(), "table of contact was emptied"); err != nil {
		t.Fatal(err)
	}
	total := 0
	for range 10 {
		clock.advance(time.Second)
		n, err := s.RunOnce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if total != 2 {
		t.Errorf("%d keys were looked at, want 2: the row's, and its link's", total)
	}
}

// numbered are rows whose keys sort as numbers do, while links sort as texts: a sweep that merged the two orders went round for ever.
type numbered int

func (n numbered) Keys(_ context.Context, after string, most int) ([]string, error) {
	from := 0
	if after != "" {
		var err error
		if from, err = strconv.Atoi(after); err != nil {
			return nil, err
		}
	}
	var out []string
	for i := from + 1; i <= int(n) && len(out) < most; i++ {
		out = append(out, strconv.Itoa(i))
	}
	return out, nil
}

func TestASweepOfNumericKeysEnds(t *testing.T) {
	t.Parallel()
	store, clock := memledger.New(), &clock{at: nine}
	s := sweep(t, store, clock, "a", map[string]sink.RowKeys{"contact": numbered(1200), "deal": keys{}})
	if err := s.Request(t.Context(), "asked"); err != nil {
		t.Fatal(err)
	}
	total := 0
	for range 40 {
		clock.advance(time.Second)
		n, err := s.RunOnce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if total != 2400 {
		t.Errorf("%d keys were looked at, want each row's and each link's once: 2400", total)
	}
}

// outlet publishes until it is told not to.
type outlet struct {
	sent []kafka.Record
	err  error
}

func (o *outlet) SendBatch(_ context.Context, records []kafka.Record) error {
	if o.err == nil {
		o.sent = append(o.sent, records...)
	}
	return o.err
}

func TestAlertsAreRelayedAtLeastOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", nil)
	o.pages["contact"].edit(page, change.Image{"email": text("theirs@example.com")})
	o.put("contact", "1", change.Image{"email": text("ours@example.com")})
	o.run(ledger.Notion)
	var log bytes.Buffer
	out := &outlet{err: errors.New("no leader for partition")}
	r := &sink.Relay{Sync: "acme", Holder: "a", Outbox: o.store, Publisher: out, Topic: "tandem.alerts", Now: o.clock.now, Log: slog.New(slog.NewTextHandler(&log, nil))}
	if _, err := r.RunOnce(t.Context()); err == nil || o.alerts("conflict") != 1 {
		t.Fatalf("an alert that Kafka did not take is delivered: %v", err)
	}
	out.err = nil
	if n, err := r.RunOnce(t.Context()); n != 1 || err != nil || len(out.sent) != 1 || string(out.sent[0].Key) == "" || out.sent[0].Topic != "tandem.alerts" {
		t.Fatalf("%d, %v, %v", n, err, out.sent)
	}
	if n, err := r.RunOnce(t.Context()); n != 0 || err != nil || len(out.sent) != 1 {
		t.Errorf("it is published again: %d, %v", n, err)
	}
	if !strings.Contains(log.String(), "kind=conflict") || strings.Contains(log.String(), "theirs@example.com") {
		t.Errorf("the log line is %q", log.String())
	}
}

// A loop goes at once while there is work, waits while there is none, is woken, and says trouble once.
func TestLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Duration
		var log bytes.Buffer
		begin, work, broken := time.Now(), 3, errors.New("Notion is away")
		var trouble error
		step := func(context.Context) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(begin))
			if trouble != nil {
				return 0, trouble
			}
			work = max(0, work-1)
			return work, nil
		}
		prepared := 0
		prepare := func(context.Context) error {
			if prepared++; prepared < 3 {
				return broken
			}
			return nil
		}
		l := sink.NewLoop("test work", prepare, step, 10*time.Second, slog.New(slog.NewTextHandler(&log, nil)))
		if err := l.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(at) != 3 || at[2] != at[0] || prepared != 3 {
			t.Errorf("steps at %v after %d preparations", at, prepared)
		}
		for range 5 { // a burst
			l.Wake()
		}
		synctest.Wait()
		if n := len(at); n < 4 || n > 5 {
			t.Errorf("a burst of wakes made %d rounds, want 1 or 2", n-3)
		}
		mu.Lock()
		trouble = broken
		mu.Unlock()
		l.Wake()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		mu.Lock()
		n, said := len(at), strings.Count(log.String(), "Notion is away")
		trouble = nil
		mu.Unlock()
		if n > 60 || said != 2 { // once for the preparation, once for the step
			t.Errorf("%d rounds and %d lines in five minutes of trouble: %s", n, said, log.String())
		}
		time.Sleep(time.Minute) // the longest pause is 15 s, and half as much again by chance
		l.Stop()
		if strings.Count(log.String(), "goes on") != 2 || !slices.IsSorted(at) {
			t.Errorf("%s", log.String())
		}
	})
}
