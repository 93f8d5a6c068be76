package kafka

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Retention tells how long a topic keeps its records: 0 is for ever (or, compacted, for as long as no newer one of their key comes). It is false for a
// topic that does not exist.
func (a *Admin) Retention(ctx context.Context, topic string) (keeps time.Duration, exists bool, err error) {
	configs, err := a.topicConfigs(ctx, topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return 0, false, nil
	}
	if err != nil || !strings.Contains(configs["cleanup.policy"], "delete") {
		return 0, err == nil, err
	}
	ms, err := strconv.ParseInt(configs["retention.ms"], 10, 64)
	if err != nil || ms < 0 {
		return 0, true, nil //nolint:nilerr // what cannot be read promises nothing
	}
	return time.Duration(ms) * time.Millisecond, true, nil
}
