package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/cdc"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/postgres"
	source "github.com/tandem-sync/tandem/source/notion"
)

// The keys of connector files that several classes share. What belongs to one class stands with it.

// kafkaKeys say how Kafka is reached; names are Kafka's own.
type kafkaKeys struct {
	Servers     []string
	Protocol    string
	Mechanism   string
	Username    string
	Password    config.Secret
	CA          string
	Cert        string
	Key         string
	Replication int
}

func (k *kafkaKeys) Define(s *config.Set) {
	const group = "Kafka"
	s.List(&k.Servers, config.Key{Name: "bootstrap.servers", Required: true, Importance: config.High, Group: group, Doc: "Some of Kafka's brokers, as host:port with commas between them."})
	s.String(&k.Protocol, config.Key{Name: "security.protocol", Default: "PLAINTEXT", Group: group, Doc: "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
		Validate: config.OneOf("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")})
	s.String(&k.Mechanism, config.Key{Name: "sasl.mechanism", Group: group, Doc: "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."})
	s.String(&k.Username, config.Key{Name: "sasl.username", Group: group, Doc: "The user that Kafka knows us as."})
	s.Password(&k.Password, config.Key{Name: "sasl.password", Group: group, Doc: "That user's password."})
	s.String(&k.CA, config.Key{Name: "ssl.ca.location", Group: group, Doc: "A PEM file of the authorities that may sign the brokers' certificates."})
	s.String(&k.Cert, config.Key{Name: "ssl.certificate.location", Group: group, Doc: "A PEM file of our certificate."})
	s.String(&k.Key, config.Key{Name: "ssl.key.location", Group: group, Doc: "A PEM file of our certificate's key."})
	s.Int(&k.Replication, config.Key{Name: "topic.creation.default.replication.factor", Default: "-1", Group: group,
		Doc: "How many brokers keep a topic that has to be made; -1 leaves it to the cluster.", Validate: config.Between(-1, 32)})
}

// config gives the connector's way to Kafka.
func (k *kafkaKeys) config(client string) kafka.Config {
	c := kafka.Config{BootstrapServers: k.Servers, ClientID: client}
	if k.Protocol == "SSL" || k.Protocol == "SASL_SSL" {
		c.TLS = &kafka.TLS{CAFile: k.CA, CertFile: k.Cert, KeyFile: k.Key}
	}
	if k.Protocol == "SASL_PLAINTEXT" || k.Protocol == "SASL_SSL" {
		c.SASL = &kafka.SASL{Mechanism: k.Mechanism, Username: k.Username, Password: k.Password}
	}
	return c
}

func (k *kafkaKeys) replication() int16 {
	if k.Replication < 0 {
		return 0
	}
	return int16(k.Replication)
}

// offsets is the compacted topic of positions, and of what is known of ledgers.
func (k *kafkaKeys) offsets(name string) kafka.TopicSpec {
	return kafka.TopicSpec{Name: name, Partitions: 1, ReplicationFactor: k.replication(), Cleanup: kafka.CleanupCompact}
}

// changeTopics are topics as change events need them: they hold no state.
func (k *kafkaKeys) changeTopics(names ...string) []kafka.TopicSpec {
	specs := make([]kafka.TopicSpec, len(names))
	for i, name := range names {
		specs[i] = kafka.TopicSpec{Name: name, ReplicationFactor: k.replication(), Cleanup: kafka.CleanupDelete}
	}
	return specs
}

// notionKeys say how Notion is reached.
type notionKeys struct {
	Token    config.Secret
	BaseURL  string
	Version  string
	Rate     int
	Share    float64
	IndexLag time.Duration

	optional bool // a command that can do without a token
}

func (n *notionKeys) Define(s *config.Set) {
	const group = "Notion"
	s.Password(&n.Token, config.Key{Name: "notion.token", Required: !n.optional, Importance: config.High, Group: group, Doc: "The connection's secret, best as a reference: ${env:NOTION_TOKEN}."})
	s.String(&n.BaseURL, config.Key{Name: "notion.base.url", Default: notionapi.DefaultBaseURL, Importance: config.Low, Group: group, Doc: "Where Notion's API is; another address is for the emulator."})
	s.String(&n.Version, config.Key{Name: "notion.version", Default: notionapi.DefaultVersion, Importance: config.Low, Group: group, Doc: "The Notion-Version that we speak."})
	s.Int(&n.Rate, config.Key{Name: "notion.rate.per.minute", Default: "180", Group: group, Validate: config.Between(1, 1_000_000),
		Doc: "How many requests a minute all processes with this token may send together. Notion grants 180, on Business and Enterprise plans 600."})
	s.Double(&n.Share, config.Key{Name: "notion.budget.share", Default: "1", Group: group,
		Validate: config.Matches(`0?\.\d*[1-9]\d*|1(\.0+)?`, "must be a share such as 0.5, above 0 and at most 1"),
		Doc:      "Which share of these requests Tandem may use, where other programs use the same connection: 0.5 is half of them. The connectors of one token are given the same."})
	s.Duration(&n.IndexLag, config.Key{Name: "notion.index.lag.ms", Default: "120000", Importance: config.Low, Group: group, Validate: config.Between(0, 600_000),
		Doc: "How long Notion's queries may not show a write, in milliseconds. After a create whose outcome is unknown we wait so long before we look."})
}

// budgetName is what the ledger's budget of the token is known by: a hash; "" without a token.
func (n *notionKeys) budgetName() string {
	if n.Token.Reveal() == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(n.Token.Reveal()))
	return hex.EncodeToString(sum[:16])
}

// rate is how many requests a minute we may send.
func (n *notionKeys) rate() int {
	if n.Share <= 0 {
		return n.Rate
	}
	return max(1, int(float64(n.Rate)*n.Share))
}

// syncKeys name the mappings; they are files beside the connector file.
type syncKeys struct {
	Mappings   []string
	Plugins    string
	AlertTopic string
	AllowRole  string
}

func (k *syncKeys) Define(s *config.Set) {
	const group = "Sync"
	s.List(&k.Mappings, config.Key{Name: "mapping.files", Required: true, Importance: config.High, Group: group,
		Doc: "The mapping documents of the sync, one for each entity, with commas between them. All connectors of a sync are given the same."})
	s.String(&k.Plugins, config.Key{Name: "plugins.file", Group: group, Doc: "A JSON file of the plugins that are programs of their own. Built-in functions need none."})
	s.String(&k.AllowRole, config.Key{Name: "allow.overprivileged.role", Group: group,
		Doc: "The role of database.user, named here when it may do more in the CRM than the mappings need. Without that such a role is refused at start; tandem grants prints one that is not."})
	s.String(&k.AlertTopic, config.Key{Name: "alerts.topic", Default: "tandem.alerts", Group: group, Doc: "The topic of alerts."})
}

// pollKeys are source.NotionSource's.
type pollKeys struct {
	config.Common
	Kafka    kafkaKeys
	Database postgres.Config
	Notion   notionKeys
	Sync     syncKeys

	TopicPrefix   string
	Interval      source.Interval
	SweepInterval time.Duration
	Lease         time.Duration
	WebhookListen string
	WebhookPath   string
	WebhookToken  string
}

func (k *pollKeys) Define(s *config.Set) {
	k.Common.Define(s)
	k.Kafka.Define(s)
	k.Database.Define(s)
	k.Notion.Define(s)
	k.Sync.Define(s)
	const group = "Polling"
	s.String(&k.TopicPrefix, config.Key{Name: "topic.prefix", Default: "notion", Importance: config.High, Group: group, Doc: "Topics are {prefix}.{entity}.",
		Validate: config.Matches(`[A-Za-z0-9._-]{1,100}`, "must be letters, digits, dots, dashes or underscores, 100 at most")})
	millis := func(dst *time.Duration, name, def, doc string) {
		s.Duration(dst, config.Key{Name: name, Default: def, Group: group, Doc: doc + " In milliseconds.", Validate: config.AtLeast(50)})
	}
	millis(&k.Interval.Base, "poll.interval.ms", "300000", "How often Notion is asked for edited pages, to begin with.")
	millis(&k.Interval.Min, "poll.interval.min.ms", "30000", "How often at most, while people edit.")
	millis(&k.Interval.Max, "poll.interval.max.ms", "600000", "How often at least, while nobody does.")
	millis(&k.SweepInterval, "sweep.interval.ms", "86400000", "How often all pages are looked at, to heal what was missed.")
	s.Duration(&k.Lease, leaseKey(group))
	s.String(&k.WebhookListen, config.Key{Name: "webhook.listen", Group: group, Doc: "host:port to receive Notion's webhooks on, behind a proxy that speaks https. Empty: polling alone."})
	s.String(&k.WebhookPath, config.Key{Name: "webhook.path", Default: "/notion/webhook", Importance: config.Low, Group: group, Doc: "The path of the webhook's address."})
	s.String(&k.WebhookToken, config.Key{Name: "webhook.token.file", Group: group, Doc: "Where the webhook's verification token is kept. It is written when Notion sends it."})
}

// leaseKey bounds a turn of work, and with it how long another process leaves alone what this one holds. A process that ends in order
// gives everything back.
func leaseKey(group string) config.Key {
	return config.Key{Name: "lease.ms", Default: "180000", Importance: config.Low, Group: group, Validate: config.AtLeast(1000),
		Doc: "How long one turn of work may take, in milliseconds; more than the longest request to Notion with its retries. What a process held " +
			"when it was killed is left alone for as long, and for the index lag, because a request of it may still be on its way."}
}

// Validate checks what spans several keys.
func (k *pollKeys) Validate() error {
	problems := slices.Concat(byKey(k.Kafka.config(k.Name).Validate()), byKey(k.Database.Validate()))
	if k.Interval.Min > k.Interval.Max {
		problems.Errorf("poll.interval.min.ms", "is more than poll.interval.max.ms")
	}
	if k.WebhookListen != "" && k.WebhookToken == "" {
		problems.Errorf("webhook.token.file", "missing: the verification token that Notion sends must be kept somewhere")
	}
	return problems.Err()
}

// sinkKeys are what both sinks share.
type sinkKeys struct {
	config.Common
	Topics   config.Sink
	Kafka    kafkaKeys
	Database postgres.Config
	Sync     syncKeys

	Alerts  alertKeys
	Prefix  string // of the topics that are read, where topics are not named
	Max     int
	Settle  time.Duration
	Idle    time.Duration
	Skew    time.Duration
	Lease   time.Duration
	Workers int
	Stale   time.Duration

	Retention   time.Duration
	OffsetTopic string
}

func (k *sinkKeys) define(s *config.Set, prefixKey, prefix string) {
	k.Common.Define(s)
	k.Topics.Define(s)
	k.Kafka.Define(s)
	k.Database.Define(s)
	k.Sync.Define(s)
	k.Alerts.Define(s)
	const group = "Work"
	s.String(&k.Prefix, config.Key{Name: prefixKey, Default: prefix, Importance: config.High, Group: group,
		Doc: "The topic.prefix of the connector that writes the topics. The topics of the mapped tables or entities follow from it, unless topics names them."})
	s.Int(&k.Max, config.Key{Name: "batch.max", Default: "64", Importance: config.Low, Group: group, Doc: "How many links are looked at in one round.", Validate: config.Between(1, 500)})
	s.Int(&k.Workers, config.Key{Name: "concurrency.max", Default: "4", Importance: config.Low, Group: group, Doc: "How many links are worked on at a time.", Validate: config.Between(1, 64)})
	millis := func(dst *time.Duration, name, def, doc string) {
		s.Duration(dst, config.Key{Name: name, Default: def, Importance: config.Low, Group: group, Doc: doc + " In milliseconds.", Validate: config.AtLeast(0)})
	}
	millis(&k.Settle, "settle.ms", "200", "How long live changes wait for the rest of what a person or program is about to change.")
	millis(&k.Idle, "work.interval.ms", "200", "How often the work table is looked at when nothing wakes the sink.")
	s.Duration(&k.Lease, leaseKey(group))
	s.String(&k.OffsetTopic, config.Key{Name: "offset.storage.topic", Default: kafka.OffsetsDefault().Name, Importance: config.Low, Group: "Kafka",
		Doc: "The compacted topic that keeps how old the ledger is: a database that is behind it was restored from a backup, and nothing is written before a plan was looked at."})
	millis(&k.Retention, "audit.retention.ms", "0", "How long the audit of writes and the conflict history are kept, at least a day; 0 is for ever.")
	s.Duration(&k.Stale, config.Key{Name: "health.stale.ms", Default: "300000", Importance: config.Low, Group: group, Validate: config.AtLeast(1000),
		Doc: "How old the oldest live change may be that nobody has looked at, before the process is not ready, in milliseconds. Backfill and work that waits for its time do not count."})
	millis(&k.Skew, "clock.skew.ms", "1000", "How far the clocks of the CRM, Notion and this process may disagree.")
}

// Validate checks what spans several keys.
func (k *sinkKeys) Validate() error {
	c := k.Kafka.config(k.Name)
	c.ConsumerOverrides, c.ProducerOverrides = k.Topics.ConsumerOverrides, k.Topics.DeadLetterProducerKeys
	problems := slices.Concat(byKey(c.Validate()), byKey(k.Database.Validate()), byKey(k.Topics.Validate()), k.Alerts.problems())
	if k.Tolerance == config.TolerateAll && k.Topics.DeadLetterTopic == "" {
		problems.Errorf("errors.deadletterqueue.topic.name", "missing: errors.tolerance is all, and no record is dropped")
	}
	return problems.Err()
}

// notionSinkKeys are sink.NotionSink's.
type notionSinkKeys struct {
	sinkKeys
	Notion        notionKeys
	ParentPage    string
	SweepInterval time.Duration

	VerifyInterval time.Duration
	VerifyShare    int
}

func (k *notionSinkKeys) Define(s *config.Set) {
	k.define(s, "crm.topic.prefix", "crm")
	k.Notion.Define(s)
	s.String(&k.ParentPage, config.Key{Name: "notion.parent.page", Importance: config.High, Group: "Notion",
		Doc: "The page under which databases are made that are missing. It is shared with the connection."})
	s.Duration(&k.SweepInterval, config.Key{Name: "sweep.interval.ms", Default: "86400000", Group: "Work",
		Doc: "How often all rows are looked at, to heal what was missed. In milliseconds.", Validate: config.AtLeast(1000)})
	s.Duration(&k.VerifyInterval, config.Key{Name: "verify.interval.ms", Default: "86400000", Importance: config.Low, Group: "Work",
		Doc: "From the end of one comparison of all pages with all rows to the next: the proof of equality. In milliseconds; 0 is never.", Validate: config.AtLeast(0)})
	s.Int(&k.VerifyShare, config.Key{Name: "verify.share.percent", Default: "10", Importance: config.Low, Group: "Work",
		Doc: "How much of notion.rate.per.minute that comparison may use, in percent.", Validate: config.Between(1, 100)})
}

// crmSinkKeys are sink.PostgresSink's. It has no token: it touches the CRM only.
type crmSinkKeys struct {
	sinkKeys
	MarkWrites bool
}

func (k *crmSinkKeys) Define(s *config.Set) {
	k.define(s, "notion.topic.prefix", "notion")
	s.Bool(&k.MarkWrites, config.Key{Name: "tandem.origin", Default: "false", Importance: config.Low, Group: "Work",
		Doc: "Whether each transaction that writes rows says so in WAL first (pg_logical_emit_message, prefix tandem.origin). cdc.PostgresSource makes it the header tandem.origin, {sync}/{connector}, of " +
			"every event of that transaction: information for other consumers, by which nothing is decided here."})
}

// cdcKeys are cdc.PostgresSource's. Its tables are those of the mappings unless they are named.
type cdcKeys struct {
	cdc.Config
	Kafka             kafkaKeys
	Mappings          []string
	OffsetTopic       string
	ProducerOverrides map[string]string
}

func (k *cdcKeys) Define(s *config.Set) {
	k.Config.Define(s)
	k.Kafka.Define(s)
	s.List(&k.Mappings, config.Key{Name: "mapping.files", Importance: config.High, Group: "Capture",
		Doc: "The mapping documents of the sync. Where table.include.list is not given, their tables are captured."})
	s.String(&k.OffsetTopic, config.Key{Name: "offset.storage.topic", Default: kafka.OffsetsDefault().Name, Importance: config.Low, Group: "Kafka",
		Doc: "The compacted topic that keeps the position."})
	s.Prefix(&k.ProducerOverrides, config.Key{Name: "producer.override.", Importance: config.Low, Group: "Overrides", Doc: "Settings of the producer of changes."})
}

// Validate checks what spans several keys.
func (k *cdcKeys) Validate() error {
	c := k.Kafka.config(k.Name)
	c.ProducerOverrides = k.ProducerOverrides
	return slices.Concat(byKey(c.Validate()), byKey(k.Config.Validate())).Err()
}

// letterRoom is what the headers of a dead letter may need beside a record that is as large as it may be.
const letterRoom = 16 << 10

// roomForLetters has the producer take dead letters, which are larger than what they tell of.
func (k *cdcKeys) roomForLetters(c *kafka.Config) error {
	if k.DeadLetterTopic == "" {
		return nil
	}
	most, err := c.RecordBytesMax()
	if err != nil {
		return err
	}
	c.ProducerOverrides = maps.Clone(c.ProducerOverrides)
	if c.ProducerOverrides == nil {
		c.ProducerOverrides = map[string]string{}
	}
	c.ProducerOverrides["max.request.size"] = strconv.Itoa(most + letterRoom)
	return nil
}

// deadLetters is the topic of changes that Kafka refused, if there is to be one. It takes what the producer of c sends.
func (k *cdcKeys) deadLetters(c kafka.Config) []kafka.TopicSpec {
	if k.DeadLetterTopic == "" || k.Tolerance != config.TolerateAll {
		return nil
	}
	most, err := c.RecordBytesMax()
	if err != nil {
		return nil // said by whoever opens the producer
	}
	spec := k.Kafka.changeTopics(k.DeadLetterTopic)[0]
	spec.Partitions, spec.Configs = 1, map[string]string{"max.message.bytes": strconv.Itoa(most + letterRoom)}
	if k.DeadLetterReplication > 0 {
		spec.ReplicationFactor = int16(k.DeadLetterReplication)
	}
	return []kafka.TopicSpec{spec}
}

// derive fills in table.include.list from the mappings.
func (k *cdcKeys) derive(m config.Map, r config.Resolver) {
	if m["table.include.list"] == "" && m["mapping.files"] == "" && (m["schema.include.list"]+m["schema.exclude.list"]+m["table.exclude.list"] != "") {
		m["table.include.list"] = ".*" // every table but those, as Debezium has it
	}
	if m["table.include.list"] != "" || m["mapping.files"] == "" {
		return
	}
	m["table.include.list"] = "." // what is wrong with the mappings is said of them, once
	list, err := r.Resolve(m["mapping.files"])
	if err != nil {
		return
	}
	entities, problems := mappings(splitList(list), "")
	if problems.Err() != nil {
		return
	}
	var tables []string
	for _, e := range entities {
		for _, t := range e.Tables() {
			if pattern := regexp.QuoteMeta(t.String()); !slices.Contains(tables, pattern) {
				tables = append(tables, pattern)
			}
		}
	}
	m["table.include.list"] = strings.Join(tables, ",")
}

func splitList(text string) []string {
	var out []string
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return out
}

// files of any sync will do: only their tables count.
func (k *cdcKeys) files() (sync string, mappings []string, plugins string) { return "", k.Mappings, "" }

func (k *pollKeys) files() (sync string, mappings []string, plugins string) {
	return k.Common.Sync, k.Sync.Mappings, k.Sync.Plugins
}

func (k *sinkKeys) files() (sync string, mappings []string, plugins string) {
	return k.Common.Sync, k.Sync.Mappings, k.Sync.Plugins
}

// mappings reads and compiles the files of a sync, "" being whichever they say. Everything that is wrong comes at once, with the file
// in front of it.
func mappings(files []string, sync string) ([]*mapping.Entity, config.Problems) {
	var problems config.Problems
	var docs []mapping.Document
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			problems.Errorf(file, "%v", plainPath(err))
			continue
		}
		doc, found := mapping.Parse(data)
		problems = append(problems, asProblems(file, found)...)
		if doc.Sync != sync && doc.Sync != "" && sync != "" {
			problems.Errorf(file+": sync", "is %q, and the connector's is %q: a connector and its mappings belong to one sync", doc.Sync, sync)
		}
		docs = append(docs, doc)
	}
	if problems.Err() != nil {
		return nil, problems
	}
	entities, found := mapping.Compile(docs)
	return entities, append(problems, asProblems(compiled, found)...)
}

// compiled stands before problems that several mappings have together.
const compiled = "mappings"

// plainPath takes the system call out of an error that is said behind the file's name.
func plainPath(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func asProblems(file string, found mapping.Diagnostics) config.Problems {
	var out config.Problems
	for _, d := range found {
		severity := config.SeverityWarning
		if d.Severity == mapping.Error {
			severity = config.SeverityError
		}
		path := file
		if d.Path != "" {
			path += ": " + d.Path
		}
		out = append(out, config.Problem{Path: path, Severity: severity, Summary: d.Summary, Detail: d.Detail})
	}
	return out
}
