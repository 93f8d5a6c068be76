package notion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// Webhook receives Notion's events: it verifies, forgets repeats, and wakes the pollers. What an event says is a hint and never the data.
//
// Notion sends to public https addresses only: put a reverse proxy in front, and let this listen on the loopback interface.
type Webhook struct {
	lifecycle.Runner

	Listen    string // host:port
	Path      string // of the URL that Notion was given
	TokenFile string // keeps the verification token: written at the handshake, read at each start. Mode 0600
	BotID     string // our own bot: events by nobody else are echoes, which cost no request
	Wake      func(Hint)
	Keep      func(ctx context.Context, e ledger.Edit) error // keeps what is told of people's edits, before the delivery is acknowledged; nil keeps nothing
	Log       *slog.Logger

	mu    sync.Mutex
	token notionapi.Token
	seen  map[string]bool // event ids
	order []string        // of seen, oldest first
	addr  net.Addr
}

// Limits of the receiver.
const (
	webhookBodyMax = 1 << 20 // an event without content takes a few hundred bytes
	seenMax        = 10_000  // event ids remembered: a repeat comes within a day
)

// Trust sets the verification token of a subscription that was made before.
func (w *Webhook) Trust(token notionapi.Token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.token = token
}

// Start listens.
func (w *Webhook) Start(ctx context.Context) error {
	if err := w.load(); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", w.Listen)
	if err != nil {
		return fmt.Errorf("listen for webhooks: %w", err)
	}
	w.mu.Lock()
	w.addr = listener.Addr()
	w.mu.Unlock()
	server := &http.Server{
		Handler: w, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 15 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	w.Run(ctx, func(ctx context.Context) error { return serve(ctx, server, listener) })
	return nil
}

func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(sctx) // what it cannot end in time ends with the listener
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve webhooks: %w", err)
	}
	return nil
}

// Addr is where it listens, nil before Start.
func (w *Webhook) Addr() net.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.addr
}

// ServeHTTP takes one delivery.
func (w *Webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path != w.Path {
		http.NotFound(rw, r)
		return
	}
	if r.Method != http.MethodPost {
		rw.Header().Set("Allow", http.MethodPost)
		http.Error(rw, "want POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, webhookBodyMax))
	if err != nil {
		http.Error(rw, "the body is too large or was cut", http.StatusRequestEntityTooLarge)
		return
	}
	err = w.accept(r.Context(), body, r.Header.Get(notionapi.SignatureHeader))
	if errors.Is(err, errNotKept) {
		w.Log.WarnContext(r.Context(), "webhook not taken, Notion sends it again", "reason", err.Error())
		http.Error(rw, "try again later", http.StatusServiceUnavailable)
		return
	}
	if err != nil {
		w.Log.WarnContext(r.Context(), "webhook refused", "reason", err.Error())
		http.Error(rw, err.Error(), http.StatusUnauthorized)
		return
	}
	rw.WriteHeader(http.StatusOK)
}

var errSignature = errors.New("the signature is not that of our subscription")

// accept verifies a delivery and passes its hint on.
func (w *Webhook) accept(ctx context.Context, body []byte, signature string) error {
	w.mu.Lock()
	token := w.token
	w.mu.Unlock()
	if token == "" {
		return w.handshake(body, signature)
	}
	if !notionapi.VerifySignature(body, signature, token) {
		return errSignature
	}
	event, err := notionapi.DecodeWebhook(body)
	if err != nil {
		return err
	}
	return w.Deliver(ctx, event)
}

// Deliver takes a verified event. One whose edits could not be kept must come again.
func (w *Webhook) Deliver(ctx context.Context, event notionapi.WebhookEvent) error {
	if err := w.keep(ctx, event); err != nil {
		return fmt.Errorf("%w: %w", errNotKept, err)
	}
	w.Take(event)
	return nil
}

var errNotKept = errors.New("what it tells cannot be kept")

// keep keeps what an event tells of people's edits: it may be a while until it is known whether one of them was overwritten.
func (w *Webhook) keep(ctx context.Context, event notionapi.WebhookEvent) error {
	authors := w.people(event)
	if w.Keep == nil || event.PageID == "" || len(event.UpdatedProperties) == 0 || len(authors) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return w.Keep(ctx, ledger.Edit{Page: event.PageID, Properties: event.UpdatedProperties, Authors: authors, At: event.Time})
}

// Take passes the hint of a verified event on, unless it was heard before or tells of nothing but our own writes.
func (w *Webhook) Take(event notionapi.WebhookEvent) {
	if event.VerificationToken != "" || w.repeat(event.ID) || w.BotID != "" && event.OnlyBy(w.BotID) {
		return
	}
	if strings.HasPrefix(event.Type, "page.") {
		w.Wake(Hint{Page: event.PageID, DataSource: event.DataSourceID, Properties: event.UpdatedProperties, At: event.Time, Authors: w.people(event)})
	}
}

// people are the authors of an event that are not programs.
func (w *Webhook) people(event notionapi.WebhookEvent) []string {
	var ids []string
	ours, _ := notionapi.ObjectID(w.BotID)
	for _, a := range event.Authors {
		if a.Type != "bot" && a.ID != ours {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// handshake takes the verification token, once: it comes signed with itself, and a person has to paste it into Notion.
func (w *Webhook) handshake(body []byte, signature string) error {
	event, err := notionapi.DecodeWebhook(body)
	if err != nil {
		return err
	}
	if event.VerificationToken == "" {
		return errors.New("no verification token is known yet: make the subscription in Notion first")
	}
	if !notionapi.VerifySignature(body, signature, event.VerificationToken) {
		return errSignature
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.store(event.VerificationToken); err != nil {
		return fmt.Errorf("keep the verification token: %w", err)
	}
	w.token = event.VerificationToken
	w.Log.Info("webhook verification token received: paste it into Notion", "file", w.TokenFile)
	return nil
}

func (w *Webhook) store(token notionapi.Token) error {
	if err := os.MkdirAll(filepath.Dir(w.TokenFile), 0o700); err != nil {
		return err
	}
	return os.WriteFile(w.TokenFile, []byte(string(token)+"\n"), 0o600)
}

func (w *Webhook) load() error {
	data, err := os.ReadFile(w.TokenFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the webhook's verification token: %w", err)
	}
	w.Trust(notionapi.Token(strings.TrimSpace(string(data))))
	return nil
}

// repeat reports that the event came before.
func (w *Webhook) repeat(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[id] {
		return true
	}
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	w.seen[id] = true
	w.order = append(w.order, id)
	if len(w.order) > seenMax {
		delete(w.seen, w.order[0])
		w.order = w.order[1:]
	}
	return false
}
