package cdc

import (
	"context"
	"time"
)

// keepOffset stores the position now and then, and writes heartbeats, until ctx ends. It runs beside the reader.
func (s *session) keepOffset(ctx context.Context) {
	store := time.NewTicker(s.config.OffsetInterval)
	defer store.Stop()
	beat := time.NewTicker(max(s.config.HeartbeatInterval, time.Millisecond))
	defer beat.Stop()
	if s.config.HeartbeatInterval <= 0 {
		beat.Stop()
	}
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			s.emitter.heartbeat(ctx)
			continue
		case <-s.wake:
		case <-store.C:
		}
		err := s.storeProgress(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.log.Warn("the position cannot be stored; PostgreSQL keeps WAL until it can", "err", err)
		}
		failing = err != nil
	}
}

// storeProgress writes the position if it moved, and only then lets PostgreSQL know of it.
func (s *session) storeProgress(ctx context.Context) error {
	p := s.tracker.safe()
	if s.stored.holds(p) {
		return nil
	}
	if err := s.save(ctx, s.stored.at(p)); err != nil {
		return err
	}
	s.confirmed.Store(uint64(p.lsn))
	return nil
}

func (s *session) wakeOffset() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
