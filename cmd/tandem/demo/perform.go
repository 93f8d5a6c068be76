package demo

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// perform is the show: the first sync, edits on both sides, the comparison.
func (s *show) perform(ctx context.Context) error {
	if err := s.firstSync(ctx); err != nil {
		return err
	}
	s.alerts = newAlerts()
	consumer, err := s.alerts.consumer(s.places.kafka, s.log)
	if err != nil {
		return err
	}
	if err := consumer.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("follow the alerts: %w", err)
	}
	s.onEnd(consumer.Stop)
	if err := s.edits(ctx); err != nil {
		return err
	}
	s.tellAlerts(ctx)
	return s.equality(ctx)
}

// Limits of the show.
const (
	stalledAfter = 2 * time.Minute // without progress something is wrong, also on a machine that is busy with other things
	effectWait   = time.Minute     // for an edit's effect, which takes a second
	settledWait  = time.Minute     // for the last work after the edits
)

// firstSync waits until every record has a page, with a progress bar.
func (s *show) firstSync(ctx context.Context) error {
	total := s.Counts.Total()
	bar := s.bar(total, "First sync")
	began, moved, last := time.Now(), time.Now(), -1
	for {
		linked, work, parked, err := s.script.progress(ctx)
		if err != nil {
			return ended(ctx, err)
		}
		if linked+parked != last {
			last, moved = linked+parked, time.Now()
		}
		_ = bar.Set(min(linked, total)) // it is only for the eyes
		switch {
		case linked+parked >= total && work == 0:
			_ = bar.Finish()
			took := time.Since(began)
			s.say("  First sync: %d records in Notion after %s (%.0f a second)%s", linked, seconds(took), float64(linked)/took.Seconds(), parkedText(parked))
			return nil
		case time.Since(moved) > stalledAfter:
			_ = bar.Clear()
			return fmt.Errorf("the first sync stands still at %d of %d records; the log's last complaint: %s", linked, total, s.complaint())
		}
		if err := lifecycle.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func parkedText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d parked", n)
}

// complaint is the last line of the log that is worth a look.
func (s *show) complaint() string {
	f, err := os.Open(filepath.Join(s.Dir, logFile))
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	last := "none"
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := lines.Text(); strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			last = line
		}
	}
	return last
}

// edits makes all edits at once and shows what becomes of each.
func (s *show) edits(ctx context.Context) error {
	all := s.script.all()
	s.say("\nNow %d edits at once, by %s in the CRM and %s in Notion:\n", len(all), ofCRM, ofNotion)
	s.row("WHO", "WHERE", "WHAT", "ON THE OTHER SIDE", "AFTER")
	outcomes := make([]chan outcome, len(all))
	group, gctx := errgroup.WithContext(ctx)
	for i, e := range all {
		outcomes[i] = make(chan outcome, 1)
		group.Go(func() error {
			defer close(outcomes[i])
			wait := effectWait
			if e.late != "" {
				wait = 3 * time.Second
			}
			o, err := e.run(gctx, wait)
			if err == nil {
				outcomes[i] <- o
			}
			return err
		})
	}
	for _, c := range outcomes {
		o, ok := <-c
		if !ok {
			continue // the group's error says why
		}
		s.row(o.who, o.where, o.what, o.text(), o.after())
		if !o.done && o.late != "" {
			s.late = append(s.late, o)
		}
	}
	return ended(ctx, group.Wait())
}

func (o outcome) text() string {
	switch {
	case o.done:
		return o.result
	case o.late != "":
		return "waits (see below)"
	}
	return "NOT YET: " + o.result
}

func (o outcome) after() string {
	if !o.done {
		return "-"
	}
	return seconds(o.took)
}

// tellAlerts shows the alerts of what needed a person, from the topic. They come a moment after what they tell of.
func (s *show) tellAlerts(ctx context.Context) {
	s.say("\nThe alerts of the conflict and of the held row, from topic %s:\n", alertsTopic)
	for _, kind := range []string{"conflict", ledger.AlertHold} {
		alert, ok := s.alerts.await(ctx, effectWait, func(a ledger.Alert) bool { return a.Kind == kind })
		if !ok {
			s.say("  NOT YET: an alert of kind %s", kind) // the comparison says what is wrong, or the demo ends
			continue
		}
		s.tellAlert(alert)
	}
}

func (s *show) tellAlert(a ledger.Alert) {
	s.say("%s", wrap(fmt.Sprintf("Alert (%s, %s/%s): %s", a.Kind, a.Entity, a.Key, a.Summary), "  "))
}

// equality compares everything, once nothing moves any more.
func (s *show) equality(ctx context.Context) error {
	s.say("\nEvery mapped field, the CRM read by SQL and Notion by its API:\n")
	var c comparison
	for began := time.Now(); ; {
		var err error
		if c, err = s.script.compareAll(ctx); err != nil {
			return ended(ctx, err)
		}
		if c.Differs == 0 || time.Since(began) > settledWait {
			break
		}
		if err := lifecycle.Pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	s.unequal = c
	s.say("  %d records, %d fields: %d equal, %d waiting, %d different", c.Records, c.Fields, c.Equal, c.Waiting, c.Differs)
	for _, d := range c.Waits {
		s.say("%s", wrap(s.waiting(d), "  - "))
	}
	for _, d := range c.Differences {
		s.say("  ! %s %s: CRM %q, Notion %q", d.Record, d.Field, short(d.CRM, 24), short(d.Notion, 24))
	}
	s.say("")
	return nil
}

func (s *show) waiting(d difference) string {
	if strings.HasPrefix(d.Record, "page ") && len(s.late) > 0 {
		return "the new page waits: " + s.late[0].late
	}
	return d.Record + " waits; " + d.Why
}

// play stays up until Ctrl-C, and tells of alerts.
func (s *show) play(ctx context.Context) error {
	s.alerts.follow(s.tellAlert)
	suffix := ""
	if s.Dir != DefaultDir() {
		suffix = " --dir " + s.Dir
	}
	s.say("It stays up until Ctrl-C. Play from another terminal:\n")
	for _, line := range []string{
		"bin/tandem demo edit crm 7 job_title \"Chief of Staff\"", "bin/tandem demo edit notion 7 phone \"06 11 22 33 44\"",
		"bin/tandem demo edit notion task/9 status \"Done\"", "bin/tandem demo show 7",
	} {
		s.say("  %s%s", line, suffix)
	}
	s.say("  psql \"$(cat %s)\"\n", filepath.Join(s.Dir, dsnFile))
	for _, o := range s.late {
		if err := s.arrive(ctx, o); err != nil && ctx.Err() == nil {
			return err
		}
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); !isInterrupt(cause) {
		return cause
	}
	s.say("")
	return nil
}

// arrive waits for the effect of an edit that takes its time, and tells of it.
func (s *show) arrive(ctx context.Context, o outcome) error {
	for {
		result, done, err := o.look(ctx)
		if err != nil {
			return err
		}
		if done {
			s.say("%s", wrap(fmt.Sprintf("%s is now %s, %s after it was made.", o.what, result, seconds(time.Since(o.began))), "  "))
			return nil
		}
		if err := lifecycle.Pause(ctx, 4*lookEvery); err != nil {
			return err
		}
	}
}
