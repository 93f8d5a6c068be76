package sink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/sink"
)

// friend is a target that may refuse.
type friend struct {
	name string
	err  func(ledger.Alert) error
	got  []ledger.Alert
}

func (f *friend) Name() string { return f.name }

func (f *friend) Send(_ context.Context, a ledger.Alert) error {
	if f.err != nil {
		if err := f.err(a); err != nil {
			return err
		}
	}
	f.got = append(f.got, a)
	return nil
}

type pub struct {
	got  []kafka.Record
	fail func([]kafka.Record) error
}

func (p *pub) SendBatch(_ context.Context, records []kafka.Record) error {
	if p.fail != nil {
		if err := p.fail(records); err != nil {
			return err
		}
	}
	p.got = append(p.got, records...)
	return nil
}

type tooLarge struct{}

func (tooLarge) Error() string  { return "the record is too large" }
func (tooLarge) TooLarge() bool { return true }

func (o *office) relay(out *pub, friends ...*friend) *sink.Relay {
	r := &sink.Relay{Sync: "acme", Holder: "a", Outbox: o.store, Publisher: out, Topic: "tandem.alerts", Now: o.clock.now, Group: time.Minute, Log: slog.New(slog.DiscardHandler)}
	for _, f := range friends {
		r.Targets = append(r.Targets, f)
	}
	return r
}

func (o *office) raise(alerts ...ledger.Alert) {
	o.t.Helper()
	for i := range alerts {
		alerts[i].Sync, alerts[i].At = "acme", o.clock.now()
	}
	if err := o.store.Raise(o.t.Context(), alerts); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) relayed(r *sink.Relay) {
	o.t.Helper()
	for range 100 {
		n, err := r.RunOnce(o.t.Context())
		if err != nil {
			o.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

func TestAThousandConflictsInAMinuteAreOneDigestAndEveryCriticalOne(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	out, chat := &pub{}, &friend{name: "chat"}
	r := o.relay(out, chat)
	for i := range 1000 {
		o.raise(ledger.Alert{ID: fmt.Sprint("c", i), Kind: "conflict", Entity: "contact", Field: "note", Summary: fmt.Sprint("note of ", i)})
		if i%100 == 0 {
			o.raise(ledger.Alert{ID: fmt.Sprint("x", i), Kind: "conflict", Entity: "contact", Field: "email", Critical: true})
		}
		o.clock.advance(50 * time.Millisecond)
	}
	o.relayed(r)
	if len(chat.got) != 10 || len(out.got) != 10 {
		t.Fatalf("%d told and %d on the topic, want the critical ones at once", len(chat.got), len(out.got))
	}
	o.clock.advance(10 * time.Second)
	o.relayed(r)
	o.clock.advance(time.Hour)
	o.relayed(r)
	if len(chat.got) != 11 || len(out.got) != 11 {
		t.Fatalf("%d told, %d on the topic", len(chat.got), len(out.got))
	}
	if d := chat.got[10]; d.Count != 1000 || d.Field != "note" || !strings.Contains(d.Summary, "1000 alerts of kind conflict on contact, field note") || !strings.Contains(d.Summary, "note of 0") {
		t.Errorf("the digest is %+v", d)
	}
}

func TestATargetThatNeverTakesAnAlertHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	poison := func(a ledger.Alert) error {
		if a.ID == "a" {
			return errors.New("400 Bad Request")
		}
		return nil
	}
	out, chat, mail := &pub{}, &friend{name: "chat", err: poison}, &friend{name: "mail"}
	r := o.relay(out, chat, mail)
	o.raise(ledger.Alert{ID: "a", Kind: "x", Critical: true}, ledger.Alert{ID: "b", Kind: "x", Critical: true})
	o.relayed(r)
	if len(out.got) != 2 || len(mail.got) != 2 || len(chat.got) != 1 || chat.got[0].ID != "b" {
		t.Fatalf("topic %d, mail %d, chat %v", len(out.got), len(mail.got), chat.got)
	}
	tries := 0
	chat.err = func(ledger.Alert) error { tries++; return errors.New("400 Bad Request") }
	for range 72 {
		o.clock.advance(time.Hour)
		o.relayed(r)
	}
	if tries < 20 || tries > 40 {
		t.Errorf("%d attempts in three days", tries)
	}
	if len(out.got) != 2 || len(mail.got) != 2 {
		t.Errorf("the others were told again: %d, %d", len(out.got), len(mail.got))
	}
}

func TestARecordThatKafkaNeverTakesHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	out, chat := &pub{}, &friend{name: "chat"}
	out.fail = func(records []kafka.Record) error {
		for _, r := range records {
			if string(r.Key) == "a" {
				return tooLarge{}
			}
		}
		return nil
	}
	r := o.relay(out, chat)
	o.raise(ledger.Alert{ID: "a", Kind: "x", Critical: true}, ledger.Alert{ID: "b", Kind: "x", Critical: true})
	o.relayed(r)
	if len(out.got) != 1 || len(chat.got) != 2 {
		t.Fatalf("topic %d, chat %d", len(out.got), len(chat.got))
	}
	// While Kafka is away the others are told all the same.
	out.fail = func([]kafka.Record) error { return errors.New("no broker") }
	o.raise(ledger.Alert{ID: "c", Kind: "x", Critical: true})
	if _, err := r.RunOnce(t.Context()); err == nil || len(chat.got) != 3 {
		t.Errorf("%v, chat %d", err, len(chat.got))
	}
}

func TestQuietHoursKeepWhatIsNotCritical(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	out := &pub{}
	r := o.relay(out)
	r.Quiet = ledger.Quiet{From: 8 * time.Hour, To: 10 * time.Hour, Zone: time.UTC} // it is nine
	o.raise(ledger.Alert{ID: "a", Kind: "x"}, ledger.Alert{ID: "b", Kind: "x"}, ledger.Alert{ID: "c", Kind: "x", Critical: true})
	o.clock.advance(30 * time.Minute)
	o.relayed(r)
	if len(out.got) != 1 {
		t.Fatalf("%d told, want the critical one", len(out.got))
	}
	o.clock.advance(time.Hour)
	o.relayed(r)
	if len(out.got) != 2 {
		t.Errorf("%d told after the quiet hours, want one digest more", len(out.got)-1)
	}
}

func TestTwoSyncsDoNotMixTheirAlerts(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	mine, theirs := &pub{}, &pub{}
	r, s := o.relay(mine), o.relay(theirs)
	s.Sync = "other"
	o.raise(ledger.Alert{ID: "a", Kind: "x", Critical: true})
	o.relayed(s)
	o.relayed(r)
	if len(mine.got) != 1 || len(theirs.got) != 0 {
		t.Errorf("mine %d, the other sync's %d", len(mine.got), len(theirs.got))
	}
}

// A crash between telling and recording tells once more, under the same id.
func TestAnAlertIsToldAtLeastOnceUnderOneID(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	out := &pub{}
	var log bytes.Buffer
	r := o.relay(out)
	r.Log = slog.New(slog.NewTextHandler(&log, nil))
	o.raise(ledger.Alert{ID: "a", Kind: "x"}, ledger.Alert{ID: "b", Kind: "x"})
	o.clock.advance(2 * time.Minute)
	r.Outbox = forgetful{o.store}
	if _, err := r.RunOnce(t.Context()); err == nil {
		t.Fatal("it does not see that the ledger is away")
	}
	r.Outbox = o.store
	o.relayed(r)
	if len(out.got) != 2 || string(out.got[0].Key) != string(out.got[1].Key) {
		t.Errorf("told as %v", out.got)
	}
}

type forgetful struct{ sink.Outbox }

func (forgetful) Delivered(context.Context, string, []string, time.Time) error {
	return errors.New("the database is away")
}

func TestTheEndOfAHoldIsTold(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", nil)
	out := &pub{}
	r := o.relay(out)
	delete(o.rows["contact"].rows, "1")
	o.changed("contact", "1") // gone without a delete
	o.run(ledger.Notion, ledger.CRM)
	o.clock.advance(time.Minute)
	o.relayed(r)
	if len(out.got) != 1 || !strings.Contains(string(out.got[0].Value), `"hold"`) {
		t.Fatalf("told %v", out.got)
	}
	o.put("contact", "1", nil)
	o.run(ledger.Notion, ledger.CRM)
	o.clock.advance(10 * time.Second)
	o.relayed(r)
	o.clock.advance(time.Minute)
	o.relayed(r)
	if len(out.got) != 2 || !strings.Contains(string(out.got[1].Value), `"recovered"`) || !strings.Contains(string(out.got[1].Value), page) {
		t.Errorf("told %v", out.got)
	}
}
