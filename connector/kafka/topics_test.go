package kafka_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

func TestTopicsAreMadeOnceAndDifferencesAreSaid(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		admin, err := kafka.OpenAdmin(kafkatest.Config(t, bootstrap))
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		changes := kafka.TopicSpec{Name: kafkatest.Name(t), Partitions: 3, ReplicationFactor: 1, Cleanup: kafka.CleanupDelete,
			MinInSync: 1, Retention: 7 * 24 * time.Hour}
		state := kafka.TopicSpec{Name: kafkatest.Name(t), Partitions: 1, Cleanup: kafka.CleanupCompact}
		for _, time := range []string{"first", "second"} {
			mismatches, err := admin.EnsureTopics(kafkatest.Context(t), changes, state)
			if err != nil || len(mismatches) != 0 {
				t.Fatalf("the %s time: %v, %v", time, mismatches, err)
			}
		}
		changes.Partitions, changes.Cleanup, changes.Retention = 6, kafka.CleanupCompact, 0
		mismatches, err := admin.EnsureTopics(kafkatest.Context(t), changes)
		if err != nil {
			t.Fatal(err)
		}
		want := []kafka.Mismatch{
			{Topic: changes.Name, Setting: "partitions", Want: "6", Got: "3"},
			{Topic: changes.Name, Setting: "cleanup.policy", Want: "compact", Got: "delete"},
		}
		if diff := cmp.Diff(want, mismatches); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
	})
}

func TestTwoProcessesMakeTheSameTopicAtOnce(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		spec := kafka.TopicSpec{Name: kafkatest.Name(t), Partitions: 2, Cleanup: kafka.CleanupDelete}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				admin, err := kafka.OpenAdmin(kafkatest.Config(t, bootstrap))
				if err != nil {
					t.Error(err)
					return
				}
				defer admin.Close()
				if mismatches, err := admin.EnsureTopics(kafkatest.Context(t), spec); err != nil || len(mismatches) != 0 {
					t.Errorf("%v, %v", mismatches, err)
				}
			})
		}
		all.Wait()
	})
}

func TestAReplicationFactorThatTheClusterLacksIsSaid(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		admin, err := kafka.OpenAdmin(kafkatest.Config(t, bootstrap))
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		_, err = admin.EnsureTopics(kafkatest.Context(t), kafka.TopicSpec{Name: kafkatest.Name(t), Partitions: 1, ReplicationFactor: 3})
		if err == nil || !strings.Contains(err.Error(), "fewer brokers") || kafka.Retryable(err) {
			t.Errorf("EnsureTopics = %v", err)
		}
	})
}

func TestTopicSpecSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		spec kafka.TopicSpec
		want []string
	}{
		{"good", kafka.TopicSpec{Name: "crm.public.contact_1-x", Partitions: 3, ReplicationFactor: 3, MinInSync: 2, Retention: time.Hour}, nil},
		{"name", kafka.TopicSpec{Name: "crm/public"}, []string{"letters, digits"}},
		{"dots", kafka.TopicSpec{Name: ".."}, []string{"not . or .."}},
		{"long", kafka.TopicSpec{Name: strings.Repeat("x", 250)}, []string{"249"}},
		{"everything", kafka.TopicSpec{Partitions: -1, ReplicationFactor: 1, MinInSync: 2, Cleanup: kafka.CleanupCompact, Retention: 1},
			[]string{"1 to 249", "-1 is negative", "no record would ever", "only for cleanup.policy=delete"}},
		{"state", kafka.TopicSpec{Name: "s", Partitions: 26, Cleanup: kafka.CleanupCompact}, []string{"1 to 25"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			says(t, c.spec.Validate(), c.want)
		})
	}
}

// says fails unless err has exactly these complaints.
func says(t *testing.T, err error, want []string) {
	t.Helper()
	if err == nil {
		if len(want) > 0 {
			t.Errorf("accepted; want complaints %q", want)
		}
		return
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no complaint about %q in:\n%v", part, err)
		}
	}
	if n := len(leaves(err)); n != len(want) {
		t.Errorf("%d complaints, want %d:\n%v", n, len(want), err)
	}
}

// leaves are the problems of joined problems.
func leaves(err error) (out []error) {
	var joined interface{ Unwrap() []error }
	if _, one := err.(interface{ Unwrap() error }); one {
		if inner := errors.Unwrap(err); inner != nil {
			if _, many := inner.(interface{ Unwrap() []error }); many {
				return leaves(inner)
			}
		}
		return []error{err}
	}
	if errors.As(err, &joined) {
		for _, e := range joined.Unwrap() {
			out = append(out, leaves(e)...)
		}
		return out
	}
	return []error{err}
}
