package kafka

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Compaction may leave nothing before the end of a log. An empty answer proves that only when its sender sees the end.
func TestAnEmptyAnswerEndsAScanOnlyWhenItsSenderSeesTheEnd(t *testing.T) {
	t.Parallel()
	s := scan{topic: "tandem.offsets", at: 5, end: 10, each: func(Record) { t.Error("a record out of nothing") }}
	behind := kmsg.FetchResponseTopicPartition{HighWatermark: 7, LastStableOffset: 7}
	if err := s.take(&behind); !errors.Is(err, errShort) || !Retryable(err) || s.at != 5 {
		t.Errorf("a leader that is behind: %v at %d; want to ask again", err, s.at)
	}
	whole := kmsg.FetchResponseTopicPartition{HighWatermark: 12, LastStableOffset: 10}
	if err := s.take(&whole); err != nil || s.at != 10 {
		t.Errorf("a leader that sees the end: %v at %d; want to be done", err, s.at)
	}
	refused := kmsg.FetchResponseTopicPartition{ErrorCode: 1} // OFFSET_OUT_OF_RANGE
	if err := s.take(&refused); err == nil {
		t.Error("an error code was taken for the end")
	}
}
