package simulation

import (
	"context"
	"time"

	source "github.com/tandem-sync/tandem/source/notion"
)

// polling is one entity's polls. Those that can find nothing are not played: the newest one found nothing, the index showed it all that there is, and
// neither a page nor what the ledger remembers of one has changed since. The first after a change comes when its turn would have been.
type polling struct {
	*task
	interval source.Interval
	step     time.Duration // between polls at the moment
	began    time.Time
	last     source.Result
	asleep   time.Time // since when polls are left out; zero: none is
}

// asleepFor is longer than any run.
const asleepFor = 24 * time.Hour

// healedPoll is the time between polls once nothing goes wrong any more: nobody is in a hurry.
const healedPoll = 6 * time.Minute

func (s *system) polling(p *process, poller *source.Poller) *task {
	every := s.w.shape.poll
	o := &polling{interval: source.Interval{Base: every, Min: every / 2, Max: 2 * every}}
	o.task = &task{kind: "poll", step: func(ctx context.Context) (n int, err error) {
		o.asleep, o.began = time.Time{}, s.w.now
		o.last, err = poller.RunOnce(ctx)
		return o.last.Emitted, err
	}, pause: func(emitted int) time.Duration {
		if o.last.Sweeping {
			return time.Millisecond
		}
		if o.step = o.interval.Next(emitted); s.w.faults.healed {
			o.step = healedPoll
		}
		if o.last.Led && o.last.Emitted == 0 && o.last.Left == 0 && s.w.notion.stillSince(o.began) {
			o.asleep = s.w.now
			return asleepFor
		}
		return o.step
	}}
	s.polls = append(s.polls, o)
	return o.task
}

// news has polls played again.
func (s *system) news() {
	if s == nil {
		return
	}
	for _, o := range s.polls {
		if o.asleep.IsZero() {
			continue
		}
		for n := s.w.now.Sub(o.asleep) / o.step; n > 0 && o.step < o.interval.Max && !s.w.faults.healed; n-- {
			o.step = o.interval.Next(0)
		}
		o.asleep = time.Time{}
		o.wake(s.w.now.Add(jitter(o.p.dice, 0, o.step)))
	}
}
