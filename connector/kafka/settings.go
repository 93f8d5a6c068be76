package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// role is what a client is for.
type role int

const (
	producerRole role = iota
	consumerRole
	adminRole
)

func (r role) String() string { return [...]string{"producer", "consumer", "admin"}[r] }

func (c Config) overrides(r role) map[string]string {
	return [...]map[string]string{c.ProducerOverrides, c.ConsumerOverrides, c.AdminOverrides}[r]
}

// settings are the numbers of one client: our defaults, then the overrides.
type settings struct {
	clientID       string
	rack           string
	requestTimeout time.Duration
	metadataMaxAge time.Duration

	linger             time.Duration
	recordBytesMax     int32
	bufferBytes        int64
	compression        kgo.CompressionCodec
	deliveryTimeout    time.Duration
	transactionTimeout time.Duration
	transactionalID    string // "": the connector's own

	fetchBytes     int32
	partitionBytes int32
	fetchMinBytes  int32
	fetchWait      time.Duration
	pollRecords    int
	session        time.Duration
	heartbeat      time.Duration
	rebalance      time.Duration
	instanceID     string
}

// Limits and defaults, in bytes and records.
const (
	// recordBytesDefault is one record batch's limit before compression: Kafka's message.max.bytes (1048588) less
	// room for the batch's own bytes. Raise max.request.size together with the topic's max.message.bytes.
	recordBytesDefault = 1_000_012

	// bufferBytesDefault is what a producer holds unacknowledged before it blocks its sender: Kafka's buffer.memory. At
	// 500 B a change that is a second or two of the most we ever make.
	bufferBytesDefault = 32 << 20

	// bufferRecordsMax bounds many tiny records, whose bookkeeping (some 300 B each) the byte budget does not see.
	bufferRecordsMax = 200_000

	// fetchBytesDefault bounds one fetch from one broker, partitionBytesDefault one partition's share of it. Memory
	// for reading is fetch.max.bytes times the number of brokers, before decompression.
	fetchBytesDefault     = 16 << 20
	partitionBytesDefault = 1 << 20

	// decompressedMax is what one compressed batch may grow to; a bomb stops its partition instead of the process.
	decompressedMax = 256 << 20

	// batchRecordsDefault is Kafka's max.poll.records: one transaction of reasons in the work table.
	batchRecordsDefault = 500
)

// defaults are the settings before overrides.
func (c Config) defaults() settings {
	return settings{
		clientID:       cmp.Or(c.ClientID, "tandem"),
		requestTimeout: 10 * time.Second, // beyond the time that a broker may hold a request
		metadataMaxAge: time.Minute,      // new partitions are found within it; Kafka's five minutes would stall a sync

		linger:             5 * time.Millisecond, // batches at load, unnoticeable in a sync; Kafka 4's default
		recordBytesMax:     recordBytesDefault,
		bufferBytes:        bufferBytesDefault,
		compression:        kgo.SnappyCompression(), // halves JSON for the least CPU; zstd and lz4 cost several times more
		deliveryTimeout:    0,                       // for ever: a change waits for Kafka, as Connect's sources do
		transactionTimeout: time.Minute,             // Kafka's; an abandoned one blocks readers that long

		fetchBytes:     fetchBytesDefault,
		partitionBytes: partitionBytesDefault,
		fetchMinBytes:  1,               // answer as soon as there is one record
		fetchWait:      5 * time.Second, // an idle topic costs a request in five seconds
		pollRecords:    batchRecordsDefault,
		session:        45 * time.Second, // Kafka's: a crashed member's partitions move after it
		heartbeat:      3 * time.Second,  // Kafka's
		rebalance:      time.Minute,      // how long a handler may hold a rebalance up
	}
}

// RecordBytesMax is the largest record that a producer sends: max.request.size.
func (c Config) RecordBytesMax() (int, error) {
	s, err := c.settings(producerRole)
	return int(s.recordBytesMax), err
}

// override parses one setting into s.
type override func(s *settings, value string) error

var commonOverrides = map[string]override{
	"client.id":           text(func(s *settings) *string { return &s.clientID }),
	"request.timeout.ms":  millis(func(s *settings) *time.Duration { return &s.requestTimeout }, 1),
	"metadata.max.age.ms": millis(func(s *settings) *time.Duration { return &s.metadataMaxAge }, 1000),
}

var producerOverrides = map[string]override{
	"linger.ms":              millis(func(s *settings) *time.Duration { return &s.linger }, 0),
	"max.request.size":       number(func(s *settings) *int32 { return &s.recordBytesMax }, 1<<10, 1<<30),
	"buffer.memory":          number(func(s *settings) *int64 { return &s.bufferBytes }, 1<<10, math.MaxInt64),
	"compression.type":       compression,
	"delivery.timeout.ms":    millis(func(s *settings) *time.Duration { return &s.deliveryTimeout }, 0),
	"transactional.id":       text(func(s *settings) *string { return &s.transactionalID }),
	"transaction.timeout.ms": millis(func(s *settings) *time.Duration { return &s.transactionTimeout }, 1000),
	"acks":                   fixed("all", "a change counts as sent when every in-sync replica has it"),
	"enable.idempotence":     fixed("true", "without it a retry doubles or reorders changes"),
}

var consumerOverrides = map[string]override{
	"fetch.max.bytes":           number(func(s *settings) *int32 { return &s.fetchBytes }, 1, 1<<30),
	"max.partition.fetch.bytes": number(func(s *settings) *int32 { return &s.partitionBytes }, 1, 1<<30),
	"fetch.min.bytes":           number(func(s *settings) *int32 { return &s.fetchMinBytes }, 1, 1<<30),
	"fetch.max.wait.ms":         millis(func(s *settings) *time.Duration { return &s.fetchWait }, 10),
	"max.poll.records":          number(func(s *settings) *int { return &s.pollRecords }, 1, 1<<20),
	"session.timeout.ms":        millis(func(s *settings) *time.Duration { return &s.session }, 100),
	"heartbeat.interval.ms":     millis(func(s *settings) *time.Duration { return &s.heartbeat }, 10),
	"max.poll.interval.ms":      millis(func(s *settings) *time.Duration { return &s.rebalance }, 100),
	"group.instance.id":         text(func(s *settings) *string { return &s.instanceID }),
	"client.rack":               text(func(s *settings) *string { return &s.rack }),
	"isolation.level":           fixed("read_committed", "an aborted change must not be acted on"),
	"enable.auto.commit":        fixed("false", "an offset is committed when its reason is durable"),
	"auto.offset.reset":         fixed("earliest", "a new group starts at the beginning; a lost offset starts a sweep"),
}

func overridesOf(r role) map[string]override {
	known := maps.Clone(commonOverrides)
	switch r {
	case producerRole:
		maps.Copy(known, producerOverrides)
	case consumerRole:
		maps.Copy(known, consumerOverrides)
	case adminRole:
	}
	return known
}

// settings are a role's numbers, or everything that is wrong with its overrides.
func (c Config) settings(r role) (settings, error) {
	s, known := c.defaults(), overridesOf(r)
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(c.overrides(r))) {
		parse, ok := known[name]
		if !ok {
			problems = append(problems, fmt.Errorf("%s.override.%s: not a setting that can be overridden; known are %s",
				r, name, strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
			continue
		}
		if err := parse(&s, strings.TrimSpace(c.overrides(r)[name])); err != nil {
			problems = append(problems, fmt.Errorf("%s.override.%s: %w", r, name, err))
		}
	}
	if s.heartbeat*3 > s.session {
		problems = append(problems, fmt.Errorf("%s.override.heartbeat.interval.ms: must be at most a third of session.timeout.ms (%d ms)",
			r, s.session.Milliseconds()))
	}
	if int64(s.recordBytesMax) > s.bufferBytes {
		problems = append(problems, fmt.Errorf("%s.override.buffer.memory: must hold at least one record of max.request.size (%d)", r, s.recordBytesMax))
	}
	return s, errors.Join(problems...)
}

func text(field func(*settings) *string) override {
	return func(s *settings, value string) error {
		if value == "" {
			return errors.New("must not be empty")
		}
		*field(s) = value
		return nil
	}
}

func millis(field func(*settings) *time.Duration, least int64) override {
	return func(s *settings, value string) error {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < least || n > math.MaxInt32 { // Kafka's are Java ints
			return fmt.Errorf("%q is not a number of milliseconds from %d to %d", value, least, math.MaxInt32)
		}
		*field(s) = time.Duration(n) * time.Millisecond
		return nil
	}
}

func number[N int | int32 | int64](field func(*settings) *N, least, most int64) override {
	return func(s *settings, value string) error {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not a number from %d to %d", value, least, most)
		}
		*field(s) = N(n)
		return nil
	}
}

// fixed accepts the one value that keeps our promises, and says why it is the only one.
func fixed(only, reason string) override {
	return func(_ *settings, value string) error {
		if value != only && (only != "all" || value != "-1") {
			return fmt.Errorf("is always %s: %s", only, reason)
		}
		return nil
	}
}

func compression(s *settings, value string) error {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	codec, ok := codecs[value]
	if !ok {
		return fmt.Errorf("%q is not one of none, gzip, snappy, lz4, zstd", value)
	}
	s.compression = codec
	return nil
}
