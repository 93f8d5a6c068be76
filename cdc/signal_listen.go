package cdc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/tandem-sync/tandem/connector/change"
)

// The channels by which signals come, as signal.enabled.channels names them.
const (
	ChannelSource = "source" // the table signal.data.collection, through the stream
	ChannelKafka  = "kafka"
)

// Signals is a channel outside of the database.
type Signals interface {
	// Begin makes the next signal the one behind position, and gives the position that says so; "" stands for the end that the channel has now.
	Begin(ctx context.Context, position string) (string, error)
	// Next waits for a signal.
	Next(ctx context.Context) (SignalRecord, error)
}

// SignalRecord is a signal as it came.
type SignalRecord struct {
	Key, Value []byte
	Position   string // behind it
}

// order is what a channel read.
type order struct {
	channel string
	record  SignalRecord
	news    bool // there is a signal; else it is only a position
}

// Listen has signals come from a channel. It is called before Start.
func (s *Source) Listen(name string, channel Signals) {
	if s.channels == nil {
		s.channels = map[string]Signals{}
	}
	s.channels[name] = channel
}

// Signalled counts the signals that came for this connector since the program started. The caller may be any goroutine.
func (s *Source) Signalled() uint64 { return s.signalsCame.Load() }

// Refusals counts signals that could not be obeyed, and tables that could not be read, since the program started.
func (s *Source) Refusals() uint64 { return s.refusals.Load() }

// listen hands what a channel says to the stream's reader until ctx ends. A channel that fails is tried again; the stream does not depend on it.
func (r *reader) listen(ctx context.Context, name string, channel Signals, position string) {
	pauses := backoff.NewExponentialBackOff(backoff.WithInitialInterval(pauseFirst), backoff.WithMaxInterval(pauseMax), backoff.WithMaxElapsedTime(0))
	said := false
	for ctx.Err() == nil {
		err := r.receiveSignals(ctx, name, channel, &position, func() { pauses.Reset(); said = false })
		if ctx.Err() != nil {
			return
		}
		if !said {
			r.log.Warn("signals cannot be read; it is tried again, and the stream goes on", "channel", name, "err", err)
			said = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(pauses.NextBackOff()):
		}
	}
}

func (r *reader) receiveSignals(ctx context.Context, name string, channel Signals, position *string, works func()) error {
	at, err := channel.Begin(ctx, *position)
	if err != nil {
		return err
	}
	r.log.Info("listens for signals", "channel", name)
	hand := func(o order) error {
		select {
		case r.aside.orders <- o:
			*position = o.record.Position
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if at != *position { // where we began counts also if nothing comes
		if err := hand(order{channel: name, record: SignalRecord{Position: at}}); err != nil {
			return err
		}
	}
	for {
		record, err := channel.Next(ctx)
		if err != nil {
			return err
		}
		works()
		if err := hand(order{channel: name, record: record, news: true}); err != nil {
			return err
		}
	}
}

// obey takes the signals that have come.
func (r *reader) obey(now time.Time) error {
	for {
		select {
		case o := <-r.aside.orders:
			next := r.aside.state
			if o.news && string(o.record.Key) == r.config.TopicPrefix {
				next = r.follows(o.channel, o.record.Value, now)
			} else if o.news {
				r.log.Debug("a signal is for another connector: its key is not topic.prefix", "key", string(o.record.Key))
			}
			r.record(next.with(func(s *incremental) { s.read(o.channel, o.record.Position) }), nil)
			r.wakeOffset()
		default:
			return nil
		}
	}
}

// follows gives the state that a signal asks for. One that cannot be obeyed changes nothing, and is logged and counted.
func (r *reader) follows(channel string, value []byte, now time.Time) *incremental {
	r.signalsCame.Add(1)
	signal, err := ParseSignal(value)
	if err == nil {
		var next *incremental
		if next, err = r.apply(signal, now); err == nil {
			r.log.Info("a signal was received", "channel", channel, "type", string(signal.Type), "id", signal.ID, "tables", strings.Join(signal.Data.Collections, ","))
			return next
		}
	}
	text := string(value)
	r.log.Warn("a signal is refused", "channel", channel, "why", err, "signal", text[:min(len(text), 500)])
	r.refusals.Add(1)
	return r.aside.state
}

func (r *reader) apply(signal Signal, now time.Time) (*incremental, error) {
	state := r.aside.state
	switch signal.Type {
	case SignalExecute:
		tables, err := r.asked(signal, now)
		if err != nil {
			return nil, err
		}
		return state.with(func(s *incremental) {
			if signal.kind() == snapshotBlocking {
				s.ask(tables)
				return
			}
			for _, t := range tables {
				s.add(t)
			}
		}), nil
	case SignalStop:
		if signal.kind() == snapshotBlocking {
			return r.stoppedBlocking(signal, now)
		}
		return r.stopped(signal, now)
	case SignalPause:
		return state.with(func(s *incremental) { s.Paused = true }), nil
	case SignalResume:
		return state.with(func(s *incremental) { s.Paused = false }), nil
	case SignalLog:
		position, _ := json.Marshal(r.stored.LSN.String())
		r.log.Info(strings.ReplaceAll(signal.Data.Message, "{}", string(position)), "signal", signal.ID)
	}
	return state.with(func(*incremental) {}), nil
}

// asked finds the captured tables that a signal means.
func (r *reader) asked(signal Signal, now time.Time) ([]incrementalTable, error) {
	var tables []incrementalTable
	var problems []error
	for _, pattern := range signal.Data.Collections {
		p, err := tablePattern(pattern)
		if err != nil {
			return nil, err
		}
		found := false
		for i := range r.facts.tables {
			name := r.facts.tables[i].String()
			if !p.MatchString(name) || name == r.config.SignalTable {
				continue
			}
			found = true
			if slices.ContainsFunc(tables, func(t incrementalTable) bool { return t.Table == name }) {
				continue
			}
			tables = append(tables, incrementalTable{Table: name, Signal: signal.ID, Filter: signal.filterOf(name), Surrogate: signal.Data.Surrogate, Since: now.UnixMilli()})
		}
		if !found {
			problems = append(problems, fmt.Errorf("no captured table matches %q: a table that was added to table.include.list is captured after the next start", pattern))
		}
	}
	return tables, errors.Join(problems...)
}

// stopped takes the tables that a signal names out of the queue; all, if it names none.
func (r *reader) stopped(signal Signal, now time.Time) (*incremental, error) {
	state := r.aside.state
	var names []string
	if state != nil {
		for _, t := range state.Tables {
			named := len(signal.Data.Collections) == 0
			for _, pattern := range signal.Data.Collections {
				p, err := tablePattern(pattern)
				named = named || err == nil && p.MatchString(t.Table)
			}
			if named {
				names = append(names, t.Table)
			}
		}
	}
	if len(names) == 0 {
		return nil, errors.New("none of the tables that it names is being read or waits to be")
	}
	return state.with(func(s *incremental) {
		for _, name := range names {
			s.end(name, "stopped by a signal", now)
		}
	}), nil
}

// isWatermark reports a message of ours.
func isWatermark(e *change.Event) bool {
	return e.Op == change.Message && e.Message.Prefix == watermarkPrefix
}

// obeyTable follows the signals of the transaction that ends, so that what they ask for is stored with it; nil: there are none.
func (r *reader) obeyTable() *incremental {
	if len(r.fromTable) == 0 {
		return nil
	}
	for _, value := range r.fromTable {
		r.aside.state = r.follows(ChannelSource, value, time.Now())
	}
	r.fromTable = nil
	r.incremental.Store(r.aside.state)
	return r.aside.state
}

// incrementalStored is what a start takes over.
func (s *session) incrementalStored() *incremental {
	if s.stored == nil {
		return nil
	}
	return s.stored.Incremental
}

// signalled takes a row of the signal table, which is no event unless the table is captured by itself.
func (r *reader) signalled(e *change.Event) (captured bool) {
	table := tableName{e.Source.Schema, e.Source.Table}
	if r.config.SignalTable == "" || table.String() != r.config.SignalTable {
		return true
	}
	captured = r.asksFor(table)
	if e.Op != change.Create || len(e.After) < 3 || e.Position.Compare(r.emitter.resume) < 0 {
		return captured
	}
	data := json.RawMessage(e.After[2].Value.Text())
	if len(data) == 0 {
		data = json.RawMessage("{}")
	}
	value, err := json.Marshal(map[string]any{"id": e.After[0].Value.String(), "type": e.After[1].Value.String(), "data": data})
	if err != nil {
		value = []byte(data) // it is not JSON: the refusal shows it
	}
	r.fromTable = append(r.fromTable, value)
	return captured
}

// asksFor reports that a table's changes are wanted; those of the signal table may be read for what they ask alone.
func (s *session) asksFor(table tableName) bool {
	if table.String() != s.config.SignalTable {
		return true
	}
	f, err := newFilter(&s.config, s.config.Tables)
	return err == nil && f.includes(table)
}
