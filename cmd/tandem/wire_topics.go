package main

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
)

// topicMaker makes topics that nobody could name at the start: those of tables that are renamed while the stream runs, or that join the publication. A name may
// be gone again when its records are written, so that no later start would make its topic. Safe for concurrent use.
type topicMaker struct {
	make  func(ctx context.Context, topic string) error
	log   *slog.Logger
	mu    sync.Mutex // held while one is made
	known atomic.Pointer[map[string]bool]
}

func newTopicMaker(known []string, log *slog.Logger, create func(ctx context.Context, topic string) error) *topicMaker {
	m := &topicMaker{make: create, log: log}
	all := map[string]bool{}
	for _, topic := range known {
		all[topic] = true
	}
	m.known.Store(&all)
	return m
}

// ensure returns when the topic is there, or cannot be made: who sends to it then learns why, or has a broker that makes it.
func (m *topicMaker) ensure(ctx context.Context, topic string) {
	if m == nil || (*m.known.Load())[topic] {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if (*m.known.Load())[topic] {
		return
	}
	if err := m.make(ctx, topic); err != nil {
		m.log.Warn("a topic that nobody has written to yet cannot be made; the broker may make it", "topic", topic, "err", err)
	}
	all := maps.Clone(*m.known.Load()) // not tried again before the next start
	all[topic] = true
	m.known.Store(&all)
}
