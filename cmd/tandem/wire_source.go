package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/cdc"
	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/telemetry"
	source "github.com/tandem-sync/tandem/source/notion"
)

func (a *app) cdcClass() connector.Class {
	return class(a, "cdc.PostgresSource", connector.Source, func() *cdcKeys { return &cdcKeys{} }, a.buildCDC)
}

func (a *app) buildCDC(ctx context.Context, k *cdcKeys, p *parts) error {
	k.Config.Version = version
	k.Config.Database.ApplicationName = "tandem " + k.Name
	kc := a.kafka(&k.Kafka, k.Name)
	kc.ProducerOverrides = k.ProducerOverrides
	if err := k.roomForLetters(&kc); err != nil {
		return err
	}
	topics, err := cdc.Topics(ctx, k.Config)
	if err != nil {
		return fmt.Errorf("look at the captured tables: %w", err)
	}
	if err := a.ensureTopics(ctx, kc, append(k.Kafka.changeTopics(topics...), k.deadLetters(kc)...)...); err != nil {
		return err
	}
	offsets, err := kafka.OpenOffsets(kc, k.Kafka.offsets(k.OffsetTopic))
	if err != nil {
		return err
	}
	p.onClose(offsets.Close)
	if err := offsets.Ensure(ctx); err != nil {
		return err
	}
	k.Config.Holder = a.holder
	maker := newTopicMaker(topics, a.log.With("connector", k.Name), func(ctx context.Context, topic string) error {
		return a.ensureTopics(ctx, kc, k.Kafka.changeTopics(topic)...)
	})
	sink, err := changeSink(kc, k, offsets, maker, p)
	if err != nil {
		return err
	}
	s, err := cdc.New(k.Config, sink, positions{offsets, k.Name}, a.log.With("connector", k.Name))
	if err != nil {
		return err
	}
	a.listen(ctx, s, k, kc, p)
	p.onDescribe(func() []connector.Detail {
		status := s.Status()
		details := []connector.Detail{{Name: "phase", Value: status.Phase}, {Name: "confirmed", Value: status.Confirmed.String()}}
		details = append(details, describeTables(s)...)
		return details
	})
	meter := &slotMeter{}
	p.onDescribe(meter.details)
	a.metrics.WatchCapture("slot of "+k.Name, func(context.Context) (telemetry.Capture, error) { return meter.capture(k.Name, s) })
	p.onClose(func() { a.metrics.Unwatch("slot of " + k.Name) })
	a.metrics.WatchReadings("snapshot of "+k.Name, func(context.Context) (tables []telemetry.Reading, err error) {
		return readings(k.Name, s), nil
	})
	p.onClose(func() { a.metrics.Unwatch("snapshot of " + k.Name) })
	a.metrics.WatchFaults("capture of "+k.Name, func(context.Context) ([]telemetry.Faults, error) {
		now := s.Status()
		return []telemetry.Faults{{Connector: k.Name, Aside: now.Aside, Cut: now.Cut, AsText: now.AsText, Signals: s.Signalled(), Refused: s.Refusals(), SpillBytes: now.SpillBytes, SpillOpen: now.SpillFiles}}, nil
	})
	p.onClose(func() { a.metrics.Unwatch("capture of " + k.Name) })
	p.add("source", s)
	p.add("lag", a.lag(k.Name, k.Config, meter))
	return nil
}

// changeSink is where changes go: a producer, or one of transactions that take the position along.
func changeSink(kc kafka.Config, k *cdcKeys, offsets *kafka.Offsets, maker *topicMaker, p *parts) (cdc.Sink, error) {
	if !k.ExactlyOnce() {
		producer, err := kafka.OpenProducer(kc)
		if err != nil {
			return nil, err
		}
		p.onClose(producer.Close)
		return &records{producer: producer, topics: maker}, nil
	}
	producer, err := kafka.OpenTransactional(kc, "tandem-"+k.Name+"-0") // Connect's form: <group>-<connector>-<task>
	if err != nil {
		return nil, err
	}
	p.onClose(producer.Close)
	return transactions{&records{producer: producer, topics: maker}, producer, positions{offsets, k.Name}}, nil
}

// transactions are transactional records as cdc sees them.
type transactions struct {
	*records
	*kafka.Transactional
	positions positions
}

var _ cdc.Transactions = transactions{}

// Send implements cdc.Sink.
func (t transactions) Send(ctx context.Context, record cdc.Record, done func(error)) {
	t.records.Send(ctx, record, done)
}

// Commit implements cdc.Transactions.
func (t transactions) Commit(ctx context.Context, partition, offset map[string]any) error {
	r, err := t.positions.offsets.Record(kafka.SourceOffset{Connector: t.positions.connector, Partition: partition, Offset: offset})
	if err != nil {
		return err
	}
	return t.Transactional.Commit(ctx, r)
}

// Flush implements cdc.Transactions.
func (t transactions) Flush(ctx context.Context) error { return t.Transactional.Commit(ctx) }

// records is a producer as cdc sees it.
type records struct {
	producer interface {
		Send(ctx context.Context, r kafka.Record, done func(error))
	}
	headers kafka.Headers[change.Header]
	topics  *topicMaker // nil: all are there
}

var _ cdc.Sink = (*records)(nil)

// Send implements cdc.Sink.
func (r *records) Send(ctx context.Context, record cdc.Record, done func(error)) {
	r.topics.ensure(ctx, record.Topic)
	r.producer.Send(ctx, kafka.Record{Topic: record.Topic, Key: record.Key, Value: record.Value, Headers: r.headers.Of(record.Headers), Time: record.Time}, done)
}

// positions are one connector's entries in the offsets topic.
type positions struct {
	offsets   *kafka.Offsets
	connector string
}

var _ cdc.Offsets = positions{}

// Load implements cdc.Offsets.
func (o positions) Load(ctx context.Context, partition map[string]any) (map[string]any, error) {
	entries, err := o.offsets.Load(ctx, o.connector)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if reflect.DeepEqual(e.Partition, partition) {
			return e.Offset, nil
		}
	}
	return nil, nil
}

// Save implements cdc.Offsets.
func (o positions) Save(ctx context.Context, partition, offset map[string]any) error {
	return o.offsets.Save(ctx, kafka.SourceOffset{Connector: o.connector, Partition: partition, Offset: offset})
}

func (a *app) notionSourceClass() connector.Class {
	return class(a, "source.NotionSource", connector.Source, func() *pollKeys { return &pollKeys{} }, a.buildNotionSource)
}

func (a *app) buildNotionSource(ctx context.Context, k *pollKeys, p *parts) error {
	entities, problems := mappings(k.Sync.Mappings, k.Common.Sync)
	if err := problems.Err(); err != nil {
		return err
	}
	pool, store, err := a.openLedger(ctx, k.Database, k.Name, p)
	if err != nil {
		return err
	}
	if err := a.leastPrivilege(ctx, pool, entities, &k.Sync); err != nil {
		return err
	}
	client, err := a.client(k.Notion, k.Name, k.Common.Sync, store, p)
	if err != nil {
		return err
	}
	kc := a.kafka(&k.Kafka, k.Name)
	var topics []string
	for _, e := range entities {
		topics = append(topics, k.TopicPrefix+"."+e.Name)
	}
	if err := a.ensureTopics(ctx, kc, k.Kafka.changeTopics(topics...)...); err != nil {
		return err
	}
	producer, err := kafka.OpenProducer(kc)
	if err != nil {
		return err
	}
	p.onClose(producer.Close)
	log := a.log.With("connector", k.Name)
	c := source.Config{Name: k.Name, Registry: store, Interval: k.Interval, Log: log, Observe: a.metrics.Connector(k.Name).Polled}
	c.Paused = func(ctx context.Context, entity string) (bool, error) {
		pauses, err := store.Pauses(ctx, k.Common.Sync)
		way := ledger.Way{Sync: k.Common.Sync, Side: ledger.CRM, Connector: k.Name}
		return slices.ContainsFunc(pauses, func(p ledger.Pausing) bool { return p.On(way) && p.All(entity) }), err
	}
	for _, e := range entities {
		c.Pollers = append(c.Pollers, &source.Poller{
			Entity: e, Topic: k.TopicPrefix + "." + e.Name, Prefix: k.TopicPrefix, Version: version, Holder: k.Name + " " + a.holder,
			Pages: client, Ledger: store, Publisher: producer, Now: time.Now, Log: log, IndexLag: k.Notion.IndexLag, SweepInterval: k.SweepInterval,
			LeadFor: k.Lease,
			Observe: func(entity string, via change.Via, emitted int) {
				a.metrics.Connector(k.Name).Records(k.TopicPrefix+"."+entity, string(via), emitted)
			},
		})
	}
	if k.WebhookListen != "" {
		c.Webhook = &source.Webhook{Listen: k.WebhookListen, Path: k.WebhookPath, TokenFile: k.WebhookToken, Log: log,
			Keep: func(ctx context.Context, e ledger.Edit) error { return store.KeepEdit(ctx, k.Common.Sync, e) }}
		if me, err := client.Me(ctx); err == nil {
			c.Webhook.BotID = me.ID
		} else {
			log.Warn("own bot is not known: webhooks of our own writes will cost a request each", "reason", err.Error())
		}
	}
	p.add("source", source.New(c))
	return nil
}
