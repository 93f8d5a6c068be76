package emulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// attemptsMax is how often an event is tried (reference/webhooks-events-delivery).
const attemptsMax = 8

// Delivered counts what one Deliver did.
type Delivered struct{ Sent, Failed int }

// Deliver closes the aggregation windows that ended by now and posts every
// event that is due, once each. The caller drives it: a simulation in virtual
// time, Server on a real clock. The lock is not held while posting, so the
// receiver may call the API, but not Deliver: one call waits for the other.
func (e *Emulator) Deliver(ctx context.Context, now time.Time) (Delivered, error) {
	e.posting.Lock()
	defer e.posting.Unlock()
	var done Delivered
	if err := e.handshake(ctx); err != nil {
		return done, err
	}
	for _, ev := range e.due(now) {
		e.mu.Lock()
		body := e.st.eventBody(ev)
		to, secret := e.st.hooks.url, e.st.hooks.secret
		e.mu.Unlock()
		err := e.post(ctx, to, secret, body)
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		if err == nil {
			done.Sent++
		} else {
			done.Failed++
			e.cfg.Logger.Debug("webhook not acknowledged", "event", ev.uuid, "attempt", ev.attempts+1, "err", err)
		}
		e.settle(ev, now, err == nil)
	}
	return done, nil
}

// NextDelivery is when Deliver has something to do next; false when nothing waits.
func (e *Emulator) NextDelivery() (time.Time, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var next time.Time
	at := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, g := range e.st.hooks.open {
		at(g.since.Add(e.cfg.Webhook.Window))
	}
	for _, ev := range e.st.hooks.queue {
		at(ev.due)
	}
	return next, !next.IsZero()
}

// due takes a copy of the list of events to try now.
func (e *Emulator) due(now time.Time) []*event {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.st.hooks.active || e.st.hooks.url == "" {
		return nil
	}
	e.st.closeWindows(now)
	var out []*event
	for _, ev := range e.st.hooks.queue {
		if !ev.due.After(now) {
			out = append(out, ev)
		}
	}
	if e.cfg.Webhook.Shuffle {
		e.st.chance.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	return out
}

// settle removes an acknowledged event, or one tried often enough, and puts
// off the next try of any other.
func (e *Emulator) settle(ev *event, now time.Time, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ev.attempts++
	if !ok && ev.attempts < attemptsMax {
		wait := e.cfg.Webhook.RetryBase
		for range ev.attempts - 1 {
			wait *= 4
		}
		ev.due = now.Add(wait)
		return
	}
	q := e.st.hooks.queue
	for i := range q {
		if q[i] == ev {
			e.st.hooks.queue = append(q[:i:i], q[i+1:]...)
			return
		}
	}
}

func (e *Emulator) handshake(ctx context.Context) error {
	e.mu.Lock()
	wanted, to, secret := e.st.hooks.handshake, e.st.hooks.url, e.st.hooks.secret
	e.mu.Unlock()
	if !wanted {
		return nil
	}
	body := appendJSON(nil, obj("verification_token", secret))
	if err := e.post(ctx, to, secret, body); err != nil {
		return fmt.Errorf("send verification token: %w", err)
	}
	e.mu.Lock()
	e.st.hooks.handshake = false
	e.mu.Unlock()
	return nil
}

// SubscribeWebhook makes the subscription point at another URL, as if made anew
// in the UI. An empty secret is drawn. With handshake the verification token is
// posted first, and events start after ConfirmWebhook.
func (e *Emulator) SubscribeWebhook(to, secret string, handshake bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.st.subscribe(to, secret, handshake)
}

// ConfirmWebhook is the person who pastes the verification token into the UI:
// from then on changes raise events.
func (e *Emulator) ConfirmWebhook(token string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if token != e.st.hooks.secret || token == "" {
		return errors.New("confirm webhook: the verification token does not match")
	}
	e.st.hooks.active, e.st.hooks.handshake = true, false
	return nil
}

// post sends one signed body; any 2xx acknowledges it.
func (e *Emulator) post(ctx context.Context, to, secret string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Notion-Webhook/1.0")
	req.Header.Set("X-Notion-Signature", Signature(secret, body))
	resp, err := e.cfg.Webhook.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)); err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}
