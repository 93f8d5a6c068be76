package notion_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/notionapi"
	source "github.com/tandem-sync/tandem/source/notion"
)

const (
	secret = "secret_of_the_subscription"
	bot    = "11111111-1111-4111-8111-111111111111"
	ada    = "22222222-2222-4222-8222-222222222222"
	page1  = "33333333-3333-4333-8333-333333333333"
)

func sign(body, token string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func event(id, kind string, authors ...string) string {
	var who []string
	for _, a := range authors {
		who = append(who, fmt.Sprintf(`{"id":%q,"type":"person"}`, a))
	}
	return fmt.Sprintf(`{"id":%q,"timestamp":"2026-11-22T09:00:31.250Z","type":%q,"authors":[%s],"entity":{"id":%q,"type":"page"},"data":{"parent":{"id":"d","type":"data_source","data_source_id":"44444444-4444-4444-8444-444444444444"},"updated_properties":["p1","%%3Aab"]}}`,
		id, kind, strings.Join(who, ","), page1)
}

// receiver is a webhook with what it passed on.
func receiver(t *testing.T) (*source.Webhook, *[]source.Hint) {
	t.Helper()
	var hints []source.Hint
	return &source.Webhook{Path: "/notion/webhook", TokenFile: filepath.Join(t.TempDir(), "state", "token"), BotID: strings.ReplaceAll(bot, "-", ""),
		Wake: func(h source.Hint) { hints = append(hints, h) }, Log: slog.New(slog.DiscardHandler)}, &hints
}

func deliver(w http.Handler, method, path, body, signature string) int {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set(notionapi.SignatureHeader, signature)
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return rec.Code
}

func TestAWebhookIsVerifiedBeforeItIsBelieved(t *testing.T) {
	t.Parallel()
	w, hints := receiver(t)
	w.Trust(secret)
	good := event("e1", "page.properties_updated", ada)
	for _, tt := range []struct {
		name, method, path, body, signature string
		status                              int
	}{
		{"another's signature", "POST", w.Path, good, sign(good, "another"), http.StatusUnauthorized},
		{"none", "POST", w.Path, good, "", http.StatusUnauthorized},
		{"of another body", "POST", w.Path, good, sign(good+" ", secret), http.StatusUnauthorized},
		{"another path", "POST", "/", good, sign(good, secret), http.StatusNotFound},
		{"another method", "GET", w.Path, good, sign(good, secret), http.StatusMethodNotAllowed},
		{"too much", "POST", w.Path, strings.Repeat(" ", 1<<20+1), "", http.StatusRequestEntityTooLarge},
		{"a second handshake", "POST", w.Path, `{"verification_token":"stolen"}`, sign(`{"verification_token":"stolen"}`, "stolen"), http.StatusUnauthorized},
	} {
		if got := deliver(w, tt.method, tt.path, tt.body, tt.signature); got != tt.status {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.status)
		}
	}
	if len(*hints) != 0 {
		t.Fatalf("believed: %+v", *hints)
	}
	if got := deliver(w, "POST", w.Path, good, sign(good, secret)); got != http.StatusOK || len(*hints) != 1 {
		t.Fatalf("%d, %+v", got, *hints)
	}
	h := (*hints)[0]
	if h.Page != page1 || h.DataSource != "44444444-4444-4444-8444-444444444444" || len(h.Properties) != 2 || !h.At.Equal(time.Date(2026, 11, 22, 9, 0, 31, 250e6, time.UTC)) {
		t.Errorf("%+v", h)
	}
}

func TestRepeatsAndEchoesWakeNobody(t *testing.T) {
	t.Parallel()
	w, hints := receiver(t)
	w.Trust(secret)
	for _, body := range []string{
		event("e1", "page.properties_updated", ada), event("e1", "page.properties_updated", ada), // once more
		event("e2", "page.properties_updated", bot),      // our own
		event("e3", "page.properties_updated", bot, ada), // hers too: news
		event("e4", "data_source.schema_updated", ada),   // no page
		event("e5", "page.deleted"),                      // nobody is named
	} {
		if got := deliver(w, "POST", w.Path, body, sign(body, secret)); got != http.StatusOK {
			t.Errorf("%d for %s", got, body)
		}
	}
	if len(*hints) != 3 {
		t.Errorf("%d hints, want those of e1, e3 and e5: %+v", len(*hints), *hints)
	}
}

func TestTheHandshakeKeepsItsToken(t *testing.T) {
	t.Parallel()
	w, hints := receiver(t)
	early := event("e0", "page.created", ada)
	if got := deliver(w, "POST", w.Path, early, sign(early, secret)); got != http.StatusUnauthorized {
		t.Errorf("an event before the handshake: %d", got)
	}
	hello := fmt.Sprintf(`{"verification_token":%q}`, secret)
	if got := deliver(w, "POST", w.Path, hello, sign(hello, "another")); got != http.StatusUnauthorized {
		t.Errorf("a handshake that is not signed with its token: %d", got)
	}
	if got := deliver(w, "POST", w.Path, hello, sign(hello, secret)); got != http.StatusOK {
		t.Fatalf("the handshake: %d", got)
	}
	info, err := os.Stat(w.TokenFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	// A process that starts later knows it.
	next, _ := receiver(t)
	next.TokenFile, next.Listen = w.TokenFile, "127.0.0.1:0"
	next.Wake = func(h source.Hint) { *hints = append(*hints, h) }
	if err := next.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer next.Stop()
	body := event("e1", "page.created", ada)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+next.Addr().String()+w.Path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(notionapi.SignatureHeader, sign(body, secret))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(*hints) != 1 {
		t.Errorf("%d, %+v", resp.StatusCode, *hints)
	}
}
