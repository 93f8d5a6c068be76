package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/tandem-sync/tandem/cdc"
	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/telemetry"
	"github.com/tandem-sync/tandem/sink"
)

// countedAlerts counts alerts once they are published.
type countedAlerts struct {
	sink.Publisher
	metrics *telemetry.Metrics
}

// SendBatch implements sink.Publisher.
func (c countedAlerts) SendBatch(ctx context.Context, records []kafka.Record) error {
	if err := c.Publisher.SendBatch(ctx, records); err != nil {
		return err
	}
	for _, r := range records {
		var a ledger.Alert
		if json.Unmarshal(r.Value, &a) == nil { // what we wrote ourselves can be read
			c.metrics.Alerted(a.Kind)
		}
	}
	return nil
}

// lagEvery is how often the server is asked how much WAL it keeps for us; a scrape comes every 15 s by default.
const lagEvery = 10 * time.Second

// slotMeter keeps what was last measured of a slot.
type slotMeter struct {
	mu     sync.Mutex
	state  *cdc.SlotState
	behind time.Duration
	err    error
	clock  lagClock
	warned bool
}

// lag is a service that measures how far a slot is behind, and how near its loss.
func (a *app) lag(name string, c cdc.Config, meter *slotMeter) *sink.Loop {
	db := c.Database
	db.ApplicationName = "tandem " + name + " lag"
	step := func(ctx context.Context) (int, error) {
		ctx, cancel := context.WithTimeout(ctx, lagEvery)
		defer cancel()
		state, err := cdc.LookAtSlot(ctx, db, c.Slot)
		a.metrics.Reachable("postgres", err == nil)
		if state != nil {
			a.metrics.Connector(name).ReplicationLag(state.Lag)
		}
		if warning := meter.set(state, err, time.Now(), c.SlotOptions.AlertPercent); warning != "" {
			a.log.With("connector", name).Warn(warning, "tandem_slot_used_share", state.Used())
		}
		return 0, nil // the source itself says what is wrong
	}
	return sink.NewLoop(name+" lag", nil, step, lagEvery, a.log)
}

// set takes a measurement, and gives the warning that it calls for, once each time that the limit is passed.
func (m *slotMeter) set(state *cdc.SlotState, err error, now time.Time, alertPercent int) (warning string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state, m.err, m.behind = state, err, 0
	if state == nil {
		return ""
	}
	m.behind = m.clock.behind(now, state.End, state.Confirmed)
	warning = state.Warning(alertPercent)
	if warning == "" || m.warned {
		m.warned = warning != "" && m.warned
		return ""
	}
	m.warned = true
	return warning
}

// capture is what the metrics show.
func (m *slotMeter) capture(name string, s *cdc.Source) (telemetry.Capture, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := telemetry.Capture{Connector: name}
	for _, e := range s.Events() {
		out.Events = append(out.Events, telemetry.Events{Table: e.Table, Op: string(e.Op), N: e.N})
	}
	if t := m.state; t != nil {
		out.Slot = &telemetry.Slot{Behind: m.behind, Retained: t.Retained, Safe: t.Safe, Limited: t.Limited, Status: t.WALStatus, Read: t.Reader != 0}
		if t.Lost != "" {
			out.Slot.Status = "lost"
		}
	}
	return out, nil
}

// details are what the connector's status shows.
func (m *slotMeter) details() []connector.Detail {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == nil {
		return nil
	}
	return []connector.Detail{{Name: "slot", Value: slotText(*m.state, m.behind)}}
}

// slotText says in one line how a slot is.
func slotText(s cdc.SlotState, behind time.Duration) string {
	if s.Lost != "" {
		return "lost: " + s.Lost
	}
	text := humanize.IBytes(s.Lag) + " behind"
	if behind > 0 {
		text += " (" + behind.Round(time.Second).String() + ")"
	}
	text += ", " + humanize.IBytes(s.Retained) + " kept by the server"
	if s.Limited {
		text += fmt.Sprintf(" (%.0f %% of what it would keep, %s more until the slot is lost)", s.Used()*100, humanize.IBytes(s.Safe))
	}
	if s.Reader == 0 {
		text += ", nobody reads it"
		if !s.Since.IsZero() {
			text += " since " + s.Since.Format(time.RFC3339)
		}
	}
	return text
}

// lagSamplesMax bounds how far back lagClock knows the server's end: more than a day, one sample every ten seconds. An older one is the oldest then.
const lagSamplesMax = 10_000

// lagClock turns a lag in bytes into time: it remembers when the server's end was where.
type lagClock struct{ samples []lagSample } // ends grow

type lagSample struct {
	at  time.Time
	end uint64
}

// behind is how old the newest end is that was confirmed; 0 when the last one is.
func (c *lagClock) behind(now time.Time, end, confirmed uint64) time.Duration {
	if n := len(c.samples); n > 0 && end < c.samples[n-1].end {
		c.samples = nil // another server
	}
	for len(c.samples) > 1 && c.samples[1].end <= confirmed {
		c.samples = c.samples[1:]
	}
	if n := len(c.samples); n == 0 || c.samples[n-1].end < end {
		if n == lagSamplesMax {
			c.samples = slices.Delete(c.samples, 1, 2)
		}
		c.samples = append(c.samples, lagSample{now, end})
	} else {
		c.samples[n-1].end = end
	}
	if confirmed >= end {
		c.samples = []lagSample{{now, end}}
		return 0
	}
	for _, s := range c.samples {
		if s.end > confirmed {
			return now.Sub(s.at)
		}
	}
	return 0
}
