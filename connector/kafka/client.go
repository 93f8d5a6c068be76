package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// This file is the one place where clients are built: one client per role, every option that matters said, also where it
// equals the library's default. Each role's numbers are in settings.go.

const (
	dialTimeout = 10 * time.Second

	// requestRetryMax is how long an administrative request (a commit, a topic's creation) is tried before its caller
	// hears of it. Fetches and produce requests are tried for ever.
	requestRetryMax = 30 * time.Second
	requestRetries  = 30

	// unknownTopicRetries: a topic that was created a moment ago may be unknown to some broker; one that is still
	// unknown after this many looks does not exist.
	unknownTopicRetries = 10

	// concurrentBackoff is how long a transaction waits before it asks again whether the one before is over: its markers take a
	// broker a millisecond or two. kgo's 20 ms would be most of a small transaction's time.
	concurrentBackoff = 2 * time.Millisecond
)

// common are the options of every client.
func (c Config) common(s settings) ([]kgo.Opt, error) {
	log := c.logger()
	watch := &reach{log: log, observe: c.observe}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.BootstrapServers...),
		kgo.ClientID(s.clientID),
		kgo.SoftwareNameAndVersion("tandem", "1"), // KIP-511: brokers count their clients by it
		kgo.WithLogger(quiet(log)),
		kgo.WithHooks(append([]kgo.Hook{watch}, c.Hooks...)...),
		kgo.DialTimeout(dialTimeout),
		kgo.RequestTimeoutOverhead(s.requestTimeout),
		kgo.RequestRetries(requestRetries),
		kgo.RetryTimeoutFn(func(key int16) time.Duration {
			switch kmsg.Key(key) {
			case kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat: // the broker may hold them as long as a session
				return s.session
			default:
				return requestRetryMax
			}
		}),
		kgo.MetadataMaxAge(s.metadataMaxAge),
		kgo.MetadataMinAge(c.metadataMinAge()),
		kgo.MaxDecompressBatchBytes(decompressedMax),
		kgo.AlwaysRetryEOF(),       // a broker that restarts closes connections it has just taken
		kgo.DisableClientMetrics(), // KIP-714 would push our metrics to whoever runs the broker
	}
	if s.rack != "" {
		opts = append(opts, kgo.Rack(s.rack))
	}
	transport, err := c.TLS.load()
	if err != nil {
		return nil, err
	}
	if transport != nil {
		opts = append(opts, kgo.DialTLSConfig(transport))
	}
	if c.SASL != nil {
		opts = append(opts, kgo.SASL(c.SASL.mechanism()))
	}
	return opts, nil
}

// client builds a client of a role from the configuration and the role's own options.
func (c Config) client(r role, options func(settings) []kgo.Opt) (*kgo.Client, settings, error) {
	if err := c.Validate(); err != nil {
		return nil, settings{}, fmt.Errorf("kafka configuration: %w", err)
	}
	s, err := c.settings(r)
	if err != nil {
		return nil, s, err
	}
	opts, err := c.common(s)
	if err != nil {
		return nil, s, err
	}
	client, err := kgo.NewClient(append(opts, options(s)...)...)
	if err != nil {
		return nil, s, fmt.Errorf("build kafka %s: %w", r, err)
	}
	return client, s, nil
}

// producerOptions are what a producer adds. A transactional id makes it one whose predecessor is fenced.
func producerOptions(transactionalID string, topics *topicStates) func(settings) []kgo.Opt {
	return func(s settings) []kgo.Opt {
		opts := []kgo.Opt{
			// With idempotence, which is on unless it is switched off (and then kgo keeps the five requests in flight that the
			// broker can put in order, KIP-679): no loss, no duplicate and no reordering by retries.
			kgo.RequiredAcks(kgo.AllISRAcks()),
			kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // murmur2 of the key, as every Java producer: one key, one partition
			kgo.ProducerBatchCompression(s.compression, kgo.NoCompression()),
			kgo.ProducerBatchMaxBytesFn(func(topic string) int32 { return topics.batchMax(topic, s.recordBytesMax) }),
			kgo.ProducerLinger(s.linger),
			kgo.MaxBufferedBytes(int(s.bufferBytes) + int(s.recordBytesMax)), // behind our own budget, which a context can leave
			kgo.MaxBufferedRecords(bufferRecordsMax),
			kgo.ProduceRequestTimeout(s.requestTimeout),
			kgo.UnknownTopicRetries(unknownTopicRetries),
		}
		if s.compression == kgo.SnappyCompression() {
			opts = append(opts, kgo.WithCompressor(&snappy{}))
		}
		if s.deliveryTimeout > 0 {
			opts = append(opts, kgo.RecordDeliveryTimeout(s.deliveryTimeout))
		}
		if transactionalID != "" {
			opts = append(opts, kgo.TransactionalID(transactionalID), kgo.TransactionTimeout(s.transactionTimeout),
				kgo.ConcurrentTransactionsBackoff(concurrentBackoff))
		}
		return opts
	}
}

// groupOptions are what a member of a consumer group adds.
func groupOptions(group string, s settings) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.ConsumerGroup(group),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), // only what moves is interrupted
		kgo.BlockRebalanceOnPoll(),                     // what is being handled stays ours until it is committed
		kgo.DisableAutoCommit(),                        // invariant 1: a commit follows a durable reason
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),                              // a transaction's end takes an offset too: without it a group would never be at the end
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),     // a new group reads everything
		kgo.ConsumeResetOffset(kgo.NoResetOffset().AtStart()), // a lost offset is an error that we hear of, never a jump
		kgo.SessionTimeout(s.session),
		kgo.HeartbeatInterval(s.heartbeat),
		kgo.RebalanceTimeout(s.rebalance),
		kgo.FetchMaxBytes(s.fetchBytes),
		kgo.FetchMaxPartitionBytes(s.partitionBytes),
		kgo.FetchMinBytes(s.fetchMinBytes),
		kgo.FetchMaxWait(s.fetchWait),
	}
	if s.instanceID != "" {
		opts = append(opts, kgo.InstanceID(s.instanceID))
	}
	return opts
}

// noOptions is an administrative client: requests only.
func noOptions(settings) []kgo.Opt { return nil }

func (c Config) metadataMinAge() time.Duration {
	if c.MetadataMinAge == 0 {
		return time.Second
	}
	return c.MetadataMinAge
}

// mechanism is where the password leaves its type.
func (s *SASL) mechanism() sasl.Mechanism {
	proof := func(context.Context) (scram.Auth, error) {
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}, nil
	}
	switch s.Mechanism {
	case MechanismScramSHA256:
		return scram.Sha256(proof)
	case MechanismScramSHA512:
		return scram.Sha512(proof)
	default: // Validate lets nothing else through
		return plain.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsMechanism()
	}
}
