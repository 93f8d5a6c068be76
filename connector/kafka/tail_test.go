package kafka_test

import (
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

// Who has no position begins at the end; who has one misses nothing that came meanwhile.
func TestTailGoesOnBehindItsPosition(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		ctx, topic := kafkatest.Context(t), kafkatest.Name(t)
		admin, err := kafka.OpenAdmin(kafkatest.Config(t, bootstrap))
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		if _, err := admin.EnsureTopics(ctx, kafka.TopicSpec{Name: topic, Partitions: 1}); err != nil {
			t.Fatal(err)
		}
		producer, err := kafka.OpenProducer(kafkatest.Config(t, bootstrap))
		if err != nil {
			t.Fatal(err)
		}
		defer producer.Close()
		write := func(value string) {
			if err := producer.SendBatch(ctx, []kafka.Record{{Topic: topic, Value: []byte(value)}}); err != nil {
				t.Fatal(err)
			}
		}
		write("before")
		tail := kafka.NewTail(kafkatest.Config(t, bootstrap), topic, 0)
		defer tail.Close()
		at, err := tail.Begin(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		write("one")
		read := func(want string) {
			t.Helper()
			r, next, err := tail.Next(ctx)
			if err != nil || string(r.Value) != want {
				t.Fatalf("got %q, %v, want %q", r.Value, err, want)
			}
			at = next
		}
		read("one")
		tail.Close()
		write("two")
		write("three")
		if again, err := tail.Begin(ctx, at); err != nil || again != at {
			t.Fatalf("begin at %q: %q, %v", at, again, err)
		}
		read("two")
		read("three")
		if _, err := tail.Begin(ctx, "nonsense"); err == nil {
			t.Error("a position that is none was taken")
		}
		late := kafka.NewTail(kafkatest.Config(t, bootstrap), topic, time.Hour)
		defer late.Close()
		if _, err := late.Begin(ctx, ""); err != nil {
			t.Fatal(err)
		}
		if r, _, err := late.Next(ctx); err != nil || string(r.Value) != "before" {
			t.Errorf("the last hour begins with %q, %v", r.Value, err)
		}
	})
}
