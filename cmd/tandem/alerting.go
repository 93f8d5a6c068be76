package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/alert"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/sink"
)

// alertKeys say whom a sink tells of alerts beside the topic, and when.
type alertKeys struct {
	URLs  config.Secret
	Group time.Duration
	Hours string
	Zone  string
}

func (k *alertKeys) Define(s *config.Set) {
	const group = "Alerts"
	s.Password(&k.URLs, config.Key{Name: "alerts.urls", Group: group,
		Doc: "Whom alerts are told beside the topic: addresses of services with blanks between them, as shoutrrr writes them (slack://, teams://, " +
			"discord://, matrix://, smtp://, ntfy://, generic+https:// and more). They hold secrets: best as references, ${env:ALERT_URLS}."})
	s.Duration(&k.Group, config.Key{Name: "alerts.group.ms", Default: "60000", Group: group, Validate: config.Between(0, 86_400_000),
		Doc: "Alerts that are not critical wait so long for their like (kind, entity, field), and are told as one, in milliseconds. Critical ones never wait."})
	s.String(&k.Hours, config.Key{Name: "alerts.quiet.hours", Group: group,
		Doc: "The hours of the day in which only critical alerts are told, as 22:00-07:00. The others are told when they are over."})
	s.String(&k.Zone, config.Key{Name: "alerts.time.zone", Default: "UTC", Group: group, Importance: config.Low, Doc: "The time zone of alerts.quiet.hours, as Europe/Berlin."})
}

// problems says what is wrong with them; no address is in it.
func (k *alertKeys) problems() config.Problems {
	var problems config.Problems
	if _, err := ledger.ParseQuiet(k.Hours, k.Zone); err != nil {
		problems.Errorf("alerts.quiet.hours", "%v", err)
	}
	if _, err := alert.Parse(k.URLs.Reveal()); err != nil {
		problems.Errorf("alerts.urls", "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return problems
}

func (k *alertKeys) open() (ledger.Quiet, []sink.AlertTarget, error) {
	quiet, err := ledger.ParseQuiet(k.Hours, k.Zone)
	if err != nil {
		return quiet, nil, err
	}
	found, err := alert.Parse(k.URLs.Reveal())
	var targets []sink.AlertTarget
	for _, t := range found {
		targets = append(targets, alertTarget{t})
	}
	return quiet, targets, err
}

// alertTarget tells a service in words.
type alertTarget struct{ *alert.Target }

// Send implements sink.AlertTarget.
func (t alertTarget) Send(ctx context.Context, a ledger.Alert) error {
	return t.Target.Send(ctx, alertMessage(a))
}

func alertMessage(a ledger.Alert) alert.Message {
	title := "Tandem: " + a.Kind
	if a.Critical {
		title = "Tandem: critical " + a.Kind
	}
	if a.Count > 1 {
		title += fmt.Sprintf(" ×%d", a.Count)
	}
	if a.Entity != "" {
		title += " on " + strings.TrimSpace(a.Entity+" "+cmp.Or(a.Key, a.Page))
	}
	text := a.Summary
	if a.Page != "" {
		text += "\nhttps://www.notion.so/" + strings.ReplaceAll(a.Page, "-", "")
	}
	return alert.Message{ID: a.ID, Title: printable(title), Text: text}
}
