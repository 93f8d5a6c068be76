package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink/plan"
)

// meter shows how far a long command is: a bar with rate and time left where somebody watches, a plain line every few seconds where nobody does.
type meter struct {
	out   io.Writer
	now   func() time.Time
	every time.Duration // between plain lines

	watched bool
	stage   string
	began   time.Time
	told    time.Time
	bar     *progressbar.ProgressBar
}

// meterEvery is how often a log gets a line.
const meterEvery = 5 * time.Second

func newMeter(out io.Writer) *meter {
	f, ok := out.(*os.File)
	return &meter{out: out, now: time.Now, every: meterEvery, watched: ok && term.IsTerminal(int(f.Fd()))}
}

// show takes in how far things are. One goroutine calls it at a time.
func (m *meter) show(p plan.Progress) {
	stage := p.Entity + " " + p.Stage
	if stage != m.stage {
		m.end()
		m.stage, m.began, m.told = stage, m.now(), m.now()
		if m.watched {
			total := p.Total
			if total == 0 {
				total = -1
			}
			m.bar = progressbar.NewOptions(total,
				progressbar.OptionSetWriter(m.out), progressbar.OptionSetDescription("  "+stage), progressbar.OptionSetWidth(24), progressbar.OptionShowCount(),
				progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
		}
	}
	if m.bar != nil {
		_ = m.bar.Set(p.Done)
		return
	}
	if now := m.now(); now.Sub(m.told) >= m.every {
		m.told = now
		fmt.Fprintf(m.out, "  %s: %s\n", stage, m.words(p))
	}
}

func (m *meter) words(p plan.Progress) string {
	spent := m.now().Sub(m.began)
	rate := float64(p.Done) / max(spent.Seconds(), 0.001)
	if p.Total == 0 {
		return fmt.Sprintf("%d, %.0f a second", p.Done, rate)
	}
	left := time.Duration(float64(p.Total-p.Done) / max(rate, 0.001) * float64(time.Second))
	return fmt.Sprintf("%d of %d, %.1f a second, about %s left", p.Done, p.Total, rate, roughly(left))
}

// end clears what moves.
func (m *meter) end() {
	if m.bar != nil {
		_ = m.bar.Finish()
		m.bar = nil
	}
}

// roughly is a length of time as people say it.
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Round(time.Second)/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
	}
	return fmt.Sprintf("%d h %d min", int(d/time.Hour), int(d%time.Hour/time.Minute))
}

// byRank puts parents before children.
func byRank(entities []*mapping.Entity) []*mapping.Entity {
	sorted := slices.Clone(entities)
	slices.SortStableFunc(sorted, func(a, b *mapping.Entity) int { return cmp.Compare(a.Rank, b.Rank) })
	return sorted
}
