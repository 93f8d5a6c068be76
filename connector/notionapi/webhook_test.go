package notionapi_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

func TestVerifySignature(t *testing.T) {
	t.Parallel()
	body := []byte(`{"verification_token":"secret_x"}`)
	mac := hmac.New(sha256.New, []byte("secret_x"))
	mac.Write(body)
	good := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	empty := hmac.New(sha256.New, nil)
	empty.Write(body)
	for name, tc := range map[string]struct {
		body   string
		header string
		token  notionapi.Token
		want   bool
	}{
		"good":                            {string(body), good, "secret_x", true},
		"another body":                    {string(body) + " ", good, "secret_x", false},
		"another token":                   {string(body), good, "secret_y", false},
		"cut":                             {string(body), good[:len(good)-2], "secret_x", false},
		"no scheme":                       {string(body), strings.TrimPrefix(good, "sha256="), "secret_x", false},
		"no hex":                          {string(body), "sha256=zz", "secret_x", false},
		"nothing":                         {string(body), "", "secret_x", false},
		"no token must not be a password": {string(body), "sha256=" + hex.EncodeToString(empty.Sum(nil)), "", false},
	} {
		if got := notionapi.VerifySignature([]byte(tc.body), tc.header, tc.token); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}

// What the emulator delivers is verified, read, and told apart: our own writes from a person's.
func TestWebhooksFromTheEmulator(t *testing.T) {
	t.Parallel()
	var events []notionapi.WebhookEvent
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if !notionapi.VerifySignature(body, r.Header.Get(notionapi.SignatureHeader), "secret_hook") {
			t.Errorf("signature %q does not fit", r.Header.Get(notionapi.SignatureHeader))
		}
		event, err := notionapi.DecodeWebhook(body)
		if err != nil {
			t.Error(err)
		}
		events = append(events, event)
	}))
	t.Cleanup(receiver.Close)
	hook := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	w := newWorld(t, func(e *emulator.Config, _ *notionapi.Config) {
		e.Webhook = emulator.WebhookConfig{URL: receiver.URL, Secret: "secret_hook", Client: hook}
	})
	ds := w.source(t, "T", notionapi.PropertySpec{Name: "N o", Type: notionapi.TypeNumber})
	n := mustProperty(t, ds, "N o").ID
	page := w.row(t, ds, "one")
	deliver := func() []notionapi.WebhookEvent {
		events = nil
		w.clock.Advance(time.Minute)
		if _, err := w.emu.Deliver(t.Context(), w.clock.Now()); err != nil {
			t.Fatal(err)
		}
		return events
	}
	deliver()

	if _, err := w.client.UpdatePage(t.Context(), page.ID, notionapi.PageUpdate{Properties: map[string]notionapi.PropertyWrite{n: write(t, notionapi.TypeNumber, change.IntValue(1))}}); err != nil {
		t.Fatal(err)
	}
	got := only(t, deliver(), "page.properties_updated")
	if got.PageID != page.ID || got.DataSourceID != ds.ID || got.Attempt != 1 || got.Time.IsZero() || !got.OnlyBy(page.CreatedBy) {
		t.Errorf("our own write: %+v", got)
	}
	if diff := cmp.Diff([]string{notionapi.CanonicalID(n)}, got.UpdatedProperties); diff != "" {
		t.Errorf("updated properties (-want +got):\n%s", diff)
	}

	if err := w.emu.Person(w.emu.PersonID("Ada Lovelace")).Edit(page.ID, map[string]any{"N o": map[string]any{"number": 2}}); err != nil {
		t.Fatal(err)
	}
	if got := only(t, deliver(), "page.properties_updated"); got.OnlyBy(page.CreatedBy) || !got.OnlyBy(w.emu.PersonID("Ada Lovelace")) {
		t.Errorf("a person's edit: %+v", got)
	}
	if _, err := w.client.UpdateDataSource(t.Context(), ds.ID, notionapi.SchemaChange{Rename: map[string]string{n: "No"}}); err != nil {
		t.Fatal(err)
	}
	if got := only(t, deliver(), "data_source.schema_updated"); got.DataSourceID != ds.ID || len(got.UpdatedProperties) != 1 || got.UpdatedProperties[0] != notionapi.CanonicalID(n) {
		t.Errorf("a schema change: %+v", got)
	}
}

func only(t *testing.T, events []notionapi.WebhookEvent, eventType string) notionapi.WebhookEvent {
	t.Helper()
	var found []notionapi.WebhookEvent
	for _, e := range events {
		if e.Type == eventType {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d events %s among %+v, want 1", len(found), eventType, events)
	}
	return found[0]
}

func TestDecodeWebhook(t *testing.T) {
	t.Parallel()
	if e, err := notionapi.DecodeWebhook([]byte(`{"verification_token":"secret_x"}`)); err != nil || e.VerificationToken != "secret_x" {
		t.Errorf("handshake: %+v, %v", e, err)
	}
	e, err := notionapi.DecodeWebhook([]byte(`{"id":"e","type":"comment.created","entity":{"id":"c","type":"comment"},"data":{"page_id":"11111111222233334444555555555555","new":[1]},"authors":[{"id":"a","type":"agent"},{"id":"b","type":"person"}]}`))
	if err != nil || e.PageID != "11111111-2222-3333-4444-555555555555" || e.OnlyBy("a") {
		t.Errorf("comment: %+v, %v", e, err)
	}
	for _, bad := range []string{``, `[]`, `{}`, `{"id":"x"}`, `{"id":1,"type":"page.created"}`} {
		if _, err := notionapi.DecodeWebhook([]byte(bad)); err == nil {
			t.Errorf("%q was taken for an event", bad)
		}
	}
	if (notionapi.WebhookEvent{}).OnlyBy("a") {
		t.Error("an event without authors is taken for our own")
	}
}
