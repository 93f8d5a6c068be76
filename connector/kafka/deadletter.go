package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Stage is where a record failed: the names of Kafka Connect (org.apache.kafka.connect.runtime.errors.Stage).
type Stage string

// The stages that Tandem has.
const (
	StageKeyConverter    Stage = "KEY_CONVERTER"    // no key, or one that cannot be decoded
	StageValueConverter  Stage = "VALUE_CONVERTER"  // a value that cannot be decoded
	StageHeaderConverter Stage = "HEADER_CONVERTER" // headers that cannot be understood
	StageTransformation  Stage = "TRANSFORMATION"   // a mapping rule failed on it
	StageTaskPut         Stage = "TASK_PUT"         // decoded, but no reason could be made of it
)

// Reject is a record that can never be handled, and why.
type Reject struct {
	Record Record
	Stage  Stage
	Err    error
}

// Rejects is what a handler returns (as its error) when it has made durable all of a batch except these records.
type Rejects []Reject

// OrNil is the handler's return value: nil when there are none.
func (r Rejects) OrNil() error {
	if len(r) == 0 {
		return nil
	}
	return r
}

// Error names the first.
func (r Rejects) Error() string {
	if len(r) == 0 {
		return "no records rejected"
	}
	return fmt.Sprintf("%d records rejected, first: %s", len(r), r[0])
}

// String is the reject as part of a sentence.
func (r Reject) String() string {
	return fmt.Sprintf("record %s cannot be used (%s): %v", r.Record.At(), r.Stage, r.Err)
}

// Tolerance is Connect's errors.tolerance.
type Tolerance string

// The two tolerances.
const (
	ToleranceNone Tolerance = "none" // the first reject stops the consumer
	ToleranceAll  Tolerance = "all"  // rejects go to the dead-letter topic
)

// ErrorPolicy says what becomes of rejects.
type ErrorPolicy struct {
	Tolerance Tolerance // empty: none. errors.tolerance
	// DeadLetters is the topic that rejects go to; created when the first one comes. errors.deadletterqueue.topic.*
	DeadLetters TopicSpec

	WithoutHeaders bool // dead letters do not say where they come from. errors.deadletterqueue.context.headers.enable, the other way round
	WithoutLog     bool // nothing is logged of a record that was set aside; it is counted. errors.log.enable, the other way round
	LogRecords     bool // … else the log line holds its key and value: customer data. errors.log.include.messages
}

func (p ErrorPolicy) validate(consumed func(topic string) bool) error {
	switch p.Tolerance {
	case "", ToleranceNone:
		return nil
	case ToleranceAll:
	default:
		return fmt.Errorf("errors.tolerance: %q is not one of none, all", p.Tolerance)
	}
	if p.DeadLetters.Name == "" {
		return errors.New("errors.deadletterqueue.topic.name: errors.tolerance=all needs one, because no record is dropped")
	}
	if consumed(p.DeadLetters.Name) {
		return errors.New("errors.deadletterqueue.topic.name: must not be among the topics that are read")
	}
	return p.DeadLetters.Validate()
}

// setAside does what the policy says. When it returns nil the rejects are safe, and the batch may be committed.
func (c *Consumer) setAside(ctx context.Context, batch []Record, rejects Rejects) error {
	if len(rejects) == 0 {
		return nil
	}
	if c.options.Errors.Tolerance != ToleranceAll {
		return c.stopBefore(ctx, batch, rejects)
	}
	if c.dead == nil {
		dead, err := openDeadLetters(c.config, c.options)
		if err != nil {
			c.rewind(batch)
			return &StoppedError{Err: err}
		}
		c.dead = dead
	}
	if err := c.dead.write(ctx, rejects); err != nil {
		c.rewind(batch)
		if TooLarge(err) || isPermanent(err) {
			return &StoppedError{Err: fmt.Errorf("%s; and it cannot be set aside in topic %s: %w",
				rejects[0], c.options.Errors.DeadLetters.Name, err)}
		}
		return err
	}
	for _, r := range rejects {
		c.sayAside(ctx, r)
		c.config.observe(DeadLettered{Topic: r.Record.Topic, Stage: r.Stage})
	}
	return nil
}

// loggedBytesMax bounds the key and the value of a record in a log line; a record may have megabytes.
const loggedBytesMax = 4 << 10

func (c *Consumer) sayAside(ctx context.Context, r Reject) {
	policy := c.options.Errors
	if policy.WithoutLog {
		return
	}
	say := []any{"record", r.Record.At(), "stage", string(r.Stage), "err", r.Err, "dead_letters", policy.DeadLetters.Name}
	if policy.LogRecords {
		say = append(say, "key", string(r.Record.Key[:min(len(r.Record.Key), loggedBytesMax)]), "value", string(r.Record.Value[:min(len(r.Record.Value), loggedBytesMax)]))
	}
	c.log.WarnContext(ctx, "record set aside", say...)
}

// stopBefore commits what precedes the first reject of each partition, so that whoever mends it starts there.
func (c *Consumer) stopBefore(ctx context.Context, batch []Record, rejects Rejects) error {
	firsts := starts(batch)
	bad := map[string]map[int32]int64{}
	for _, r := range rejects {
		if bad[r.Record.Topic] == nil {
			bad[r.Record.Topic] = map[int32]int64{}
		}
		if at, ok := bad[r.Record.Topic][r.Record.Partition]; !ok || r.Record.Offset < at {
			bad[r.Record.Topic][r.Record.Partition] = r.Record.Offset
		}
	}
	safe := ends(batch)
	for topic, parts := range bad {
		for partition, at := range parts {
			safe[topic][partition] = firsts[topic][partition]
			e := safe[topic][partition]
			e.Offset = at
			safe[topic][partition] = e
		}
	}
	if err := c.commitOffsets(ctx, safe); err != nil {
		c.log.WarnContext(ctx, "offsets before a record that cannot be used were not committed", "err", err)
	}
	c.client.SetOffsets(safe)
	return &StoppedError{Err: fmt.Errorf("%s: mend it and start again, or set errors.tolerance=all and "+
		"errors.deadletterqueue.topic.name to have such records set aside", rejects[0])}
}

// isPermanent: an answer that the same again will not change.
func isPermanent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.kind == permanent
}

// deadLetters writes to the dead-letter topic.
type deadLetters struct {
	config   Config
	options  ConsumerConfig
	producer *Producer
	ensured  bool
}

// deadLetterRoom is what the headers may add to a record: nine of them, with an error text and a stack of at most
// errorTextMax each.
const (
	deadLetterRoom = 64 << 10
	errorTextMax   = 16 << 10
)

// openDeadLetters builds a producer that takes records as large as the ones that can be read, with room for the headers.
func openDeadLetters(config Config, options ConsumerConfig) (*deadLetters, error) {
	s, err := config.settings(producerRole)
	if err != nil {
		return nil, err
	}
	larger := map[string]string{}
	for key, value := range config.ProducerOverrides {
		larger[key] = value
	}
	size := int(s.recordBytesMax) + deadLetterRoom
	larger["max.request.size"] = strconv.Itoa(size)
	larger["buffer.memory"] = strconv.FormatInt(max(s.bufferBytes, int64(size)), 10)
	config.ProducerOverrides = larger
	producer, err := OpenProducer(config)
	if err != nil {
		return nil, err
	}
	return &deadLetters{config: config, options: options, producer: producer}, nil
}

func (d *deadLetters) close() { d.producer.Close() }

// write returns nil when every reject is acknowledged.
func (d *deadLetters) write(ctx context.Context, rejects Rejects) error {
	if err := d.ensure(ctx); err != nil {
		return err
	}
	letters := make([]Record, 0, len(rejects))
	for _, r := range rejects {
		letters = append(letters, d.letter(r))
	}
	return wrap("write dead letters", "", d.producer.SendBatch(ctx, letters))
}

// ensure creates the topic before the first letter; it takes what the largest readable record grows to.
func (d *deadLetters) ensure(ctx context.Context) error {
	if d.ensured {
		return nil
	}
	admin, err := OpenAdmin(d.config)
	if err != nil {
		return err
	}
	defer admin.Close()
	spec := d.options.Errors.DeadLetters
	if spec.Cleanup == "" {
		spec.Cleanup = CleanupDelete
	}
	configs := map[string]string{"max.message.bytes": strconv.Itoa(int(d.producer.settings.recordBytesMax) + batchOverhead)}
	for key, value := range spec.Configs {
		configs[key] = value
	}
	spec.Configs = configs
	if _, err := admin.EnsureTopics(ctx, spec); err != nil {
		return err
	}
	d.ensured = true
	return nil
}

// letter is the record as it came, with Connect's headers after its own (KIP-298; the Java class is
// org.apache.kafka.connect.runtime.errors.DeadLetterQueueReporter).
func (d *deadLetters) letter(r Reject) Record {
	text := func(s string) []byte {
		if len(s) > errorTextMax {
			s = strings.ToValidUTF8(s[:errorTextMax], "")
		}
		return []byte(s)
	}
	out := Record{Topic: d.options.Errors.DeadLetters.Name, Key: r.Record.Key, Value: r.Record.Value, Time: r.Record.Time}
	out.Headers = append(out.Headers, r.Record.Headers...)
	if d.options.Errors.WithoutHeaders {
		return out
	}
	for _, h := range []struct {
		name  string
		value string
	}{
		{"topic", r.Record.Topic},
		{"partition", strconv.Itoa(int(r.Record.Partition))},
		{"offset", strconv.FormatInt(r.Record.Offset, 10)},
		{"connector.name", d.options.Name},
		{"task.id", strconv.Itoa(d.options.Task)},
		{"stage", string(r.Stage)},
		{"class.name", d.options.Class},
		{"exception.class.name", className(r.Err)},
		{"exception.message", fmt.Sprint(r.Err)},
		{"exception.stacktrace", chain(r.Err)},
	} {
		out.Headers = append(out.Headers, Header{Key: DeadLetterHeaderPrefix + h.name, Value: text(h.value)})
	}
	return out
}

// DeadLetterHeaderPrefix begins the headers that Connect, and so we, add to a dead letter.
const DeadLetterHeaderPrefix = "__connect.errors."

// className is the Go type of the innermost error, in the place of Java's class.
func className(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return fmt.Sprintf("%T", err)
		}
		err = inner
	}
}

// chain is the error and what it wraps, a line each, in the place of Java's stack trace (Go's errors carry none).
func chain(err error) string {
	var b strings.Builder
	for lead := ""; err != nil; lead = "Caused by: " {
		fmt.Fprintf(&b, "%s%T: %v\n", lead, err, err)
		err = errors.Unwrap(err)
	}
	return b.String()
}
