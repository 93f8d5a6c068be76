package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// Handler makes the result of records durable. When it returns nil their offsets are committed; when it returns [Rejects],
// those records are set aside first; after any other error the same records (and perhaps more) come again. It may see a
// record more than once, and must bear it. ctx lives on for ConsumerConfig.Drain after the consumer was told to stop.
type Handler interface {
	Handle(ctx context.Context, batch []Record) error
}

// ConsumerConfig says what one consumer reads and how it treats trouble. Group, Topics or Pattern, and OnGap are required.
type ConsumerConfig struct {
	Name  string // the connector's, for logs and dead letters; empty: the group's
	Task  int    // the task's number within the connector
	Class string // the connector's class, for dead letters

	Group   string
	Topics  []string // sinks' "topics"
	Pattern string   // sinks' "topics.regex", instead of Topics

	BatchRecords int           // the most given to the handler at once; 0: max.poll.records
	PollWait     time.Duration // the longest that RunOnce waits for records; 0: one second
	Drain        time.Duration // how long a batch may still take after Stop; 0: ten seconds
	TopicGrace   time.Duration // how long topics may be missing before that is said; 0: ten seconds

	RetryMin time.Duration // the first pause after a failure; 0: 100 ms
	RetryMax time.Duration // the longest pause; 0: one minute. errors.retry.delay.max.ms
	RetryFor time.Duration // then the consumer ends; 0: never. errors.retry.timeout, whose -1 this is

	Errors ErrorPolicy

	// OnGap is called when records were lost before they were read, and returns when that is durably dealt with (a sweep
	// is planned). Nothing later of the partition is committed before. On an error it is called again.
	OnGap func(context.Context, Gap) error
}

// Validate reports everything that is wrong.
func (c ConsumerConfig) Validate() error {
	var problems []error
	if c.Group == "" {
		problems = append(problems, errors.New("group.id: must not be empty"))
	}
	if (len(c.Topics) == 0) == (c.Pattern == "") {
		problems = append(problems, errors.New("topics: give either topics or topics.regex"))
	}
	for _, topic := range c.Topics {
		if err := validTopicName(topic); err != nil {
			problems = append(problems, fmt.Errorf("topics: %q: %w", topic, err))
		}
	}
	pattern, err := regexp.Compile(c.Pattern)
	if err != nil {
		problems = append(problems, fmt.Errorf("topics.regex: %w", err))
	}
	if c.OnGap == nil {
		problems = append(problems, errors.New("OnGap: a lost offset must start a sweep"))
	}
	for name, n := range map[string]int64{
		"batch records": int64(c.BatchRecords), "poll wait": int64(c.PollWait), "drain": int64(c.Drain), "topic grace": int64(c.TopicGrace),
		"errors.retry.timeout": int64(c.RetryFor), "errors.retry.delay.max.ms": int64(c.RetryMax), "retry min": int64(c.RetryMin),
	} {
		if n < 0 {
			problems = append(problems, fmt.Errorf("%s: must not be negative", name))
		}
	}
	problems = append(problems, c.Errors.validate(func(topic string) bool {
		return slices.Contains(c.Topics, topic) || c.Pattern != "" && err == nil && pattern.MatchString(topic)
	}))
	return errors.Join(problems...)
}

// withDefaults fills the zero values in.
func (c ConsumerConfig) withDefaults(s settings) ConsumerConfig {
	or := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	or(&c.PollWait, time.Second)
	or(&c.Drain, 10*time.Second)
	or(&c.TopicGrace, 10*time.Second)
	or(&c.RetryMin, 100*time.Millisecond)
	or(&c.RetryMax, time.Minute)
	if c.BatchRecords == 0 {
		c.BatchRecords = s.pollRecords
	}
	if c.Name == "" {
		c.Name = c.Group
	}
	return c
}

// Consumer is one member of a consumer group: poll, handle, commit. The package comment has the steps.
//
// It is either a service (Start, Stop, Done, Err) or driven by [Consumer.RunOnce] and then closed by [Consumer.Close]; not both at a time.
type Consumer struct {
	lifecycle.Runner

	config  Config
	options ConsumerConfig
	handler Handler
	log     *slog.Logger

	// Owned by the goroutine that runs the steps.
	client  *kgo.Client  // nil when closed
	dead    *deadLetters // nil until the first one
	trouble trouble      // what the loop has said

	mu     sync.Mutex  // the group's goroutine finds gaps too
	gaps   []Gap       // found, and not yet reported
	member *kgo.Client // for findForgotten: client belongs to another goroutine
}

var _ lifecycle.Watched = (*Consumer)(nil)

// NewConsumer checks the configuration. Nothing runs before Start or RunOnce.
func NewConsumer(config Config, options ConsumerConfig, handler Handler) (*Consumer, error) {
	if err := errors.Join(config.Validate(), options.Validate()); err != nil {
		return nil, fmt.Errorf("consumer configuration: %w", err)
	}
	s, err := config.settings(consumerRole)
	if err != nil {
		return nil, err
	}
	options = options.withDefaults(s)
	log := config.logger().With("group", options.Group)
	return &Consumer{config: config, options: options, handler: handler, log: log}, nil
}

// Start runs the steps in the background until Stop, or until something only a person can mend (see Err). Kafka need not be there yet.
func (c *Consumer) Start(ctx context.Context) error { return c.RunReady(ctx, c.loop) }

// RunOnce does one step: it waits up to PollWait for records, has them handled and commits them. It returns how many
// were handled; none is no error. After an error the step can be repeated, unless errors.As finds a [StoppedError].
func (c *Consumer) RunOnce(ctx context.Context) (int, error) {
	if err := c.open(); err != nil {
		return 0, err
	}
	poll, cancel := context.WithTimeout(ctx, c.options.PollWait)
	fetches := c.client.PollRecords(poll, c.options.BatchRecords)
	cancel()
	client := c.client // a gap ends it
	defer client.AllowRebalance()

	work, cancelWork := outlive(ctx, c.options.Drain)
	defer cancelWork()
	batch, markers, err := c.sort(ctx, fetches)
	if gapErr := c.reportGaps(work, batch); gapErr != nil {
		return 0, gapErr
	}
	if c.client == nil { // rejoining after a gap
		return 0, err
	}
	if len(batch) == 0 {
		return 0, errors.Join(err, c.commitOffsets(work, markers))
	}
	if herr := c.handle(work, batch, markers); herr != nil {
		return 0, herr
	}
	return len(batch), err
}

// Close leaves the group and ends the clients. For those who drive RunOnce; RunOnce after it joins anew.
func (c *Consumer) Close() {
	c.leave()
	if c.dead != nil {
		c.dead.close()
		c.dead = nil
	}
}

// leave gives the partitions back at once, so that others need not wait for the session's end.
func (c *Consumer) leave() {
	if c.client == nil {
		return
	}
	c.client.AllowRebalance()
	ctx, cancel := context.WithTimeout(context.Background(), leaveMax)
	defer cancel()
	if err := c.client.LeaveGroupContext(ctx); err != nil {
		c.log.Debug("could not leave the group in order; its partitions move after the session timeout", "err", err)
	}
	c.client.Close()
	c.client = nil
}

// leaveMax bounds leaving while Kafka is away.
const leaveMax = 5 * time.Second

// open joins the group, if we have not.
func (c *Consumer) open() error {
	if c.client != nil {
		return nil
	}
	client, _, err := c.config.client(consumerRole, func(s settings) []kgo.Opt {
		opts := append(groupOptions(c.options.Group, s),
			kgo.OnPartitionsAssigned(c.assigned), kgo.OnPartitionsRevoked(c.revoked), kgo.OnPartitionsLost(c.lost),
			kgo.AdjustFetchOffsetsFn(c.findForgotten))
		if c.options.Pattern != "" {
			return append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(c.options.Pattern))
		}
		return append(opts, kgo.ConsumeTopics(c.options.Topics...))
	})
	if err != nil {
		return &StoppedError{Err: err}
	}
	c.client = client
	return nil
}

// outlive is a context that ends a while after ctx does: intake stops at once, work may finish.
func outlive(ctx context.Context, drain time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(drain)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(context.Cause(ctx))
		case <-work.Done():
		}
	})
	return work, func() {
		release()
		cancel(context.Canceled)
	}
}

// sort takes a poll apart: records, the offsets behind transactions' ends, gaps (which it notes), and the first other error.
func (c *Consumer) sort(ctx context.Context, fetches kgo.Fetches) (batch []Record, markers map[string]map[int32]kgo.EpochOffset, err error) {
	markers = map[string]map[int32]kgo.EpochOffset{}
	fetches.EachRecord(func(r *kgo.Record) {
		if r.Attrs.IsControl() {
			put(markers, fromWire(r), r.Offset+1)
			return
		}
		batch = append(batch, fromWire(r))
	})
	fetches.EachError(func(topic string, partition int32, e error) {
		var lost *kgo.ErrDataLoss
		switch {
		case errors.Is(e, context.DeadlineExceeded) && ctx.Err() == nil: // PollWait is over
		case errors.As(e, &lost):
			c.noteGap(Gap{Topic: topic, Partition: partition, Wanted: lost.ConsumedTo, Resumed: lost.ResetTo, Reason: GapTruncated})
		case errors.Is(e, kerr.OffsetOutOfRange):
			c.noteGap(Gap{Topic: topic, Partition: partition, Wanted: c.position(topic, partition), Resumed: -1, Reason: GapOutOfRange})
		case errors.Is(e, kerr.UnknownTopicID):
			c.noteGap(Gap{Topic: topic, Partition: partition, Wanted: c.position(topic, partition), Reason: GapRecreated})
		case err == nil && topic == "":
			err = wrap("poll", "", e)
		case err == nil:
			err = wrap(fmt.Sprintf("read %s/%d", topic, partition), "", e)
		}
	})
	if ctx.Err() != nil && len(batch) == 0 {
		return nil, markers, ctx.Err()
	}
	return batch, markers, err
}

// handle has a batch made durable and commits it, with the transactions' ends that came with it; on failure the same records will be polled again.
func (c *Consumer) handle(ctx context.Context, batch []Record, markers map[string]map[int32]kgo.EpochOffset) error {
	began := time.Now()
	err := c.handler.Handle(ctx, batch)
	var rejects Rejects
	if errors.As(err, &rejects) {
		err = nil
	}
	c.config.observe(handled(c.options.Group, batch, time.Since(began), err))
	if err != nil {
		c.rewind(batch)
		return &HandlerError{Records: len(batch), First: batch[0].At(), Err: err}
	}
	if err := c.setAside(ctx, batch, rejects); err != nil {
		return err
	}
	return c.commitOffsets(ctx, later(ends(batch), markers))
}

// later gives for each partition the greater offset of both.
func later(a, b map[string]map[int32]kgo.EpochOffset) map[string]map[int32]kgo.EpochOffset {
	for topic, partitions := range b {
		for partition, at := range partitions {
			if a[topic] == nil {
				a[topic] = map[int32]kgo.EpochOffset{}
			}
			if at.Offset > a[topic][partition].Offset {
				a[topic][partition] = at
			}
		}
	}
	return a
}

func handled(group string, batch []Record, took time.Duration, err error) BatchHandled {
	e := BatchHandled{Group: group, Records: len(batch), Took: took, Err: err}
	for _, r := range batch {
		e.Bytes += r.size()
		if e.Oldest.IsZero() || r.Time.Before(e.Oldest) {
			e.Oldest = r.Time
		}
	}
	return e
}

// ends are the offsets after each partition's last record of the batch; starts, those of its first.
func ends(batch []Record) map[string]map[int32]kgo.EpochOffset {
	out := map[string]map[int32]kgo.EpochOffset{}
	for _, r := range batch {
		put(out, r, r.Offset+1)
	}
	return out
}

func starts(batch []Record) map[string]map[int32]kgo.EpochOffset {
	out := map[string]map[int32]kgo.EpochOffset{}
	for _, r := range slices.Backward(batch) {
		put(out, r, r.Offset)
	}
	return out
}

func put(offsets map[string]map[int32]kgo.EpochOffset, r Record, at int64) {
	if offsets[r.Topic] == nil {
		offsets[r.Topic] = map[int32]kgo.EpochOffset{}
	}
	offsets[r.Topic][r.Partition] = kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: at}
}

// rewind makes the batch come again. Rebalances are still blocked here, so its partitions are ours.
func (c *Consumer) rewind(batch []Record) { c.client.SetOffsets(starts(batch)) }

// commitOffsets waits for the coordinator's answer. A member that was thrown out meanwhile has done its work all
// the same: another will get the records again, and handlers bear that.
func (c *Consumer) commitOffsets(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset) error {
	if len(offsets) == 0 {
		return nil
	}
	var failure error
	c.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		failure = err
		if err != nil {
			return
		}
		for _, t := range answer.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil && failure == nil {
					failure = fmt.Errorf("%s/%d: %w", t.Topic, p.Partition, err)
				}
			}
		}
	})
	switch {
	case errors.Is(failure, kerr.IllegalGeneration), errors.Is(failure, kerr.UnknownMemberID), errors.Is(failure, kerr.RebalanceInProgress):
		c.log.Info("handled records whose partitions moved meanwhile: they are delivered again", "err", failure)
		return nil
	default:
		return wrap("commit offsets", "", failure)
	}
}

// position is where this member stands in a partition: -1 when it does not know.
func (c *Consumer) position(topic string, partition int32) int64 {
	if at, ok := c.client.CommittedOffsets()[topic][partition]; ok {
		return at.Offset
	}
	return -1
}

func (c *Consumer) assigned(_ context.Context, client *kgo.Client, parts map[string][]int32) {
	c.mu.Lock()
	c.member = client
	c.mu.Unlock()
	c.rebalanced("partitions assigned", Rebalanced{Assigned: count(parts)}, parts)
}

func (c *Consumer) revoked(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	c.rebalanced("partitions revoked", Rebalanced{Revoked: count(parts)}, parts)
}

// lost: the group went on without us. What we handled and did not commit, another gets.
func (c *Consumer) lost(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	c.rebalanced("partitions lost", Rebalanced{Revoked: count(parts), Lost: true}, parts)
}

func (c *Consumer) rebalanced(what string, e Rebalanced, parts map[string][]int32) {
	if e.Assigned+e.Revoked == 0 {
		return
	}
	e.Group = c.options.Group
	c.log.Info(what, "partitions", parts)
	c.config.observe(e)
}

func count(parts map[string][]int32) (n int) {
	for _, p := range parts {
		n += len(p)
	}
	return n
}
