package config

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Common are the keys that every connector has, named as in Kafka Connect. Embed it and call its Define.
type Common struct {
	Name           string
	Class          string
	TasksMax       int
	Sync           string
	Tolerance      Tolerance
	RetryTimeout   time.Duration // 0: no retry beyond the client's own; -1 ms: for ever
	RetryDelayMax  time.Duration
	LogErrors      bool
	LogErrorRecord bool // the log may then hold customer data
}

// Tolerance says what becomes of a record that cannot be handled.
type Tolerance string

// The tolerances.
const (
	TolerateNone Tolerance = "none" // the connector fails
	TolerateAll  Tolerance = "all"  // the record is set aside, the rest goes on
)

// syncName keeps names usable in topics, consumer groups and file names.
const syncName = `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`

// Define is what embeds Common calls first.
func (c *Common) Define(s *Set) {
	s.String(&c.Name, Key{Name: "name", Required: true, Importance: High, Group: "Common",
		Doc:      "The connector's name, unique among connectors. It is part of its consumer group's name, so changing it starts from the beginning.",
		Validate: Matches(`[^\s/\x00-\x1f]{1,128}`, "must be 1 to 128 characters without blanks and slashes")})
	s.Class(&c.Class, Key{Name: "connector.class", Required: true, Importance: High, Group: "Common",
		Doc: "The connector's class, such as cdc.PostgresSource."})
	s.Int(&c.TasksMax, Key{Name: "tasks.max", Default: "1", Importance: High, Group: "Common",
		Doc: "How many tasks may share the work, as in Kafka Connect. Every connector here is one task that does many things at a time, so more than 1 " +
			"has no effect: start the file in another process to share its work.", Validate: Between(1, 64)})
	s.String(&c.Sync, Key{Name: "sync", Default: "tandem", Importance: High, Group: "Common",
		Doc:      "The name that ties mappings and connectors together. Two syncs in one database share nothing.",
		Validate: Matches(syncName, "must be 1 to 63 letters, digits, dots, dashes or underscores, and begin with a letter or digit")})
	c.defineErrors(s)
}

func (c *Common) defineErrors(s *Set) {
	Enum(s, &c.Tolerance, Key{Name: "errors.tolerance", Default: string(TolerateNone), Importance: Medium, Group: "Errors",
		Doc: "What becomes of a record that cannot be handled: none stops the connector, all sets it aside."}, TolerateNone, TolerateAll)
	s.Duration(&c.RetryTimeout, Key{Name: "errors.retry.timeout", Default: "-1", Importance: Medium, Group: "Errors",
		Doc: "How long a sink tries again what failed before its connector fails, in milliseconds; 0 is not at all. -1 is for ever, and the default " +
			"other than in Kafka Connect: a system that is away comes back. Sources try for ever.", Validate: AtLeast(-1)})
	s.Duration(&c.RetryDelayMax, Key{Name: "errors.retry.delay.max.ms", Default: "60000", Importance: Medium, Group: "Errors",
		Doc: "The longest pause between two tries of a sink, in milliseconds.", Validate: AtLeast(1)})
	s.Bool(&c.LogErrors, Key{Name: "errors.log.enable", Default: "true", Importance: Medium, Group: "Errors",
		Doc: "Whether each record that a sink sets aside is logged, with its topic, partition and offset. Other than in Kafka Connect the default is true."})
	s.Bool(&c.LogErrorRecord, Key{Name: "errors.log.include.messages", Default: "false", Importance: Medium, Group: "Errors",
		Doc: "Whether that log line holds the record's key and value, 4 KiB of each at most. They are customer data."})
}

// Sink are the keys that sinks have besides, named as in Kafka Connect.
type Sink struct {
	Topics                 []string
	TopicsRegex            string
	DeadLetterTopic        string // "" where there is none
	DeadLetterReplication  int    // -1: as for the other topics
	DeadLetterWithHeaders  bool
	ConsumerOverrides      map[string]string
	DeadLetterProducerKeys map[string]string // named producer.override.… there
}

// Define is what embeds Sink calls.
func (c *Sink) Define(s *Set) {
	const group = "Topics"
	s.List(&c.Topics, Key{Name: "topics", Importance: High, Group: group, Doc: "The topics to read, with commas between them. Either this or topics.regex."})
	s.String(&c.TopicsRegex, Key{Name: "topics.regex", Importance: High, Group: group,
		Doc: "A regular expression; all topics that it matches as a whole are read.", Validate: validRegexp})
	s.String(&c.DeadLetterTopic, Key{Name: "errors.deadletterqueue.topic.name", Importance: Medium, Group: "Errors",
		Doc:      "Where records go that cannot be read. Empty: nowhere, and they stop the connector.",
		Validate: Matches(`[A-Za-z0-9._-]{1,249}`, "must be a topic's name: up to 249 letters, digits, dots, dashes and underscores")})
	s.Int(&c.DeadLetterReplication, Key{Name: "errors.deadletterqueue.topic.replication.factor", Default: "-1", Importance: Medium, Group: "Errors",
		Doc:      "How many brokers keep the dead-letter topic, where it must be created; -1 is as many as topic.creation.default.replication.factor says.",
		Validate: replicas})
	s.Bool(&c.DeadLetterWithHeaders, Key{Name: "errors.deadletterqueue.context.headers.enable", Default: "true", Importance: Medium, Group: "Errors",
		Doc: "Whether headers (__connect.errors.…) say where a record came from and why it is there. Other than in Kafka Connect the default is true."})
	s.Prefix(&c.ConsumerOverrides, Key{Name: "consumer.override.", Importance: Low, Group: "Overrides", Doc: "Settings of this connector's consumer."})
	s.Prefix(&c.DeadLetterProducerKeys, Key{Name: "producer.override.", Importance: Low, Group: "Overrides", Doc: "Settings of the producer of dead letters."})
}

// replicas is a number of brokers, or -1.
func replicas(value string) error {
	if value == "-1" {
		return nil
	}
	return Between(1, 32)(value)
}

// Validate checks what spans several keys. A struct that holds a Sink calls it from its own Validate. Whether topics may be left out is for that to say.
func (c *Sink) Validate() error {
	var problems Problems
	if len(c.Topics) > 0 && c.TopicsRegex != "" {
		problems.Errorf("topics.regex", "cannot be given together with topics")
	}
	if c.DeadLetterTopic != "" && slices.Contains(c.Topics, c.DeadLetterTopic) {
		problems.Errorf("errors.deadletterqueue.topic.name", "is one of topics: dead letters would be read again for ever")
	}
	return problems.Err()
}

func validRegexp(value string) error {
	if _, err := regexp.Compile(value); err != nil {
		return fmt.Errorf("is not a regular expression: %w", err)
	}
	return nil
}
