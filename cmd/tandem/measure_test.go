package main

import (
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/cdc"
)

// A lag in bytes says nothing to who waits: how old is what has not come yet?
func TestLagInTime(t *testing.T) {
	t.Parallel()
	var c lagClock
	at := func(second int) time.Time { return time.Unix(int64(1000+second), 0) }
	for _, step := range []struct {
		second         int
		end, confirmed uint64
		want           time.Duration
	}{
		{0, 100, 100, 0},
		{10, 200, 100, 0},                 // just written
		{20, 300, 100, 10 * time.Second},  // 200 was there ten seconds ago
		{30, 300, 100, 20 * time.Second},  // nothing is written, and nothing read
		{40, 400, 250, 20 * time.Second},  // 300 is the oldest that is missing, seen at 20
		{50, 400, 400, 0},                 // all
		{500, 400, 400, 0},                // an idle server
		{510, 500, 400, 0},                // … is not late for what it writes now
		{520, 500, 400, 10 * time.Second}, //
		{530, 50, 40, 0},                  // another server
	} {
		if got := c.behind(at(step.second), step.end, step.confirmed); got != step.want {
			t.Errorf("at %d s, %d of %d: got %s, want %s", step.second, step.confirmed, step.end, got, step.want)
		}
	}
	for i := range uint64(3 * lagSamplesMax) {
		c.behind(at(600+int(i)), 1000+i, 10)
	}
	if len(c.samples) > lagSamplesMax {
		t.Errorf("%d samples are kept", len(c.samples))
	}
}

// Whoever is told every ten seconds stops to listen; who is not told again after it was mended, never hears.
func TestSlotIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	var m slotMeter
	said := 0
	for _, used := range []uint64{10, 80, 90, 20, 76} {
		if w := m.set(&cdc.SlotState{Name: "tandem", Limited: true, Retained: used, Safe: 100 - used}, nil, time.Now(), 75); w != "" {
			said++
			if !strings.Contains(w, "max_slot_wal_keep_size") {
				t.Error(w)
			}
		}
	}
	if said != 2 {
		t.Errorf("warned %d times, want 2", said)
	}
	if got := m.details(); len(got) != 1 || !strings.Contains(got[0].Value, "76 % of what it would keep") || !strings.Contains(got[0].Value, "nobody reads it") {
		t.Errorf("status: %v", got)
	}
	m.set(&cdc.SlotState{Lost: "it was too far behind"}, nil, time.Now(), 75)
	if got := m.details(); !strings.Contains(got[0].Value, "lost: it was too far behind") {
		t.Errorf("status: %v", got)
	}
}
