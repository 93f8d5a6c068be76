package cdc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
)

// What Kafka refuses because it is too large is never dropped: errors.tolerance=none stops the connector at it, and all has it written to the
// dead-letter topic in its place, in the same transaction, in the same order.
//
// Kafka answers when the record has long been sent, and what followed it with it. So the session ends as after any failure, the size is remembered, and when
// the next session comes to the record, it knows.

// Headers of dead letters. Those of Kafka Connect have its names (KIP-298); a source's position is its own.
const (
	headerErrorTopic     = "__connect.errors.topic"
	headerErrorConnector = "__connect.errors.connector.name"
	headerErrorTask      = "__connect.errors.task.id"
	headerErrorStage     = "__connect.errors.stage"
	headerErrorText      = "__connect.errors.exception.message"
	headerErrorTable     = "tandem.errors.table"
	headerErrorLSN       = "tandem.errors.lsn"
	headerErrorCommit    = "tandem.errors.commit.lsn"
	headerErrorTx        = "tandem.errors.txid"
	headerErrorBytes     = "tandem.errors.bytes"

	// HeaderCut names the columns whose values no record could hold, with their bytes, as a JSON object: {"after.note":3000000}. They are the placeholder.
	HeaderCut = "tandem.cut"
)

// RefusedError is returned when Kafka does not take a record because of its size.
type RefusedError struct {
	Topic, Table, Key string
	LSN               change.LSN
	Bytes             int
	err               error
	again             bool // the next session sets it aside
}

func (e *RefusedError) Error() string {
	if e.again {
		return fmt.Sprintf("a change of %s with key %s at %s is too large for topic %s (%d bytes) and goes to the dead letters: %v", e.Table, e.Key, e.LSN, e.Topic, e.Bytes, e.err)
	}
	return fmt.Sprintf("a change of %s with key %s at %s is too large for topic %s: %d bytes: %v; then start again, nothing is lost. Or set record.bytes.max, which writes it with the placeholder "+
		"for its largest columns, or errors.tolerance=all and errors.deadletterqueue.topic.name, which sets it aside", e.Table, e.Key, e.LSN, e.Topic, e.Bytes, e.err)
}

// Unwrap gives Kafka's answer.
func (e *RefusedError) Unwrap() error { return e.err }

// Retryable reports that the next session can do better.
func (e *RefusedError) Retryable() bool { return e.again }

// sizeLimits remembers from which size on topics refuse records. Safe for concurrent use.
type sizeLimits struct {
	mu     sync.Mutex
	limits map[string]int // bytes of key and value
}

// learn is told of a record that was refused. It reports whether that is news.
func (r *sizeLimits) learn(topic string, bytes int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if limit, ok := r.limits[topic]; ok && limit <= bytes {
		return false
	}
	if r.limits == nil {
		r.limits = map[string]int{}
	}
	r.limits[topic] = bytes
	return true
}

// limit gives the size from which on topic refuses records; 0: none is known.
func (r *sizeLimits) limit(topic string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.limits[topic]
}

// faults counts, since the program started, what had to be written otherwise than it was.
type faults struct {
	aside  atomic.Uint64 // changes in the dead letters
	cut    atomic.Uint64 // changes that lost columns to the placeholder
	asText atomic.Uint64 // columns of a type that nobody can tell us of
}

// place is where a record comes from.
type place struct {
	table tableName
	lsn   change.LSN
}

// refused tells what a failure to write a record means.
func (e *emitter) refused(topic string, key []byte, size int, at place, err error) error {
	var asked interface{ TooLarge() bool }
	if !errors.As(err, &asked) || !asked.TooLarge() {
		return err
	}
	out := &RefusedError{Topic: topic, Table: at.table.String(), Key: string(key), LSN: at.lsn, Bytes: size, err: err}
	if out.Key == "" {
		out.Key = "(none)"
	}
	out.again = e.config.setsAside() && e.sizes.learn(topic, size)
	return out
}

func (c *Config) setsAside() bool {
	return c.Tolerance == config.TolerateAll && c.DeadLetterTopic != ""
}

// tooLarge reports that Kafka is known to refuse r.
func (e *emitter) tooLarge(r *Record) bool {
	if !e.config.setsAside() {
		return false
	}
	limit := e.sizes.limit(r.Topic)
	return limit > 0 && len(r.Key)+len(r.Value) >= limit
}

// setAside writes ev to the dead letters in place of its topic. What is too large for those as well loses its largest columns; the headers say
// which, and where the event stands.
func (e *emitter) setAside(ctx context.Context, r Record, to destination, ev *change.Event, f *flight) error {
	text := func(key, value string) change.Header { return change.Header{Key: key, Value: []byte(value)} }
	size, limit := len(r.Key)+len(r.Value), e.sizes.limit(r.Topic)
	r.Headers = append(append([]change.Header{}, r.Headers...),
		text(headerErrorTopic, r.Topic), text(headerErrorConnector, e.config.Name), text(headerErrorTask, "0"), text(headerErrorStage, "KAFKA_PRODUCE"),
		text(headerErrorText, fmt.Sprintf("the record has %d bytes; the topic has refused one of %d", size, limit)),
		text(headerErrorTable, tableName{ev.Source.Schema, ev.Source.Table}.String()), text(headerErrorLSN, ev.Source.LSN.String()),
		text(headerErrorCommit, ev.Position.Commit.String()), text(headerErrorTx, strconv.FormatInt(ev.Source.TxID, 10)), text(headerErrorBytes, strconv.Itoa(size)))
	e.faults.aside.Add(1)
	e.log.Warn("a change is too large for its topic; it is set aside", "table", tableName{ev.Source.Schema, ev.Source.Table}.String(), "lsn", ev.Source.LSN.String(),
		"bytes", size, "topic", r.Topic, "dead_letters", e.config.DeadLetterTopic)
	r.Topic = e.config.DeadLetterTopic
	if limit := e.sizes.limit(r.Topic); limit > 0 && size >= limit {
		cut, err := e.shorten(ctx, ev, &r, to, limit-len(r.Key)-1)
		if err != nil {
			return err
		}
		r.Headers = append(r.Headers, cut...)
	}
	return e.send(ctx, r, f, place{tableName{ev.Source.Schema, ev.Source.Table}, ev.Source.LSN})
}

// shorten makes the largest columns of ev absent until r's value has at most so many bytes, and gives the header that says which. Key
// columns stay.
func (e *emitter) shorten(ctx context.Context, ev *change.Event, r *Record, to destination, most int) ([]change.Header, error) {
	cut := map[string]int{}
	for len(r.Value) > most {
		name, size := largest(ev)
		if name == "" {
			break
		}
		cut[name] = size
		var err error
		if _, r.Value, err = e.render(ctx, ev, to); err != nil {
			return nil, err
		}
	}
	if len(cut) == 0 {
		return nil, nil
	}
	names, err := json.Marshal(cut)
	return []change.Header{{Key: HeaderCut, Value: names}}, err
}

// largest takes the largest value out of ev and names it; "" if none is worth it.
func largest(ev *change.Event) (name string, size int) {
	const worth = 256
	var found *change.Column
	size = worth
	for i, row := range []change.Row{ev.Before, ev.After} {
		for j := range row {
			if n := weight(row[j].Value); n > size && ev.Key.Get(row[j].Name).IsAbsent() {
				found, size, name = &row[j], n, [...]string{"before.", "after."}[i]+row[j].Name
			}
		}
	}
	if found == nil {
		return "", 0
	}
	found.Value = change.Value{}
	return name, size
}

func weight(v change.Value) int {
	n := len(v.Text())
	for _, item := range v.Items() {
		n += 8 + weight(item)
	}
	return n
}

func (c *Config) defineRefused(s *config.Set) {
	s.String(&c.DeadLetterTopic, config.Key{Name: "errors.deadletterqueue.topic.name", Importance: config.Medium, Group: "Errors",
		Doc:      "Where changes go that Kafka refuses because they are too large, with errors.tolerance=all. Headers say where each one stands.",
		Validate: config.Matches(`[A-Za-z0-9._-]{1,249}`, "must be a topic's name: up to 249 letters, digits, dots, dashes and underscores")})
	s.Int(&c.DeadLetterReplication, config.Key{Name: "errors.deadletterqueue.topic.replication.factor", Default: "-1", Importance: config.Medium, Group: "Errors", Validate: config.Between(-1, 32),
		Doc: "How many brokers keep that topic, where it must be created; -1 is as many as topic.creation.default.replication.factor says."})
}
