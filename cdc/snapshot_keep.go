package cdc

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// threadsMax is how many connections read by default on a large machine: more take from the database what its users need.
const threadsMax = 4

// threads is how many connections read a snapshot.
func (c *Config) threads() int {
	if c.SnapshotThreads > 0 {
		return c.SnapshotThreads
	}
	return min(runtime.GOMAXPROCS(0), threadsMax)
}

// rangePages is how many pages are read at a time.
func (c *Config) rangePages() int64 {
	if c.snapshotPages > 0 {
		return c.snapshotPages
	}
	return rangePagesDefault
}

// keep stores what was read, every offset.flush.interval.ms, and tells of the progress, until the returned function is called; that one stores it once more.
func (s *snapshot) keep(ctx context.Context) (stop func()) {
	quit := make(chan struct{})
	var keeper sync.WaitGroup
	keeper.Go(func() {
		store, tell := time.NewTicker(s.config.OffsetInterval), time.NewTicker(progressInterval)
		defer store.Stop()
		defer tell.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tell.C:
				s.tell()
			case <-store.C:
				if err := s.storeReading(ctx); err != nil && ctx.Err() == nil {
					s.log.Warn("the snapshot's progress cannot be stored; a crash would repeat more of it", "err", err)
				}
			}
		}
	})
	return sync.OnceFunc(func() {
		close(quit)
		keeper.Wait()
		if s.life.Err() != nil { // stopped: what is on its way would have to be read again
			drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.DrainTimeout)
			_ = s.emitter.flush(drain) // what did not arrive is read again
			cancel()
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if err := s.storeReading(ctx); err != nil {
			s.log.Warn("the snapshot's progress cannot be stored; it is repeated since it was stored last", "err", err)
		}
	})
}

// storeReading writes which ranges Kafka has, the first time before any row is written: from then on the snapshot goes on after a crash. The slot is
// kept, and the stream will begin where this snapshot, the first, did.
func (s *snapshot) storeReading(ctx context.Context) error {
	done, news := s.readSoFar()
	if !news && s.stored.underWay() {
		return nil
	}
	o := s.stored.at(progress{lsn: s.at, next: change.Position{Commit: s.at}})
	o.Visible, o.Reading = s.begunWith(), done
	if err := s.save(ctx, o); err != nil {
		return fmt.Errorf("store the snapshot's progress: %w", err)
	}
	s.earlier = done
	for _, t := range s.tables { // what is stored need not be looked at again
		t.forget(uint32(s.visible.XMin), done[t.String()].Done)
	}
	return nil
}

// begunWith is what the stream leaves out: what the first snapshot saw, also where a later one goes on. With the slot's own snapshot that is nothing.
func (s *snapshot) begunWith() *visibility {
	switch {
	case s.plan.proceed:
		return s.stored.Visible
	case s.adopts != "":
		return nil
	}
	return s.visible
}
