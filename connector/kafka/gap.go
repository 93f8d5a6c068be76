package kafka

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Gap is a stretch of a partition that was lost before this group read it, or whose reading cannot be proven.
type Gap struct {
	Topic     string
	Partition int32
	Wanted    int64 // the offset that was to be read next; -1: not known
	Resumed   int64 // where reading goes on
	Reason    GapReason
}

// GapReason is how a gap came about.
type GapReason string

// The reasons.
const (
	GapOutOfRange GapReason = "offset out of range"                                    // expired by retention, or the topic was made anew
	GapTruncated  GapReason = "the log was cut back"                                   // an unclean leader election: what was read may have been replaced
	GapRecreated  GapReason = "the topic was deleted, and perhaps made anew"           // what was not read of the old one is gone
	GapForgotten  GapReason = "no committed offset, and the topic's beginning is gone" // a late first start, or Kafka forgot the group
)

// String is for messages.
func (g Gap) String() string {
	return fmt.Sprintf("%s/%d: %s (wanted offset %d, going on at %d)", g.Topic, g.Partition, g.Reason, g.Wanted, g.Resumed)
}

func (c *Consumer) noteGap(g Gap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	same := func(o Gap) bool { return o.Topic == g.Topic && o.Partition == g.Partition && o.Reason == g.Reason }
	if !slices.ContainsFunc(c.gaps, same) {
		c.gaps = append(c.gaps, g)
	}
}

func (c *Consumer) takeGaps() []Gap {
	c.mu.Lock()
	defer c.mu.Unlock()
	gaps := c.gaps
	c.gaps = nil
	return gaps
}

// findForgotten looks at partitions that have no committed offset, before they are read: when the log no longer begins at
// 0, either the group is new and late, or its offsets expired. Runs on the group's goroutine, before every assignment.
func (c *Consumer) findForgotten(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	const start = -2 // Kafka's own number for the log's start
	var topics []string
	for topic, parts := range offsets {
		for _, at := range parts {
			if at.EpochOffset().Offset == start {
				topics = append(topics, topic)
				break
			}
		}
	}
	c.mu.Lock()
	client := c.member
	c.mu.Unlock()
	if len(topics) == 0 || client == nil {
		return offsets, nil
	}
	firsts, err := kadm.NewClient(client).ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, wrap("list first offsets", "", err)
	}
	for _, topic := range topics {
		for partition, at := range offsets[topic] {
			first, ok := firsts.Lookup(topic, partition)
			if ok && first.Err == nil && first.Offset > 0 && at.EpochOffset().Offset == start {
				c.noteGap(Gap{Topic: topic, Partition: partition, Wanted: -1, Resumed: first.Offset, Reason: GapForgotten})
			}
		}
	}
	return offsets, nil
}

// reportGaps calls OnGap for what was found. On its error the gaps stay noted, batch is taken back, and nothing is committed.
// When a position was out of range, the earliest offset is committed in its place and the group joined anew: the
// library's own way to move a dead partition (SetOffsets) does not cover one that was never read.
func (c *Consumer) reportGaps(ctx context.Context, batch []Record) error {
	gaps := c.takeGaps()
	if len(gaps) == 0 {
		return nil
	}
	reset, err := c.resolve(ctx, gaps)
	for _, g := range gaps {
		if err != nil {
			break
		}
		c.log.WarnContext(ctx, "records were lost before they were read", "topic", g.Topic, "partition", g.Partition,
			"reason", string(g.Reason), "wanted", g.Wanted, "resumed", g.Resumed)
		c.config.observe(GapFound{Gap: g})
		if err = c.options.OnGap(ctx, g); err != nil {
			err = fmt.Errorf("report gap in %s/%d: %w", g.Topic, g.Partition, err)
		}
	}
	if err == nil {
		err = c.commitOffsets(ctx, reset)
	}
	if err != nil {
		for _, g := range gaps {
			c.noteGap(g)
		}
		c.rewind(batch)
		return err
	}
	if len(reset) > 0 || slices.ContainsFunc(gaps, func(g Gap) bool { return g.Reason == GapRecreated }) {
		c.leave() // the library never looks again at a topic's identity; and Kafka has forgotten a deleted topic's offsets
	}
	return nil
}

// resolve finds where to go on after each out-of-range position.
func (c *Consumer) resolve(ctx context.Context, gaps []Gap) (map[string]map[int32]kgo.EpochOffset, error) {
	reset := map[string]map[int32]kgo.EpochOffset{}
	for i, g := range gaps {
		if g.Reason != GapOutOfRange {
			continue
		}
		firsts, err := kadm.NewClient(c.client).ListStartOffsets(ctx, g.Topic)
		if err != nil {
			return nil, wrap("list first offsets", "", err)
		}
		first, ok := firsts.Lookup(g.Topic, g.Partition)
		if !ok || first.Err != nil {
			return nil, wrap(fmt.Sprintf("find the first offset of %s/%d", g.Topic, g.Partition), "", first.Err)
		}
		gaps[i].Resumed = first.Offset
		put(reset, Record{Topic: g.Topic, Partition: g.Partition, LeaderEpoch: -1}, first.Offset)
	}
	return reset, nil
}
