package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Many connections of a snapshot and the stream send at once: each topic that nobody knew is made once, before anything is sent to it.
func TestTopicsAreMadeWhenTheyAreMet(t *testing.T) {
	t.Parallel()
	made := map[string]int{} // the maker makes one at a time
	m := newTopicMaker([]string{"known"}, slog.New(slog.DiscardHandler), func(_ context.Context, topic string) error {
		made[topic]++
		if topic == "refused" {
			return errors.New("TOPIC_AUTHORIZATION_FAILED")
		}
		return nil
	})
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for _, topic := range []string{"known", "renamed", "refused", "known", "renamed", "refused"} {
				m.ensure(t.Context(), topic)
			}
		})
	}
	senders.Wait()
	if diff := cmp.Diff(map[string]int{"renamed": 1, "refused": 1}, made); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	(*topicMaker)(nil).ensure(t.Context(), "whatever")
}
