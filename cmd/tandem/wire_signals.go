package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/cdc"
	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/telemetry"
)

// listen has a source take signals from Kafka. Without the topic it runs all the same: reading it is tried until it works.
func (a *app) listen(ctx context.Context, s *cdc.Source, k *cdcKeys, kc kafka.Config, p *parts) {
	if !k.Signals(cdc.ChannelKafka) {
		return
	}
	topic := k.signalTopic()
	if err := a.ensureTopics(ctx, kc, topic); err != nil {
		a.log.Warn("the topic of signals cannot be made; tandem snapshot does not work before it is there (signal.enabled.channels says who needs none)", "topic", topic.Name, "err", err)
	}
	tail := kafka.NewTail(kc, topic.Name, signalsPast)
	p.onClose(tail.Close)
	s.Listen(cdc.ChannelKafka, signalTail{tail})
}

// signalsPast is how old signals may be that a connector obeys that has read none before: somebody may have sent them while it started.
const signalsPast = 10 * time.Minute

// signalTopic keeps the order of signals: it has one partition.
func (k *cdcKeys) signalTopic() kafka.TopicSpec {
	spec := k.Kafka.changeTopics(k.SignalsFrom())[0]
	spec.Partitions = 1
	return spec
}

// signalTail is a topic as cdc sees signals.
type signalTail struct{ *kafka.Tail }

var _ cdc.Signals = signalTail{}

// Next implements cdc.Signals.
func (t signalTail) Next(ctx context.Context) (cdc.SignalRecord, error) {
	r, position, err := t.Tail.Next(ctx)
	return cdc.SignalRecord{Key: r.Key, Value: r.Value, Position: position}, err
}

// describeTables says how far tables are read, for those who ask the process.
func describeTables(s *cdc.Source) (details []connector.Detail) {
	for _, t := range append(s.Progress(), s.Incremental().Tables...) {
		if t.State == cdc.TableReads {
			details = append(details, connector.Detail{Name: "reading " + t.Table, Value: readingText(t)})
		}
	}
	if s.Incremental().Paused {
		details = append(details, connector.Detail{Name: "incremental snapshots", Value: "paused"})
	}
	return details
}

func readingText(t cdc.TableProgress) string {
	return fmt.Sprintf("%d rows, %.0f %%, %.0f rows a second, %s left", t.Rows, t.Share*100, t.Rate, t.Left.Round(time.Second))
}

// readings are what the metrics say of tables that are read.
func readings(name string, s *cdc.Source) (tables []telemetry.Reading) {
	told := map[string]bool{}
	for _, t := range append(s.Incremental().Tables, s.Progress()...) { // of a table that is read a second time the newer counts
		if !told[t.Table] {
			told[t.Table] = true
			tables = append(tables, telemetry.Reading{Connector: name, Table: t.Table, Rows: t.Rows, Share: t.Share, Left: t.Left})
		}
	}
	return tables
}
