package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// Outbox is the ledger's list of alerts, and of what targets have not taken of them yet.
type Outbox interface {
	Waiting(ctx context.Context, sync string, max int) ([]ledger.Alert, error)
	Issue(ctx context.Context, issues []ledger.Issue, targets []string, now time.Time) error
	Deliveries(ctx context.Context, sync, target string, now time.Time, max int) ([]ledger.Delivery, error)
	Delivered(ctx context.Context, target string, ids []string, at time.Time) error
	Postpone(ctx context.Context, target, id string, until time.Time, why string) error
	Recover(ctx context.Context, sync string, now time.Time) (int, error)
	Prune(ctx context.Context, before time.Time) (int, error)
	PruneWindows(ctx context.Context, before time.Time) (int, error)
	Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error)
}

// Publisher puts records into Kafka and returns when they are acknowledged.
type Publisher interface {
	SendBatch(ctx context.Context, records []kafka.Record) error
}

// AlertTarget is one place beside the topic where people are told: a chat, a mailbox, a webhook.
type AlertTarget interface {
	Name() string // stable, and without a secret: what is still to be delivered stands under it
	Send(ctx context.Context, a ledger.Alert) error
}

// Relay tells people: alerts of the outbox are grouped, and told to the alerts topic and to every target, each at least once under one id. A target
// that is away, or does not take one alert, keeps neither the others nor other alerts waiting. Every sink has a relay; a lease says whose turn it
// is, so that an alert comes twice only after a crash. One goroutine calls RunOnce at a time.
type Relay struct {
	Sync      string
	Holder    string // names this process in the lease
	Outbox    Outbox
	Publisher Publisher
	Topic     string
	Targets   []AlertTarget // beside the topic
	Group     time.Duration // alerts that are not critical wait so long for their like; 0: each is told by itself, at once
	Quiet     ledger.Quiet
	Now       func() time.Time
	Log       *slog.Logger

	People func(ctx context.Context, ids []string) map[string]string // names of Notion's users by their ids, as far as they are known; nil knows nobody

	looked time.Time // when it was looked for states that have ended
	pruned time.Time
}

// Limits of the relay.
const (
	relayMax    = 100              // alerts of one target in one step
	waitingMax  = 10_000           // alerts that are grouped in one step
	relayLead   = 15 * time.Second // how long after a relay's death another takes over; longer than a step, which Kafka may hold up
	recoverIdle = 5 * time.Second  // between looks for states that have ended
	pruneIdle   = time.Hour
	alertsKept  = 30 * 24 * time.Hour // what was delivered is kept so long, for people who ask
	windowsKept = 25 * time.Hour      // Notion sends a webhook again for up to a day
	sendDelay   = 10 * time.Second    // after a target did not take an alert; doubled with each attempt
	sendMax     = time.Hour
	sendsMax    = 32 // attempts, more than a day; then the target has missed the alert, which stays on the topic and in the ledger
	sendsFailed = 3  // alerts in a row that a target does not take: it is away, and is left alone until they are due again
)

// RunOnce groups what waits and tells what is due; it reports how many messages were taken.
func (r *Relay) RunOnce(ctx context.Context) (int, error) {
	now := r.Now()
	if now.Sub(r.looked) >= recoverIdle {
		if _, err := r.Outbox.Recover(ctx, r.Sync, now); err != nil {
			return 0, err
		}
		r.looked = now
	}
	waiting, err := r.Outbox.Waiting(ctx, r.Sync, waitingMax)
	if err != nil {
		return 0, err
	}
	issues := ledger.Group(waiting, now, r.Group, r.Quiet.At(now))
	due, err := r.due(ctx, now)
	if err != nil || len(issues) == 0 && !due {
		return 0, err // the lease is a write: it is asked for when there is cause
	}
	if _, ok, err := r.Outbox.Lead(ctx, "alerts "+r.Sync, r.Holder, now, relayLead); err != nil || !ok {
		return 0, err
	}
	if len(issues) > 0 {
		if err := r.Outbox.Issue(ctx, issues, r.names(), now); err != nil {
			return 0, err
		}
	}
	n, err := r.publish(ctx)
	errs := []error{err}
	for _, t := range r.Targets {
		sent, err := r.tell(ctx, t)
		n, errs = n+sent, append(errs, err)
	}
	if now.Sub(r.pruned) >= pruneIdle {
		_, err := r.Outbox.Prune(ctx, now.Add(-alertsKept))
		_, err2 := r.Outbox.PruneWindows(ctx, now.Add(-windowsKept))
		r.pruned, errs = now, append(errs, err, err2)
	}
	return n, errors.Join(errs...)
}

func (r *Relay) names() []string {
	names := []string{ledger.TopicTarget}
	for _, t := range r.Targets {
		names = append(names, t.Name())
	}
	return names
}

// due reports that some target has to be told something now.
func (r *Relay) due(ctx context.Context, now time.Time) (bool, error) {
	for _, name := range r.names() {
		if some, err := r.Outbox.Deliveries(ctx, r.Sync, name, now, 1); err != nil || len(some) > 0 {
			return true, err
		}
	}
	return false, nil
}

// publish puts what is due on the topic: each a record, and a log line.
func (r *Relay) publish(ctx context.Context) (int, error) {
	due, err := r.Outbox.Deliveries(ctx, r.Sync, ledger.TopicTarget, r.Now(), relayMax)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	r.name(ctx, due)
	records, ids := make([]kafka.Record, len(due)), make([]string, len(due))
	for i, d := range due {
		value, err := json.Marshal(d.Alert)
		if err != nil {
			return 0, fmt.Errorf("write alert %s: %w", d.Alert.ID, err)
		}
		records[i], ids[i] = kafka.Record{Topic: r.Topic, Key: []byte(d.Alert.ID), Value: value, Time: d.Alert.At}, d.Alert.ID
	}
	if err := r.Publisher.SendBatch(ctx, records); kafka.TooLarge(err) {
		return r.publishEach(ctx, due, records) // one of them will never get through
	} else if err != nil {
		return 0, fmt.Errorf("publish alerts: %w", err)
	}
	for _, d := range due {
		r.say(ctx, d.Alert)
	}
	return len(due), r.Outbox.Delivered(ctx, ledger.TopicTarget, ids, r.Now())
}

func (r *Relay) publishEach(ctx context.Context, due []ledger.Delivery, records []kafka.Record) (int, error) {
	n := 0
	for i, d := range due {
		err := r.Publisher.SendBatch(ctx, records[i:i+1])
		switch {
		case kafka.TooLarge(err):
			if err := r.missed(ctx, ledger.TopicTarget, d, err); err != nil {
				return n, err
			}
			continue
		case err != nil:
			return n, fmt.Errorf("publish an alert: %w", err)
		}
		r.say(ctx, d.Alert)
		n++
		if err := r.Outbox.Delivered(ctx, ledger.TopicTarget, []string{d.Alert.ID}, r.Now()); err != nil {
			return n, err
		}
	}
	return n, nil
}

// user finds those whom ledger.UserOf names.
var user = regexp.MustCompile(regexp.QuoteMeta(ledger.UserOf("")) + `([0-9a-f-]{36})`)

// name puts people's names in the place of their ids, where they are known.
func (r *Relay) name(ctx context.Context, due []ledger.Delivery) {
	if r.People == nil {
		return
	}
	var ids []string
	for _, d := range due {
		for _, m := range user.FindAllStringSubmatch(d.Alert.Summary, -1) {
			ids = append(ids, m[1])
		}
	}
	if len(ids) == 0 {
		return
	}
	names := r.People(ctx, ids)
	for i := range due {
		due[i].Alert.Summary = user.ReplaceAllStringFunc(due[i].Alert.Summary, func(text string) string {
			if name := names[user.FindStringSubmatch(text)[1]]; name != "" {
				return name
			}
			return text
		})
	}
}

// say logs an alert. The summary may hold a person's data: it goes to the targets; the log names the record.
func (r *Relay) say(ctx context.Context, a ledger.Alert) {
	r.Log.WarnContext(ctx, "alert", "id", a.ID, "kind", a.Kind, "entity", a.Entity, "key", a.Key, "page", a.Page, "field", a.Field, "critical", a.Critical, "count", max(a.Count, 1))
}

// tell gives one target what is due for it. What it does not take is its own matter: an error concerns the ledger.
func (r *Relay) tell(ctx context.Context, t AlertTarget) (int, error) {
	due, err := r.Outbox.Deliveries(ctx, r.Sync, t.Name(), r.Now(), relayMax)
	if err != nil {
		return 0, err
	}
	r.name(ctx, due)
	n, failed := 0, 0
	for _, d := range due {
		cause := t.Send(ctx, d.Alert)
		if ctx.Err() != nil {
			return n, nil // it may have been taken: it comes again
		}
		if cause == nil {
			failed = 0
			n++
			if err := r.Outbox.Delivered(ctx, t.Name(), []string{d.Alert.ID}, r.Now()); err != nil {
				return n, err
			}
			continue
		}
		if err := r.missed(ctx, t.Name(), d, cause); err != nil {
			return n, err
		}
		if failed++; failed >= sendsFailed {
			return n, nil
		}
	}
	return n, nil
}

// missed puts off what a target did not take, or gives it up.
func (r *Relay) missed(ctx context.Context, target string, d ledger.Delivery, cause error) error {
	log := r.Log.With("target", target, "id", d.Alert.ID, "attempt", d.Attempts+1, "reason", cause.Error())
	if d.Attempts+1 >= sendsMax {
		log.ErrorContext(ctx, "alert not delivered, and not tried again")
		return r.Outbox.Delivered(ctx, target, []string{d.Alert.ID}, r.Now())
	}
	if d.Attempts == 0 {
		log.WarnContext(ctx, "alert not delivered yet, will try again")
	}
	return r.Outbox.Postpone(ctx, target, d.Alert.ID, r.Now().Add(pauseAfter(sendDelay, sendMax, d.Attempts)), cause.Error())
}
