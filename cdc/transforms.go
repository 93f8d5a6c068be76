package cdc

import (
	"context"
	"fmt"

	"github.com/tandem-sync/tandem/cdc/transform"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
)

func (c *Config) transforms() transform.Config {
	return transform.Config{Names: c.Transforms, Keys: c.TransformKeys}
}

// transform gives where a record goes, and whether it goes anywhere. tombstone: it is the one after the delete ev.
func (e *emitter) transform(ev *change.Event, tombstone bool) (topic string, keep bool, err error) {
	if ev.Op == change.Message {
		topic = change.TopicName(e.naming.prefix + "." + messageTopic)
	} else {
		topic = e.naming.base(tableName{ev.Source.Schema, ev.Source.Table})
	}
	return e.chain.Apply(topic, ev, e.headers, tombstone, func(err *transform.Error) error {
		if e.config.Tolerance != config.TolerateAll {
			return fmt.Errorf("%w, position %s; errors.tolerance=all writes such records as they are", err, ev.Position)
		}
		e.log.Warn("a transform failed; the record is written as it is", "transform", err.Name, "topic", err.Topic, "position", ev.Position.String(), "err", err.Err)
		return nil
	})
}

// emitRow writes an event as its row, and the tombstone after a delete where the mode keeps it. keep is false where a filter left the event out.
func (e *emitter) emitRow(ctx context.Context, ev *change.Event, to destination, r Record, keep bool, f *flight) (err error) {
	u := e.unwrap
	row, wanted := u.Row(ev)
	r.Headers = append(r.Headers[:len(r.Headers):len(r.Headers)], u.Headers(e.config.Format, ev)...)
	if e.converter != nil {
		r.Key, r.Value, err = e.converter.Row(ctx, to.name, to.topic, ev, row)
	} else if r.Key = e.plainKey(ev); row != nil {
		r.Value = e.config.Format.AppendRow(nil, row, ev.Op != change.Delete)
	}
	if err != nil {
		return err
	}
	if keep && wanted && (r.Value != nil || r.Key != nil) {
		if err := e.send(ctx, r, f, place{tableName{ev.Source.Schema, ev.Source.Table}, ev.Source.LSN}); err != nil {
			return err
		}
	}
	e.count(ev)
	if !u.KeepsTombstones() {
		return nil
	}
	return e.bury(ctx, ev, r, f)
}

// topicProblems finds tables whose names become one topic. Where a RegexRouter sends several to one that is said; ByLogicalTableRouter is for that.
func (f *facts) topicProblems(c Config, problems *config.Problems) {
	n := c.naming()
	bases, topics := map[string]string{}, map[string]string{}
	for _, t := range f.tables {
		base := n.base(t.tableName)
		topic, name, _ := n.table(t.tableName)
		switch other, taken := bases[base]; {
		case taken:
			problems.Errorf("table "+t.String(), "its topic %s is also that of %s: rename one of the tables", base, other)
		case topics[topic] != "" && name != topic:
			problems.Warnf("table "+t.String(), "transforms send its records to topic %s, as those of %s: rows with one key are one to consumers there; "+
				"%s keeps them apart", topic, topics[topic], transform.LogicalRouter)
		}
		bases[base], topics[topic] = t.String(), t.String()
	}
	for _, other := range []string{n.message(), n.transaction(), n.heartbeat()} {
		if t := topics[other]; t != "" {
			problems.Errorf("table "+t, "its topic %s is also that of messages, transactions or heartbeats", other)
		}
	}
}
