package notion

import "time"

// Interval says how long to wait between polls: shorter while people edit, longer while nobody does, within bounds.
type Interval struct {
	Base time.Duration // poll.interval.ms: where it begins, and where it goes when there is news after a quiet time
	Min  time.Duration // poll.interval.min.ms
	Max  time.Duration // poll.interval.max.ms

	current time.Duration
}

// Defaults of the interval.
const (
	DefaultInterval    = 5 * time.Minute
	DefaultIntervalMin = 30 * time.Second
	DefaultIntervalMax = 10 * time.Minute
)

// Next gives the pause after a poll that emitted so many changes. News halve it, at once below the base; quiet lengthens it by a quarter.
func (i *Interval) Next(emitted int) time.Duration {
	if i.current == 0 {
		i.current = i.Base
	}
	if emitted > 0 {
		i.current = min(i.current, i.Base) / 2
	} else {
		i.current += i.current / 4
	}
	i.current = min(max(i.current, i.Min), i.Max)
	return i.current
}
