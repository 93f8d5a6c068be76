package kafka_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

// A transaction that Kafka did not take whole leaves nothing.
func TestATransactionWithARefusedRecordLeavesNothing(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic := kafkatest.Topic(t, bootstrap, 1)
		p := transactional(t, kafkatest.Config(t, bootstrap), kafkatest.Name(t))
		put(t, p, topic, "good", string(make([]byte, 2<<20))) // its sender looks away
		if err := p.Commit(kafkatest.Context(t)); !kafka.TooLarge(err) {
			t.Errorf("Commit = %v, want the refused record's error", err)
		}
		if err := p.Commit(kafkatest.Context(t)); !kafka.Retryable(err) {
			t.Errorf("a second Commit = %v: it must not make the rest of a void transaction readable", err)
		}
		fence(t, p)
		put(t, p, topic, "next")
		commit(t, p)
		if diff := cmp.Diff([]string{"next"}, values(readAll(t, bootstrap, topic, 1))); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
	})
}

// The predecessor may be a process that hung and woke up: what it has open is void the moment that another takes over, and it hears of it.
func TestWhoIsFencedCommitsNothingMore(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, id := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
		old := transactional(t, kafkatest.Config(t, bootstrap), id)
		put(t, old, topic, "first")
		commit(t, old)
		arrive(t, old, topic, "zombie")
		young := transactional(t, kafkatest.Config(t, bootstrap), id)
		put(t, young, topic, "second")
		commit(t, young)
		err := old.Commit(kafkatest.Context(t))
		if fenced := (*kafka.FencedError)(nil); !errors.As(err, &fenced) || kafka.Retryable(err) || kafka.Unknown(err) {
			t.Errorf("the old one's Commit = %v, want that it is fenced", err)
		}
		if diff := cmp.Diff([]string{"first", "second"}, values(readAll(t, bootstrap, topic, 2))); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
	})
}

// A transaction that the broker gave up for its age looks like one that was taken over. It is not: it can be done again.
func TestATransactionThatTimedOutCanBeDoneAgain(t *testing.T) {
	t.Parallel()
	_, bootstrap := kafkatest.OwnKfake(t)
	topic := kafkatest.Topic(t, bootstrap, 1)
	config := kafkatest.Config(t, bootstrap)
	config.ProducerOverrides = map[string]string{"transaction.timeout.ms": "1000"}
	p := transactional(t, config, kafkatest.Name(t))
	put(t, p, topic, "slow")
	for open := time.Now(); time.Since(open) < 2500*time.Millisecond; { // the broker's clock, not ours
		time.Sleep(100 * time.Millisecond)
	}
	err := p.Commit(kafkatest.Context(t))
	if !kafka.Retryable(err) && !kafka.Unknown(err) {
		t.Fatalf("Commit = %v, want something to be tried again", err)
	}
	fence(t, p)
	put(t, p, topic, "again")
	commit(t, p)
	if diff := cmp.Diff([]string{"again"}, values(readAll(t, bootstrap, topic, 1))); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// The commit happens and its answer is lost: after Fence the log says that it did.
func TestACommitOfUnknownOutcomeIsSettledByFence(t *testing.T) {
	t.Parallel()
	cluster, bootstrap := kafkatest.OwnKfake(t)
	topic := kafkatest.Topic(t, bootstrap, 1)
	p := transactional(t, kafkatest.Config(t, bootstrap), kafkatest.Name(t))
	put(t, p, topic, "maybe")
	ctx, giveUp := context.WithCancel(kafkatest.Context(t))
	cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		giveUp() // the request arrived; nobody waits for the answer
		return nil, nil, false
	})
	if err := p.Commit(ctx); !kafka.Unknown(err) {
		t.Fatalf("Commit = %v, want unknown", err)
	}
	fence(t, p)
	put(t, p, topic, "after")
	commit(t, p)
	if diff := cmp.Diff([]string{"maybe", "after"}, values(readAll(t, bootstrap, topic, 2))); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// Which right is missing, and where to give it, is said in the error.
func TestNoRightToTheTransactionalIDIsExplained(t *testing.T) {
	t.Parallel()
	cluster, bootstrap := kafkatest.OwnKfake(t)
	cluster.ControlKey(int16(kmsg.InitProducerID), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		answer := r.ResponseKind().(*kmsg.InitProducerIDResponse)
		answer.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		return answer, nil, true
	})
	p, err := kafka.OpenTransactional(kafkatest.Config(t, bootstrap), "tandem-crm-0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	err = p.Fence(kafkatest.Context(t))
	if err == nil || kafka.Retryable(err) {
		t.Fatalf("Fence = %v, want something that a person has to mend", err)
	}
	for _, want := range []string{"Write and Describe", "--transactional-id tandem-crm-0"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

// A committed position may lie behind a transaction that another connector has open. Reading past it would be a start from a stale one.
func TestOffsetsBehindAnothersOpenTransactionAreWaitedFor(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		name := kafkatest.Name(t)
		o := offsets(t, bootstrap, kafka.TopicSpec{Name: name, Partitions: 1})
		crm := map[string]any{"server": "crm"}
		save(t, o, kafka.SourceOffset{Connector: "crm", Partition: crm, Offset: map[string]any{"lsn": 1}})
		other := transactional(t, kafkatest.Config(t, bootstrap), kafkatest.Name(t))
		arrive(t, other, name, "of another connector")
		ours := transactional(t, kafkatest.Config(t, bootstrap), kafkatest.Name(t))
		r, err := o.Record(kafka.SourceOffset{Connector: "crm", Partition: crm, Offset: map[string]any{"lsn": 2}})
		if err != nil {
			t.Fatal(err)
		}
		commit(t, ours, r)
		loaded := make(chan []kafka.SourceOffset)
		go func() {
			entries, err := o.Load(kafkatest.Context(t), "crm")
			if err != nil {
				t.Error(err)
			}
			loaded <- entries
		}()
		select {
		case entries := <-loaded:
			t.Fatalf("loaded %v while a transaction was open before it", entries)
		case <-time.After(300 * time.Millisecond): // it is being waited for; a load that does not wait takes some milliseconds
		}
		commit(t, other)
		if entries := <-loaded; len(entries) != 1 || entries[0].Offset["lsn"] != json.Number("2") {
			t.Errorf("loaded %v, want lsn 2", entries)
		}
	})
}

// The end of a transaction takes an offset. A group that has read everything is at the end nevertheless: tools show no lag.
func TestAGroupThatHasReadAllTransactionsHasNoLag(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
		p := transactional(t, kafkatest.Config(t, bootstrap), kafkatest.Name(t))
		for _, v := range sequence(0, 5) {
			put(t, p, topic, v)
			commit(t, p)
		}
		arrive(t, p, topic, "void")
		if err := p.Abort(kafkatest.Context(t)); err != nil {
			t.Fatal(err)
		}
		var d diary
		c := consumer(t, kafkatest.Config(t, bootstrap), options(t, group, topic), &d)
		stepAll(t, c, 5)
		deadline := time.Now().Add(kafkatest.Patience)
		for at := int64(0); at != 12; at = committed(t, bootstrap, group, topic)[0] { // five records with a marker each, and a void one with its
			if time.Now().After(deadline) {
				t.Fatalf("committed offset %d of 12", at)
			}
			if _, err := c.RunOnce(kafkatest.Context(t)); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(sequence(0, 5), d.values()); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
	})
}

// The client aborts, and says that it committed, when it meets a topic for the first time and is quick: see settleTopics. It went wrong once in
// ten tries.
func TestTheFirstTransactionToATopicIsCommitted(t *testing.T) {
	t.Parallel()
	_, bootstrap := kafkatest.OwnKfake(t)
	topic, id := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
	want := sequence(0, 100)
	for _, v := range want {
		p := transactional(t, kafkatest.Config(t, bootstrap), id)
		put(t, p, topic, v)
		commit(t, p)
		p.Close()
	}
	commit(t, transactional(t, kafkatest.Config(t, bootstrap), id), kafka.Record{Topic: topic, Value: []byte("end")})
	if diff := cmp.Diff(append(want, "end"), values(readAll(t, bootstrap, topic, len(want)+1))); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// A Kafka user without the right to the transactional id learns which right that is, and a timeout that the broker does not allow is said with both names.
// The broker is real, with its authorizer: the rights of the id are somebody else's.
func TestWhatKafkaDoesNotAllowIsNamed(t *testing.T) {
	t.Parallel()
	broker := kafkatest.OwnApache(t, map[string]string{
		"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "allow.everyone.if.no.acl.found": "true", "transaction.max.timeout.ms": "120000",
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Bootstrap...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	acl := kadm.NewACLs().TransactionalIDs("tandem-crm-0").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpWrite, kadm.OpDescribe).Allow("User:somebody").AllowHosts("*")
	if results, err := kadm.NewClient(client).CreateACLs(kafkatest.Context(t), acl); err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
	config := kafkatest.Config(t, broker.Bootstrap)
	p, err := kafka.OpenTransactional(config, "tandem-crm-0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 100 { // the authorizer learns of it a moment later
		if err = p.Fence(kafkatest.Context(t)); err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err == nil || kafka.Retryable(err) || !strings.Contains(err.Error(), "--operation Write --operation Describe --transactional-id tandem-crm-0") {
		t.Errorf("Fence without the right: %v", err)
	}
	config.ProducerOverrides = map[string]string{"transaction.timeout.ms": "3600000"}
	late, err := kafka.OpenTransactional(config, "another")
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if err := late.Fence(kafkatest.Context(t)); err == nil || kafka.Retryable(err) || !strings.Contains(err.Error(), "3600000, more than the broker's transaction.max.timeout.ms") {
		t.Errorf("Fence with too long a timeout: %v", err)
	}
}
