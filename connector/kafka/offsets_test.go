package kafka_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

func offsets(t *testing.T, bootstrap []string, spec kafka.TopicSpec) *kafka.Offsets {
	t.Helper()
	o, err := kafka.OpenOffsets(kafkatest.Config(t, bootstrap), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	if err := o.Ensure(kafkatest.Context(t)); err != nil {
		t.Fatal(err)
	}
	return o
}

func load(t *testing.T, o *kafka.Offsets, connector string) []kafka.SourceOffset {
	t.Helper()
	got, err := o.Load(kafkatest.Context(t), connector)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func save(t *testing.T, o *kafka.Offsets, entry kafka.SourceOffset) {
	t.Helper()
	if err := o.Save(kafkatest.Context(t), entry); err != nil {
		t.Fatal(err)
	}
}

func TestOffsetsKeepTheLastPositionOfEachPartition(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		o := offsets(t, bootstrap, kafka.TopicSpec{Name: kafkatest.Name(t), Partitions: 3})
		if got := load(t, o, "crm"); len(got) != 0 {
			t.Fatalf("a new topic holds %v", got)
		}
		crm := map[string]any{"server": "crm"}
		const lsn = "18446744073709551615" // beyond int64 and far beyond a double
		for _, at := range []string{"1", "2", lsn} {
			save(t, o, kafka.SourceOffset{Connector: "crm", Partition: crm, Offset: map[string]any{"lsn": json.Number(at), "snapshot": false}})
		}
		save(t, o, kafka.SourceOffset{Connector: "crm", Partition: map[string]any{"server": "a<b&c"}, Offset: map[string]any{}})
		save(t, o, kafka.SourceOffset{Connector: "other", Partition: crm, Offset: map[string]any{"lsn": 7}})

		want := []kafka.SourceOffset{
			{Connector: "crm", Partition: crm, Offset: map[string]any{"lsn": json.Number(lsn), "snapshot": false}},
			{Connector: "crm", Partition: map[string]any{"server": "a<b&c"}, Offset: map[string]any{}},
		}
		byServer := func(entries []kafka.SourceOffset) map[any]kafka.SourceOffset {
			out := map[any]kafka.SourceOffset{}
			for _, e := range entries {
				out[e.Partition["server"]] = e
			}
			return out
		}
		if diff := cmp.Diff(byServer(want), byServer(load(t, o, "crm"))); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
		if err := o.Reset(kafkatest.Context(t), "crm", crm); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(byServer(want[1:]), byServer(load(t, o, "crm"))); diff != "" {
			t.Errorf("after the tombstone: want (-), got (+):\n%s", diff)
		}
	})
}

// Connect's bytes: a worker's own tools read ours, and we read a worker's.
func TestOffsetsHaveConnectsShape(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		name := kafkatest.Name(t)
		o := offsets(t, bootstrap, kafka.TopicSpec{Name: name, Partitions: 1})
		save(t, o, kafka.SourceOffset{Connector: "crm", Partition: map[string]any{"server": "s", "db": "<d>"}, Offset: map[string]any{"lsn": 5}})
		got := readAll(t, bootstrap, name, 1)[0]
		if string(got.Key) != `["crm",{"db":"<d>","server":"s"}]` || string(got.Value) != `{"lsn":5}` {
			t.Errorf("key %s value %s", got.Key, got.Value)
		}
		// The same key as a Java map may print it; it is the same entry.
		send(t, producer(t, kafkatest.Config(t, bootstrap)), name, `["crm", {"server":"s","db":"<d>"}]`, `{"lsn":6}`)
		entries := load(t, o, "crm")
		if len(entries) != 1 || entries[0].Offset["lsn"] != json.Number("6") {
			t.Errorf("entries = %v, want one with lsn 6", entries)
		}
	})
}

// A position that cannot be read is not "no position": that would silently start a new snapshot.
func TestABrokenPositionIsAnErrorUntilItIsReset(t *testing.T) {
	t.Parallel()
	_, bootstrap := kafkatest.OwnKfake(t)
	name := kafkatest.Name(t)
	o := offsets(t, bootstrap, kafka.TopicSpec{Name: name, Partitions: 1})
	p := producer(t, kafkatest.Config(t, bootstrap))
	const key = `["crm",{"server":"s"}]`
	send(t, p, name, key, `{"lsn":`)
	if _, err := o.Load(kafkatest.Context(t), "crm"); err == nil || !strings.Contains(err.Error(), name+"/0@0") {
		t.Errorf("Load = %v, want an error that names the record", err)
	}
	if got := load(t, o, "another"); len(got) != 0 {
		t.Errorf("another connector's entries: %v", got)
	}
	if err := o.Reset(kafkatest.Context(t), "crm", map[string]any{"server": "s"}); err != nil {
		t.Fatal(err)
	}
	if got := load(t, o, "crm"); len(got) != 0 {
		t.Errorf("after the reset: %v", got)
	}
}

// The last offsets of a compacted partition may hold nothing at all: aborted transactions, markers, cleaned tombstones.
func TestOffsetsLoadEndsWhereNothingIsLeft(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		name := kafkatest.Name(t)
		o := offsets(t, bootstrap, kafka.TopicSpec{Name: name, Partitions: 1})
		crm := map[string]any{"server": "crm"}
		save(t, o, kafka.SourceOffset{Connector: "crm", Partition: crm, Offset: map[string]any{"lsn": 1}})
		tx := transactional(t, kafkatest.Config(t, bootstrap), kafkatest.Name(t))
		for i, end := range []func() error{
			func() error { return tx.Commit(kafkatest.Context(t)) }, func() error { return tx.Abort(kafkatest.Context(t)) },
		} {
			r, err := o.Record(kafka.SourceOffset{Connector: "crm", Partition: crm, Offset: map[string]any{"lsn": 2 + i}})
			if err != nil {
				t.Fatal(err)
			}
			tx.Send(kafkatest.Context(t), r, func(error) {})
			if err := end(); err != nil {
				t.Fatal(err)
			}
		}
		entries := load(t, o, "crm")
		if len(entries) != 1 || entries[0].Offset["lsn"] != json.Number("2") {
			t.Errorf("entries = %v, want lsn 2: the aborted 3 does not count", entries)
		}
	})
}

func TestOffsetsSurviveCompaction(t *testing.T) {
	t.Parallel()
	cluster, bootstrap := kafkatest.OwnKfake(t, kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": "3600000"}))
	name := kafkatest.Name(t)
	o := offsets(t, bootstrap, kafka.TopicSpec{Name: name, Partitions: 1, Configs: map[string]string{
		"delete.retention.ms": "0", "min.cleanable.dirty.ratio": "0"}})
	crm, notion := map[string]any{"server": "crm"}, map[string]any{"server": "notion"}
	for lsn := range 50 {
		save(t, o, kafka.SourceOffset{Connector: "c", Partition: crm, Offset: map[string]any{"lsn": lsn}})
		save(t, o, kafka.SourceOffset{Connector: "c", Partition: notion, Offset: map[string]any{"at": lsn}})
	}
	if err := o.Reset(kafkatest.Context(t), "c", notion); err != nil { // the last record is a tombstone, which compaction removes
		t.Fatal(err)
	}
	cluster.Compact()
	entries := load(t, o, "c")
	if len(entries) != 1 || entries[0].Partition["server"] != "crm" || entries[0].Offset["lsn"] != json.Number("49") {
		t.Errorf("entries = %v, want crm at 49", entries)
	}
}

// Apache Kafka's cleaner works by segments: small ones, and then time.
func TestOffsetsSurviveApacheCompaction(t *testing.T) {
	t.Parallel()
	bootstrap := kafkatest.SharedApache(t)
	name := kafkatest.Name(t)
	o := offsets(t, bootstrap, kafka.TopicSpec{Name: name, Partitions: 1, Configs: map[string]string{
		"delete.retention.ms": "0", "min.cleanable.dirty.ratio": "0.01", "segment.ms": "100", "min.compaction.lag.ms": "0"}})
	crm, notion := map[string]any{"server": "crm"}, map[string]any{"server": "notion"}
	for lsn := range 20 {
		save(t, o, kafka.SourceOffset{Connector: "c", Partition: crm, Offset: map[string]any{"lsn": lsn}})
		save(t, o, kafka.SourceOffset{Connector: "c", Partition: notion, Offset: map[string]any{"at": lsn}})
	}
	if err := o.Reset(kafkatest.Context(t), "c", notion); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(250 * time.Millisecond) { // the server's own pace forces polling
		save(t, o, kafka.SourceOffset{Connector: "c", Partition: map[string]any{"tick": "tock"}, Offset: nil}) // rolls segments
		entries := load(t, o, "c")
		if len(entries) != 1 || entries[0].Offset["lsn"] != json.Number("19") {
			t.Fatalf("entries = %v, want crm at 19", entries)
		}
		left := 0
		for _, r := range readRaw(t, bootstrap, name) {
			if strings.Contains(string(r.Key), `"server"`) {
				left++
			}
		}
		if left <= 2 { // crm's last, and perhaps the tombstone
			return
		}
		if time.Now().After(deadline) {
			t.Logf("the cleaner left %d records in 20 s; the load was right at every stage", left)
			return
		}
	}
}

func TestAnOffsetsTopicThatExpiresIsRefused(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		name := kafkatest.Topic(t, bootstrap, 1) // cleanup.policy=delete
		o, err := kafka.OpenOffsets(kafkatest.Config(t, bootstrap), kafka.TopicSpec{Name: name, Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		var stopped *kafka.StoppedError
		if err := o.Ensure(kafkatest.Context(t)); !errors.As(err, &stopped) || !strings.Contains(err.Error(), "cleanup.policy=compact") {
			t.Errorf("Ensure = %v, want a refusal that says what to do", err)
		}
	})
	if _, err := kafka.OpenOffsets(kafka.Config{BootstrapServers: []string{"127.0.0.1:1"}}, kafka.TopicSpec{Name: "o", Partitions: 26}); err == nil {
		t.Error("26 partitions were accepted")
	}
}
