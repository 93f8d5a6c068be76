package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Cleanup is what Kafka does with a topic's old records.
type Cleanup string

// The two policies that Tandem's topics have.
const (
	CleanupDelete  Cleanup = "delete"  // change topics: they hold no state
	CleanupCompact Cleanup = "compact" // offsets and other state: the last record of a key is the state
)

// StatePartitionsMax is Connect's default for its offset topic. More would only slow the start down: all are read.
const StatePartitionsMax = 25

// TopicSpec is a topic as it should be. Zero values leave the choice to the cluster.
type TopicSpec struct {
	Name              string
	Partitions        int32
	ReplicationFactor int16
	Cleanup           Cleanup
	MinInSync         int               // min.insync.replicas: with acks=all, how many copies make a record safe
	Retention         time.Duration     // retention.ms, for CleanupDelete
	Configs           map[string]string // further topic settings by Kafka's names
}

// Validate reports everything that is wrong.
func (s TopicSpec) Validate() error {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("topic %q: "+format, append([]any{s.Name}, args...)...))
	}
	if err := validTopicName(s.Name); err != nil {
		problem("%w", err)
	}
	if s.Partitions < 0 {
		problem("partitions: %d is negative", s.Partitions)
	}
	if s.ReplicationFactor < 0 {
		problem("replication factor: %d is negative", s.ReplicationFactor)
	}
	if s.MinInSync < 0 || s.ReplicationFactor > 0 && s.MinInSync > int(s.ReplicationFactor) {
		problem("min.insync.replicas: %d does not fit replication factor %d: no record would ever be accepted", s.MinInSync, s.ReplicationFactor)
	}
	if s.Cleanup == CleanupCompact && s.Partitions > StatePartitionsMax {
		problem("partitions: %d; a state topic has 1 to %d", s.Partitions, StatePartitionsMax)
	}
	if s.Retention < 0 || s.Retention > 0 && s.Cleanup == CleanupCompact {
		problem("retention: only for cleanup.policy=delete, and not negative")
	}
	return errors.Join(problems...)
}

// validTopicName has Kafka's rules (org.apache.kafka.common.internals.Topic).
func validTopicName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > 249 {
		return errors.New("a topic's name has 1 to 249 characters and is not . or ..")
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return fmt.Errorf("a topic's name has letters, digits, '.', '_' and '-' only, not %q", c)
		}
	}
	return nil
}

// configs are the topic settings that the spec decides.
func (s TopicSpec) configs() map[string]string {
	out := map[string]string{}
	if s.Cleanup != "" {
		out["cleanup.policy"] = string(s.Cleanup)
	}
	if s.MinInSync > 0 {
		out["min.insync.replicas"] = strconv.Itoa(s.MinInSync)
	}
	if s.Retention > 0 {
		out["retention.ms"] = strconv.FormatInt(s.Retention.Milliseconds(), 10)
	}
	maps.Copy(out, s.Configs)
	return out
}

// Mismatch is a setting in which an existing topic differs from its spec. It is left as it is: someone may have meant it.
type Mismatch struct {
	Topic, Setting string
	Want, Got      string
}

// String is the warning.
func (m Mismatch) String() string {
	return fmt.Sprintf("topic %s has %s %s, expected %s", m.Topic, m.Setting, m.Got, m.Want)
}

// EnsureTopics creates the topics that do not exist. In those that do, differences are reported, logged as warnings,
// and left alone.
func (a *Admin) EnsureTopics(ctx context.Context, specs ...TopicSpec) ([]Mismatch, error) {
	var problems []error
	for _, spec := range specs {
		problems = append(problems, spec.Validate())
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	var mismatches []Mismatch
	for _, spec := range specs {
		found, err := a.ensure(ctx, spec)
		if err != nil {
			return mismatches, err
		}
		mismatches = append(mismatches, found...)
	}
	for _, m := range mismatches {
		a.config.logger().WarnContext(ctx, "topic differs from what is expected", "topic", m.Topic, "setting", m.Setting, "want", m.Want, "got", m.Got)
	}
	return mismatches, nil
}

// ensure creates one topic or compares it. Creating is tried first: two processes that start together both succeed.
func (a *Admin) ensure(ctx context.Context, spec TopicSpec) ([]Mismatch, error) {
	configs := map[string]*string{}
	for key, value := range spec.configs() {
		configs[key] = kadm.StringPtr(value)
	}
	partitions, factor := spec.Partitions, spec.ReplicationFactor
	if partitions == 0 {
		partitions = -1 // KIP-464: the cluster's default
	}
	if factor == 0 {
		factor = -1
	}
	answers, err := a.admin.CreateTopics(ctx, partitions, factor, configs, spec.Name)
	if err != nil {
		return nil, wrap("create topic "+spec.Name, "", err)
	}
	switch answer := answers[spec.Name]; {
	case answer.Err == nil:
		a.config.logger().InfoContext(ctx, "topic created", "topic", spec.Name)
		_, err := a.settled(ctx, spec)
		return nil, err
	case errors.Is(answer.Err, kerr.TopicAlreadyExists):
		return a.settled(ctx, spec)
	case errors.Is(answer.Err, kerr.TopicAuthorizationFailed), errors.Is(answer.Err, kerr.ClusterAuthorizationFailed):
		// Clusters whose topics are made by others are common: fine when it is there.
		if found, err := a.compare(ctx, spec); err == nil {
			return found, nil
		}
		fallthrough
	default:
		if answer.ErrMessage != "" {
			return nil, wrap("create topic "+spec.Name, "", fmt.Errorf("%w: %s", answer.Err, answer.ErrMessage))
		}
		return nil, wrap("create topic "+spec.Name, "", answer.Err)
	}
}

// settleMax is how long brokers may take to learn from the controller of a topic that it has made: milliseconds, seconds under load.
const settleMax = 20 * time.Second

// settled compares a topic that the controller knows, waiting for the brokers to know it too: who was told that a topic exists
// must be able to use it.
func (a *Admin) settled(ctx context.Context, spec TopicSpec) ([]Mismatch, error) {
	pauses := backoff.WithContext(backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(20*time.Millisecond), backoff.WithMaxInterval(time.Second), backoff.WithMaxElapsedTime(settleMax)), ctx)
	return backoff.RetryWithData(func() ([]Mismatch, error) {
		found, err := a.compare(ctx, spec)
		if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) && !errors.Is(err, kerr.LeaderNotAvailable) {
			return nil, backoff.Permanent(err)
		}
		return found, err
	}, pauses)
}

// compare lists what differs in a topic that exists.
func (a *Admin) compare(ctx context.Context, spec TopicSpec) ([]Mismatch, error) {
	details, err := a.admin.ListTopics(ctx, spec.Name)
	if err != nil {
		return nil, wrap("describe topic "+spec.Name, "", err)
	}
	detail := details[spec.Name]
	if err := errors.Join(detail.Err, leaderless(detail)); err != nil {
		return nil, wrap("describe topic "+spec.Name, "", err)
	}
	var out []Mismatch
	differ := func(setting, want, got string) {
		if want != got {
			out = append(out, Mismatch{Topic: spec.Name, Setting: setting, Want: want, Got: got})
		}
	}
	if spec.Partitions > 0 {
		differ("partitions", strconv.Itoa(int(spec.Partitions)), strconv.Itoa(len(detail.Partitions)))
	}
	if spec.ReplicationFactor > 0 {
		differ("replication factor", strconv.Itoa(int(spec.ReplicationFactor)), strconv.Itoa(detail.Partitions.NumReplicas()))
	}
	actual, err := a.topicConfigs(ctx, spec.Name)
	if err != nil {
		return nil, err
	}
	wanted := spec.configs()
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		differ(key, wanted[key], actual[key])
	}
	return out, nil
}

// leaderless is the error of the first partition that nobody leads yet.
func leaderless(detail kadm.TopicDetail) error {
	for _, p := range detail.Partitions.Sorted() {
		if p.Leader < 0 {
			return kerr.LeaderNotAvailable
		}
	}
	return nil
}

func (a *Admin) topicConfigs(ctx context.Context, topic string) (map[string]string, error) {
	described, err := a.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil, wrap("describe settings of topic "+topic, "", err)
	}
	out := map[string]string{}
	for _, resource := range described {
		if resource.Err != nil {
			return nil, wrap("describe settings of topic "+topic, "", resource.Err)
		}
		for _, c := range resource.Configs {
			out[c.Key] = c.MaybeValue()
		}
	}
	return out, nil
}
