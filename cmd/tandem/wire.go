package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/postgres"
	"github.com/tandem-sync/tandem/connector/telemetry"
	"github.com/tandem-sync/tandem/plugins/sdk"
	"github.com/tandem-sync/tandem/sink"
	"github.com/tandem-sync/tandem/sink/crm"
)

// app is what all commands share. Its fields are set once, in run.
type app struct {
	log      *slog.Logger
	metrics  *telemetry.Metrics
	health   *telemetry.Health
	resolver config.Resolver
	holder   string // names this process in leases

	inProcess []sdk.Plugin         // plugins that are compiled into this binary
	onAddress func(address string) // told where metrics are served; nil is nobody
}

func newApp(log *slog.Logger) *app {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &app{
		log: log, metrics: telemetry.NewMetrics(version), health: telemetry.NewHealth(),
		holder: fmt.Sprintf("%s/%d/%.4s", host, os.Getpid(), rand.Text()),
	}
}

// registry knows the four classes.
func (a *app) registry() *connector.Registry {
	return connector.NewRegistry(a.cdcClass(), a.notionSinkClass(), a.notionSourceClass(), a.crmSinkClass())
}

// decode reads a connector's configuration into k, and reports everything that is wrong with it.
func (a *app) decode(doc config.Document, k config.Definable) config.Problems {
	m := config.Map{"name": doc.Name}
	maps.Copy(m, doc.Config)
	if derives, ok := k.(interface {
		derive(m config.Map, r config.Resolver)
	}); ok {
		derives.derive(m, a.resolver)
	}
	return config.Decode(m, a.resolver, k)
}

// keys are the configuration of one class of connector.
type keys interface {
	config.Definable
	files() (sync string, mappings []string, plugins string) // what it names beside itself
	useless() []useless                                      // what it has for the sake of Kafka Connect only
}

// class makes a class of a kind of keys: what can be known without asking anybody is checked by decoding them, and by reading the
// files that they name.
func class[K keys](a *app, name string, kind connector.Kind, empty func() K, build func(context.Context, K, *parts) error) connector.Class {
	return connector.Class{
		Name: name, Kind: kind, Version: version, Definitions: config.Definitions(empty()),
		Check: func(doc config.Document) config.Problems {
			k := empty()
			problems := a.decode(doc, k)
			problems = append(problems, ineffective(doc.Config, k)...)
			return append(problems, checkFiles(k)...)
		},
		New: func(doc config.Document) (lifecycle.Watched, error) {
			k := empty()
			if err := a.decode(doc, k).Err(); err != nil {
				return nil, err
			}
			return &assembly{build: func(ctx context.Context, p *parts) error { return build(ctx, k, p) }}, nil
		},
	}
}

// checkFiles reads mappings and plugins.
func checkFiles(k keys) config.Problems {
	sync, files, pluginsFile := k.files()
	var problems config.Problems
	if len(files) > 0 {
		_, found := mappings(files, sync)
		problems = append(problems, found...)
	}
	if pluginsFile != "" {
		if _, err := pluginSpecs(pluginsFile); err != nil {
			problems.Errorf("plugins.file", "%v", err)
		}
	}
	return problems
}

// openLedger connects to the CRM's database and brings the ledger's schema up to date.
func (a *app) openLedger(ctx context.Context, c postgres.Config, name string, p *parts) (*pgxpool.Pool, *pgledger.Store, error) {
	c.ApplicationName = "tandem " + name
	pool, err := postgres.OpenPool(ctx, c)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the CRM's database: %w", err)
	}
	p.onClose(pool.Close)
	store := pgledger.New(pool)
	if err := store.Migrate(ctx); err != nil {
		return nil, nil, fmt.Errorf("prepare the ledger: %w", err)
	}
	return pool, store, nil
}

// client makes the way to Notion, with the budget that all processes with this token share. name is the connector's.
func (a *app) client(n notionKeys, name, sync string, store *pgledger.Store, p *parts) (*notionapi.Client, error) {
	token := n.budgetName()
	budget := &notionapi.SharedBudget{Granter: store, Token: token, Rate: n.rate(), Now: time.Now, Sleep: lifecycle.Pause}
	client, err := notionapi.New(notionapi.Config{
		Token: notionapi.Token(n.Token.Reveal()), BaseURL: n.BaseURL, Version: n.Version, Logger: a.log,
		Budget: timedBudget{budget, a.metrics}, OnAttempt: a.attempted, Recorder: newRequests(store, sync, a.holder),
	})
	if err != nil {
		return nil, err
	}
	p.onClose(client.Close)
	a.watchBudget(name, token, n.rate(), store, p)
	return client, nil
}

// rows makes the CRM side of each entity.
func rows(entities []*mapping.Entity, pool *pgxpool.Pool, store *pgledger.Store, memory sink.DriftLedger) (map[string]*crm.Rows, error) {
	return rowsFrom("", entities, pool, store, memory)
}

// rowsFrom is rows whose writes say in WAL who made them.
func rowsFrom(origin string, entities []*mapping.Entity, pool *pgxpool.Pool, store *pgledger.Store, memory sink.DriftLedger) (map[string]*crm.Rows, error) {
	out := map[string]*crm.Rows{}
	for _, e := range entities {
		r, err := crm.NewRows(crm.RowsConfig{Origin: origin, Entity: e, Pool: pool, Ledger: store, Memory: memory})
		if err != nil {
			return nil, err
		}
		out[e.Name] = r
	}
	return out, nil
}

// worker makes what both sinks have in common.
func (a *app) worker(side ledger.Side, k *sinkKeys, entities map[string]*sink.Entity, store *pgledger.Store, fns sink.Functions, lag time.Duration) *sink.Worker {
	return &sink.Worker{
		Side: side, Sync: k.Common.Sync, Holder: k.Name + " " + a.holder, Run: a.holder, Tombstones: store, Connector: k.Name, Entities: entities, Ledger: store, Functions: fns,
		Now: time.Now, NewID: newID, Log: a.log.With("connector", k.Name), Observe: observer{a.metrics, entities},
		Max: k.Max, Concurrency: k.Workers, Round: k.Lease, Lease: sink.LeaseFor(k.Lease, lag), IndexLag: lag, Skew: k.Skew,
	}
}

// consumer says what a sink reads: the topics that were named, or those that follow from the mappings.
func (k *sinkKeys) consumer(topics []string) kafka.ConsumerConfig {
	c := kafka.ConsumerConfig{
		Name: k.Name, Class: k.Class, Group: "connect-" + k.Name, Topics: topics,
		RetryMax: k.RetryDelayMax, RetryFor: retryFor(k.RetryTimeout),
		Errors: kafka.ErrorPolicy{
			Tolerance:      kafka.Tolerance(k.Tolerance),
			DeadLetters:    kafka.TopicSpec{Name: k.Topics.DeadLetterTopic, ReplicationFactor: k.Kafka.replication(), Cleanup: kafka.CleanupDelete},
			WithoutHeaders: !k.Topics.DeadLetterWithHeaders, WithoutLog: !k.LogErrors, LogRecords: k.LogErrorRecord,
		},
	}
	if k.Topics.DeadLetterReplication > 0 {
		c.Errors.DeadLetters.ReplicationFactor = int16(k.Topics.DeadLetterReplication)
	}
	switch {
	case len(k.Topics.Topics) > 0:
		c.Topics = k.Topics.Topics
	case k.Topics.TopicsRegex != "":
		c.Topics, c.Pattern = nil, k.Topics.TopicsRegex
	}
	return c
}

// retryFor turns errors.retry.timeout into the consumer's terms, in which 0 is for ever.
func retryFor(timeout time.Duration) time.Duration {
	switch {
	case timeout < 0:
		return 0
	case timeout == 0:
		return time.Nanosecond // one try, and no other
	}
	return timeout
}

// relay publishes alerts, on a topic that is made if it is missing.
func (a *app) relay(ctx context.Context, k *sinkKeys, store *pgledger.Store, p *parts) (*sink.Relay, error) {
	kc := a.sinkKafka(k)
	if err := a.ensureTopics(ctx, kc, k.Kafka.changeTopics(k.Sync.AlertTopic)...); err != nil {
		return nil, err
	}
	producer, err := kafka.OpenProducer(kc)
	if err != nil {
		return nil, err
	}
	p.onClose(producer.Close)
	quiet, targets, err := k.Alerts.open()
	if err != nil {
		return nil, err
	}
	return &sink.Relay{
		Sync: k.Common.Sync, Holder: k.Name + " " + a.holder, Outbox: store, Publisher: countedAlerts{producer, a.metrics}, Topic: k.Sync.AlertTopic,
		Targets: targets, Group: k.Alerts.Group, Quiet: quiet, Now: time.Now, Log: a.log.With("connector", k.Name),
	}, nil
}

// ensureTopics makes topics that are missing, and says what is different on those that are there.
func (a *app) ensureTopics(ctx context.Context, kc kafka.Config, specs ...kafka.TopicSpec) error {
	admin, err := kafka.OpenAdmin(kc)
	if err != nil {
		return err
	}
	defer admin.Close()
	mismatches, err := admin.EnsureTopics(ctx, specs...)
	for _, m := range mismatches {
		a.log.Warn("topic differs from what is wanted", "mismatch", m.String())
	}
	return err
}

// tableTopics are the topics of all tables that the entities' rows are made of.
func tableTopics(prefix string, entities []*mapping.Entity) []string {
	var topics []string
	for _, e := range entities {
		for _, t := range e.Tables() {
			if topic := prefix + "." + t.Schema + "." + t.Name; !slices.Contains(topics, topic) {
				topics = append(topics, topic)
			}
		}
	}
	return topics
}

// newID makes random external ids.
func newID() string { return uuid.NewString() }
