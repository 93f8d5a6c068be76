package emulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// inbox is a webhook receiver in process; status decides each answer.
type inbox struct {
	t      *testing.T
	secret string
	status func(n int) int
	got    []answer
}

func (b *inbox) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, _ := io.ReadAll(r.Body)
	if want := Signature(b.secret, raw); b.secret != "" && r.Header.Get("X-Notion-Signature") != want {
		b.t.Errorf("signature %q, want %q", r.Header.Get("X-Notion-Signature"), want)
	}
	a := answer{raw: string(raw), header: r.Header}
	if err := json.Unmarshal(raw, &a.json); err != nil {
		b.t.Error(err)
	}
	b.got = append(b.got, a)
	status := 200
	if b.status != nil {
		status = b.status(len(b.got))
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Body: io.NopCloser(strings.NewReader(""))}, nil
}

func (b *inbox) kinds() string {
	var out []string
	for _, a := range b.got {
		out = append(out, a.str("type"))
	}
	return strings.Join(out, " ")
}

func hooked(t *testing.T, change func(*Config)) (*world, *inbox) {
	b := &inbox{t: t, secret: "secret_x"}
	w := newWorld(t, func(c *Config) {
		c.Webhook = WebhookConfig{URL: "http://receiver.test/hook", Secret: b.secret, Window: 10 * time.Second, Client: &http.Client{Transport: b}}
		if change != nil {
			change(c)
		}
	})
	return w, b
}

// deliver lets the window pass and delivers.
func (w *world) deliver(after time.Duration) Delivered {
	w.Helper()
	w.clock.advance(after)
	d, err := w.e.Deliver(w.Context(), w.clock.t)
	if err != nil {
		w.Fatal(err)
	}
	return d
}

func TestWebhookAggregation(t *testing.T) {
	t.Parallel()
	w, b := hooked(t, nil)
	_, src := w.table("T", `{"Name":{"title":{}},"N":{"number":{}},"M":{"number":{}}}`)
	_, other := w.table("Other", `{"Name":{"title":{}}}`)
	id := w.row(src, `{"N":{"number":1}}`)
	ada := w.e.Person(w.e.PersonID("Ada Lovelace"))
	w.ok("PATCH", "/v1/pages/"+id, `{"properties":{"N":{"number":2}}}`)
	if w.deliver(9 * time.Second); len(b.got) != 0 {
		t.Fatalf("told before the window ended: %s", b.kinds())
	}
	w.deliver(time.Second)
	if got := b.kinds(); got != "database.created data_source.created database.created data_source.created page.created" {
		t.Fatalf("events %s", got)
	}

	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"two writes by two authors are one event", func() {
			w.ok("PATCH", "/v1/pages/"+id, `{"properties":{"N":{"number":3}}}`)
			ada.Edit(id, map[string]any{"M": map[string]any{"number": 4}})
		}, "page.properties_updated"},
		{"a value that is put back is told to nobody", func() {
			ada.Edit(id, map[string]any{"N": map[string]any{"number": 9}})
			ada.Edit(id, map[string]any{"N": map[string]any{"number": 3}})
		}, ""},
		{"trash and restore cancel", func() { ada.Trash(id); ada.Restore(id) }, ""},
		{"made and gone is nothing", func() {
			id, err := ada.Create(src, map[string]any{})
			if err == nil {
				err = ada.Trash(id)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"trash", func() { ada.Trash(id) }, "page.deleted data_source.content_updated"},
		{"restore", func() { ada.Restore(id) }, "page.undeleted data_source.content_updated"},
		{"a row more", func() { w.row(src, `{}`) }, "page.created data_source.content_updated"},
		{"gone to another table", func() {
			w.ok("POST", "/v1/pages/"+w.row(src, `{}`)+"/move", `{"parent":{"data_source_id":"`+other+`"}}`)
		},
			"page.created data_source.content_updated"},
		{"a title is content and a property", func() {
			ada.Edit(id, map[string]any{"Name": map[string]any{"title": []any{map[string]any{"text": map[string]any{"content": "t"}}}}})
		}, "page.content_updated page.properties_updated"},
		{"schema", func() { ada.RenameProperty(src, "M", "Mm") }, "data_source.schema_updated"},
		{"comment", func() { ada.Comment(id, "hello") }, "comment.created"},
		{"a refused request tells nothing", func() {
			w.do("PATCH", "/v1/data_sources/"+src, `{"properties":{"X":{"number":{}},"Nope":null}}`)
		}, ""},
	}
	for _, s := range steps {
		b.got = nil
		s.do()
		w.deliver(10 * time.Second)
		if got := b.kinds(); got != s.want {
			t.Errorf("%s: told %q, want %q", s.name, got, s.want)
		}
		if s.want == "page.properties_updated" && len(b.got) == 1 {
			if n := len(b.got[0].at("authors").([]any)); n != 2 {
				t.Errorf("%s: %d authors in %s", s.name, n, b.got[0].raw)
			}
			if n := len(b.got[0].at("data", "updated_properties").([]any)); n != 2 {
				t.Errorf("%s: %s", s.name, b.got[0].raw)
			}
		}
	}
}

// TestWebhookRetry counts attempts until the last one.
func TestWebhookRetry(t *testing.T) {
	t.Parallel()
	w, b := hooked(t, nil)
	b.status = func(int) int { return 500 }
	w.ok("POST", "/v1/pages", `{"parent":{"page_id":"`+testRoot+`"},"properties":{"title":[{"text":{"content":"x"}}]}}`)
	w.deliver(10 * time.Second)
	for range 20 {
		next, ok := w.e.NextDelivery()
		if !ok {
			break
		}
		w.clock.t = next
		w.deliver(0)
	}
	if len(b.got) != 8 {
		t.Fatalf("%d attempts, want 8", len(b.got))
	}
	if b.got[7].at("attempt_number") != 8.0 || b.got[7].str("id") != b.got[0].str("id") {
		t.Errorf("last attempt %s", b.got[7].raw)
	}
	if span := w.clock.t.Sub(time.Date(2026, 11, 22, 10, 30, 25, 0, time.UTC)); span < 20*time.Hour || span > 28*time.Hour {
		t.Errorf("the attempts span %v, want about a day", span)
	}
}

func TestWebhookHandshake(t *testing.T) {
	t.Parallel()
	w, b := hooked(t, func(c *Config) { c.Webhook.Handshake = true })
	page := `{"parent":{"page_id":"` + testRoot + `"},"properties":{}}`
	w.ok("POST", "/v1/pages", page)
	w.deliver(time.Minute)
	if len(b.got) != 1 || b.got[0].raw != `{"verification_token":"secret_x"}` {
		t.Fatalf("handshake sent %v", b.got)
	}
	if err := w.e.ConfirmWebhook("wrong"); err == nil {
		t.Error("a wrong token is confirmed")
	}
	if err := w.e.ConfirmWebhook("secret_x"); err != nil {
		t.Error(err)
	}
	w.ok("POST", "/v1/pages", page)
	w.deliver(time.Minute)
	if got := b.kinds(); got != " page.created" {
		t.Errorf("after the handshake: %q", got)
	}
}

func TestWebhookTrouble(t *testing.T) {
	t.Parallel()
	count := func(change func(*WebhookConfig)) int {
		w, b := hooked(t, func(c *Config) { change(&c.Webhook) })
		for range 40 {
			w.ok("POST", "/v1/pages", `{"parent":{"page_id":"`+testRoot+`"},"properties":{}}`)
		}
		w.deliver(time.Minute)
		return len(b.got)
	}
	if n := count(func(c *WebhookConfig) { c.Shuffle = true }); n != 40 {
		t.Errorf("shuffled: %d events, want 40", n)
	}
	if n := count(func(c *WebhookConfig) { c.LossChance = 0.5 }); n < 8 || n > 32 {
		t.Errorf("half lost: %d events of 40", n)
	}
	if n := count(func(c *WebhookConfig) { c.RepeatChance = 0.5 }); n < 48 || n > 72 {
		t.Errorf("half repeated: %d events of 40", n)
	}
}

// TestReceiverCallsBack reads the page from inside the delivery, and a second
// Deliver that waits for the first posts nothing twice.
func TestReceiverCallsBack(t *testing.T) {
	t.Parallel()
	w, b := hooked(t, nil)
	b.status = func(n int) int {
		if a := w.do("GET", "/v1/pages/"+b.got[n-1].str("entity", "id"), ""); a.status != 200 {
			t.Errorf("the page of an event reads %s", a.raw)
		}
		return 204
	}
	w.ok("POST", "/v1/pages", `{"parent":{"page_id":"`+testRoot+`"},"properties":{}}`)
	w.clock.advance(time.Minute)
	done := make(chan error)
	for range 2 {
		go func() {
			_, err := w.e.Deliver(w.Context(), w.clock.t)
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if len(b.got) != 1 {
		t.Errorf("%d deliveries of one event", len(b.got))
	}
}
