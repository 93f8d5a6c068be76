package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

// kafkaAge keeps the age of a sync's ledger, as one sink last knew it, in the offsets topic beside the positions of sources. It stands under the sink's
// name, which is unique in a Kafka cluster as its consumer group is: two installations that share the cluster may call their syncs the same.
type kafkaAge struct {
	offsets   *kafka.Offsets
	connector string
	sync      string
}

var _ sink.AgeOutside = kafkaAge{}

func (k kafkaAge) partition() map[string]any { return map[string]any{"sync": k.sync} }

// Load implements sink.AgeOutside.
func (k kafkaAge) Load(ctx context.Context) (age ledger.Age, err error) {
	entries, err := k.offsets.Load(ctx, k.connector)
	if err != nil {
		return age, err
	}
	for _, e := range entries {
		if reflect.DeepEqual(e.Partition, k.partition()) {
			text, err := json.Marshal(e.Offset)
			if err == nil {
				err = json.Unmarshal(text, &age)
			}
			if err != nil {
				return age, fmt.Errorf("read the age %s: %w", text, err)
			}
		}
	}
	return age, nil
}

// Save implements sink.AgeOutside.
func (k kafkaAge) Save(ctx context.Context, age ledger.Age) error {
	text, err := json.Marshal(age)
	if err != nil {
		return err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	fields["count"] = age.Count // not by way of a float
	return k.offsets.Save(ctx, kafka.SourceOffset{Connector: k.connector, Partition: k.partition(), Offset: fields})
}

// aging makes sure, before anything of a sink runs, that the database is the one that was known, and goes on watching.
func (a *app) aging(ctx context.Context, k *sinkKeys, entities []*mapping.Entity, store *pgledger.Store, p *parts) error {
	offsets, err := kafka.OpenOffsets(a.sinkKafka(k), k.Kafka.offsets(k.OffsetTopic))
	if err != nil {
		return err
	}
	p.onClose(offsets.Close)
	if err := offsets.Ensure(ctx); err != nil {
		return err
	}
	log := a.log.With("connector", k.Name)
	aging := &sink.Aging{
		Sync: k.Common.Sync, Ledger: store, Outside: kafkaAge{offsets, k.Name, k.Common.Sync}, Now: time.Now, Log: log,
		Sweep: func(ctx context.Context, why string) error { return a.requestSweeps(ctx, store, entities, why) },
	}
	if _, err := aging.RunOnce(ctx); err != nil {
		return fmt.Errorf("make sure that the database is the one that was known: %w", err)
	}
	p.add("age", sink.NewLoop(k.Name+" age", nil, aging.RunOnce, sink.AgingInterval, log))
	return nil
}

// requestSweeps asks for a look at all rows and all pages.
func (a *app) requestSweeps(ctx context.Context, store *pgledger.Store, entities []*mapping.Entity, why string) error {
	for _, e := range entities[:min(1, len(entities))] {
		if err := sink.RequestSweep(ctx, store, sink.RowSweepName(e.Sync), a.holder, time.Now(), why); err != nil {
			return err
		}
	}
	return a.requestPageSweep(ctx, store, entities, why)
}

// knownAge asks Kafka how old a sync's ledger was known to be by those connectors; the zero age if none has told.
func knownAge(ctx context.Context, c kafka.Config, topic kafka.TopicSpec, sync string, connectors ...string) (newest ledger.Age, err error) {
	admin, err := kafka.OpenAdmin(c)
	if err != nil {
		return ledger.Age{}, err
	}
	defer admin.Close()
	if _, exists, err := admin.Retention(ctx, topic.Name); err != nil || !exists {
		return ledger.Age{}, err
	}
	offsets, err := kafka.OpenOffsets(c, topic)
	if err != nil {
		return ledger.Age{}, err
	}
	defer offsets.Close()
	for _, connector := range connectors {
		age, err := kafkaAge{offsets, connector, sync}.Load(ctx)
		if err != nil {
			return ledger.Age{}, err
		}
		if age.Count > newest.Count {
			newest = age
		}
	}
	return newest, nil
}

// ageKeys are what commands need to know of it.
type ageKeys struct {
	Kafka kafkaKeys
	Topic string
}

func (k *ageKeys) Define(s *config.Set) {
	k.Kafka.Define(s)
	s.String(&k.Topic, config.Key{Name: "offset.storage.topic", Default: kafka.OffsetsDefault().Name})
}

// writable refuses a command that would write while a restore of the database was not looked at.
func (s *session) writable(ctx context.Context, a *app, files []string) error {
	switch p, there, err := s.restored(ctx); {
	case err != nil:
		return err
	case there:
		return errors.New(p.Reason)
	}
	return s.sameDatabase(ctx, a, files)
}

// sameDatabase refuses to write where the database was restored and no sink has noticed yet. Files that name no Kafka say nothing of it.
func (s *session) sameDatabase(ctx context.Context, a *app, files []string) error {
	docs, problems := readDocuments(files)
	if err := problems.Err(); err != nil {
		return err
	}
	merged, names := config.Map{}, []string{}
	for _, doc := range docs {
		names = append(names, doc.Name)
		for key, value := range doc.Config {
			merged[key] = cmp.Or(merged[key], value)
		}
	}
	var k ageKeys
	if err := config.Decode(merged, a.resolver, &k).Errors().Err(); err != nil || len(k.Kafka.Servers) == 0 {
		return nil //nolint:nilerr // other commands check the files; the sinks watch the database
	}
	known, err := knownAge(ctx, a.kafka(&k.Kafka, s.keys.Name), k.Kafka.offsets(k.Topic), s.sync, names...)
	if err != nil {
		return unreachable("Kafka", err)
	}
	have, err := s.store.Age(ctx, s.sync)
	if err != nil {
		return err
	}
	if verdict, why := known.Recognise(have); verdict == ledger.AgeRestored {
		return fmt.Errorf("%s. Nothing was written: start the sinks, which pause everything, then look at tandem plan", why)
	}
	return nil
}
