package book

import (
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// strayed is how far two requests may arrive nearer to each other at Notion than they were granted: a network's, and a granted request's that is sent
// up to half a second later. Notion counts arrivals; without the margin it said "later" once in three hours of a first sync, and that stops everybody
// for up to a minute.
const strayed = time.Second

// Refused live demand keeps backfill out until it asked again, which it does after an interval at most, and for this long.
const liveFirst = time.Second

// backfillEvery is how many requests live demand may have, one after the other, before backfill has one: sweeps and comparisons come to an end
// though people never stop editing.
const backfillEvery = 20

// Budget is what is known of one token's requests: a virtual schedule (the generic cell rate algorithm), so that requests are spent
// evenly, and no clock or counter has to be reset.
type Budget struct {
	Next     time.Time // when the next request would go out if all were spaced evenly
	Paused   time.Time // no grant before
	Refused  time.Time // when live demand was last refused, or the end of the pause for which it was; zero since it was met
	Backfill time.Time // backfill may have a request from then on, whatever live demands
	Owed     time.Time // when backfill asked in vain for that request; zero since it had one
}

// Grant takes up to want requests. At most one second's worth of rate (at least one) is granted at once, the rest is spaced
// evenly, and no 60 seconds hold more than rate grants.
func (b Budget) Grant(lane ledger.Lane, want, rate int, now time.Time) (after Budget, granted int, wait time.Duration, err error) {
	if rate < 1 || want < 0 {
		return b, 0, 0, fmt.Errorf("grant %d requests of %d a minute: want a rate of at least 1", want, rate)
	}
	if want == 0 {
		return b, 0, 0, nil
	}
	now = Cut(now)
	burst := max(1, rate/60)
	interval := ((time.Minute+strayed)/time.Duration(rate-burst+1) + time.Microsecond - 1).Truncate(time.Microsecond) // rounded up: never early
	if b.Next.Before(now) {
		b.Next = now
	}
	free := now.Add(time.Duration(burst) * interval).Sub(b.Next)
	granted = min(want, int(max(free, 0)/interval))
	wait = interval - max(free, 0)%interval
	if free < 0 {
		wait = interval - free
	}
	if pause := b.Paused.Sub(now); pause > 0 {
		granted, wait = 0, pause
	}
	if lane != ledger.LaneLive {
		granted, wait = b.behindLive(granted, wait, interval, now)
	} else if granted > 0 && !b.Owed.IsZero() && now.Before(b.Owed.Add(liveFirst+interval)) {
		if granted--; granted == 0 {
			wait = interval // the one that is free is backfill's
		}
	}
	b.Next = b.Next.Add(time.Duration(granted) * interval)
	if lane == ledger.LaneLive {
		b.Refused = time.Time{}
		if granted == 0 {
			b.Refused = now
			if b.Paused.After(now) {
				b.Refused = b.Paused
			}
		}
	}
	if granted > 0 {
		return b, granted, 0, nil
	}
	return b, 0, wait, nil
}

// behindLive is what backfill is given of what there is: nothing while live demand is unmet, but for its own small share.
func (b *Budget) behindLive(granted int, wait, interval time.Duration, now time.Time) (int, time.Duration) {
	share := backfillEvery * interval
	if first := b.Refused.Add(liveFirst + interval).Sub(now); !b.Refused.IsZero() && first > 0 {
		if b.Backfill.IsZero() {
			b.Backfill = now.Add(share)
		}
		due := max(b.Backfill.Sub(now), b.Paused.Add(interval).Sub(now)) // the first request after a pause is live's
		if due > 0 {
			return 0, max(wait, min(first, due))
		}
		if granted = min(granted, 1); granted == 0 {
			b.Owed = now
		}
	}
	if granted > 0 {
		b.Backfill, b.Owed = now.Add(share), time.Time{}
	}
	return granted, wait
}

// Pause stops all grants until then; a shorter pause does not end a longer one.
func (b Budget) Pause(until time.Time) Budget {
	if until = Cut(until); until.After(b.Paused) {
		b.Paused = until
	}
	return b
}
