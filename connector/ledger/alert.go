package ledger

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// The kinds of alerts that tell of a state: it ends, and then people are told so.
const (
	AlertHold      = "hold"
	AlertParked    = "parked"
	AlertBrake     = "brake"     // its State is the meter's name
	AlertConnector = "connector" // its State is the connector's name
	AlertDrift     = "drift"
	AlertRecovered = "recovered" // the state that an earlier alert told of has ended
)

// Stateful reports that the alert tells of a state of its link, or of a brake, of which the ledger knows whether it lasts.
func (a Alert) Stateful() bool {
	return a.Link != 0 && (a.Kind == AlertHold || a.Kind == AlertParked) || a.Kind == AlertBrake && a.State != ""
}

// Recovery is the message that the state of an alert has ended. Its id follows from that alert's: however often it is made, it is one.
func (a Alert) Recovery(at time.Time) Alert {
	was := map[string]string{AlertHold: "no longer on hold", AlertParked: "no longer put aside", AlertBrake: "the brake holds nothing any more", AlertConnector: "it runs again"}[a.Kind]
	return Alert{
		ID: alertID("recovered", a.ID), At: at, Kind: AlertRecovered, Sync: a.Sync, Entity: a.Entity, Key: a.Key, Page: a.Page, Field: a.Field, Critical: a.Kind == AlertConnector || a.Kind == AlertBrake,
		Summary: fmt.Sprintf("%s: %s", cmp.Or(was, "it is over"), a.Summary),
	}
}

// Issue is one message that people get: an alert as it is, or a digest of several, which are then told of by it alone.
type Issue struct {
	Alert   Alert
	Members []string // ids of the alerts that a digest sums up; nil for an alert as it is
}

// What a digest brings of the alerts that it sums up.
const (
	digestSamples = 5
	digestIDs     = 1000 // more would not fit a record well; the ledger knows all of them by the digest's id
)

// Group says which of the waiting alerts are told now, oldest first, and how: critical ones at once and by themselves, the others together with
// their like (kind, entity, field) once the oldest has waited for window, and not while it is quiet.
func Group(waiting []Alert, now time.Time, window time.Duration, quiet bool) []Issue {
	var issues []Issue
	groups := map[[3]string][]Alert{}
	var order [][3]string
	for _, a := range waiting {
		if a.Critical || window <= 0 && !quiet {
			issues = append(issues, Issue{Alert: a})
			continue
		}
		if quiet {
			continue
		}
		like := [3]string{a.Kind, a.Entity, a.Field}
		if groups[like] == nil {
			order = append(order, like)
		}
		groups[like] = append(groups[like], a)
	}
	for _, like := range order {
		group := groups[like]
		oldest := slices.MinFunc(group, func(a, b Alert) int { return a.At.Compare(b.At) })
		switch {
		case now.Sub(oldest.At) < window:
		case len(group) == 1:
			issues = append(issues, Issue{Alert: group[0]})
		default:
			issues = append(issues, digest(group, now))
		}
	}
	return issues
}

func digest(group []Alert, now time.Time) Issue {
	first, last := group[0], group[0]
	d := Issue{}
	detail := struct {
		From    time.Time `json:"from"`
		To      time.Time `json:"to"`
		IDs     []string  `json:"ids"`
		Samples []string  `json:"samples"`
	}{}
	for _, a := range group {
		d.Members = append(d.Members, a.ID)
		if a.At.Before(first.At) {
			first = a
		}
		if a.At.After(last.At) {
			last = a
		}
		if len(detail.Samples) < digestSamples {
			detail.Samples = append(detail.Samples, a.Summary)
		}
	}
	detail.From, detail.To, detail.IDs = first.At, last.At, d.Members[:min(len(d.Members), digestIDs)]
	what := fmt.Sprintf("%d alerts of kind %s on %s", len(group), group[0].Kind, cmp.Or(group[0].Entity, "the sync"))
	if group[0].Field != "" {
		what += ", field " + group[0].Field
	}
	d.Alert = Alert{
		ID: alertID("digest", d.Members...), At: now, Kind: group[0].Kind, Sync: group[0].Sync, Entity: group[0].Entity, Field: group[0].Field, Count: len(group),
		Summary: fmt.Sprintf("%s between %s and %s; for example: %s", what, first.At.UTC().Format("15:04:05"), last.At.UTC().Format("15:04:05 MST"), group[0].Summary),
	}
	if text, err := json.Marshal(detail); err == nil {
		d.Alert.Detail = text
	}
	return d
}

func alertID(kind string, of ...string) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %q", kind, of)
	b := sum.Sum(nil)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// Delivery is an alert that one target has not taken yet.
type Delivery struct {
	Alert    Alert
	Attempts int // in vain, so far
}

// Quiet are the hours of the day in which only critical alerts are told. The zero value is never.
type Quiet struct {
	From, To time.Duration // since midnight in Zone; From after To goes over midnight; alike is never
	Zone     *time.Location
}

// At reports that it is quiet.
func (q Quiet) At(now time.Time) bool {
	if q.From == q.To {
		return false
	}
	if q.Zone != nil {
		now = now.In(q.Zone)
	}
	hour, minute, second := now.Clock() // the clock on the wall: on the day of a change of summer time as well
	at := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	if q.From < q.To {
		return at >= q.From && at < q.To
	}
	return at >= q.From || at < q.To
}

// ParseQuiet reads hours as 22:00-07:00, in a zone by its IANA name. "" is never.
func ParseQuiet(hours, zone string) (Quiet, error) {
	var q Quiet
	if hours == "" {
		return q, nil
	}
	var h1, m1, h2, m2 int
	if n, err := fmt.Sscanf(hours, "%d:%d-%d:%d", &h1, &m1, &h2, &m2); n != 4 || err != nil || h1|m1|h2|m2 < 0 || h1 > 24 || h2 > 24 || m1 > 59 || m2 > 59 {
		return q, fmt.Errorf("%q is not a stretch of the day: write 22:00-07:00", hours)
	}
	loc, err := time.LoadLocation(cmp.Or(zone, "UTC"))
	if err != nil {
		return q, fmt.Errorf("%q is not a time zone: write its IANA name, Europe/Berlin", zone)
	}
	q.Zone = loc
	q.From, q.To = time.Duration(h1)*time.Hour+time.Duration(m1)*time.Minute, time.Duration(h2)*time.Hour+time.Duration(m2)*time.Minute
	if q.From == q.To {
		return Quiet{}, fmt.Errorf("%q begins when it ends: give two times, or none", hours)
	}
	return q, nil
}

// TopicTarget is the name of the alerts topic among the targets of alerts.
const TopicTarget = "topic"
