package simulation

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	sinknotion "github.com/tandem-sync/tandem/sink/notion"
	source "github.com/tandem-sync/tandem/source/notion"
)

// emulated is the emulator behind the client that ships, with its transport stack, its codec and its budget: what the model leaves out.
type emulated struct {
	w       *world
	emu     *emulator.Emulator
	person  *emulator.Person
	pages   []string          // all that were made, in order
	entity  map[string]string // page → entity
	hidden  map[string]bool
	deliver func(req *http.Request) *http.Response
	wrote   map[string]map[string]stamp // page → field → who wrote it last, and when
}

const (
	webhookPath   = "/notion/webhook"
	webhookSecret = "secret_simulated"
	token         = "ntn_simulated"
)

func newEmulated(w *world) workspace {
	m := &emulated{w: w, entity: map[string]string{}, hidden: map[string]bool{}, wrote: map[string]map[string]stamp{}}
	hook := emulator.WebhookConfig{}
	if w.shape.webhooks {
		hook = emulator.WebhookConfig{URL: "http://tandem.test" + webhookPath, Secret: webhookSecret, Shuffle: true, Client: &http.Client{Transport: hookWire{m}}}
	}
	m.emu = emulator.New(emulator.Config{
		Token: token, Limit: -1, IndexLag: w.shape.lag, Now: func() time.Time { return w.now },
		Random: rand.NewPCG(w.options.Seed, 7), Sleep: func(_ context.Context, d time.Duration) { w.advance(d) }, Webhook: hook,
	})
	m.person = m.emu.Person(m.emu.PersonID("Ada Lovelace"))
	m.pump()
	return m
}

// stillSince is never known of the emulator: all polls are played.
func (m *emulated) stillSince(time.Time) bool { return false }

func (m *emulated) bot() string { return m.emu.BotID(token) }

// pump lets the emulator deliver what is due.
func (m *emulated) pump() {
	wait := time.Second
	if m.w.fires(webhookLate) {
		wait = 90 * time.Second
	}
	m.w.after(wait, func() {
		if _, due := m.emu.NextDelivery(); due {
			_, _ = m.emu.Deliver(m.w.context(), m.w.now) // what cannot be delivered is tried again by the emulator itself
		}
		m.pump()
	})
}

// hookWire carries webhooks from the emulator to the receiver of whichever process listens.
type hookWire struct{ m *emulated }

// RoundTrip implements http.RoundTripper.
func (h hookWire) RoundTrip(req *http.Request) (*http.Response, error) {
	switch {
	case h.m.w.fires(webhookLost):
		return answer(req, http.StatusOK, "text/plain", "", nil), nil // accepted by somebody, and never seen again
	case h.m.deliver == nil:
		return answer(req, http.StatusBadGateway, "text/plain", "", nil), nil
	}
	return h.m.deliver(req), nil
}

func (m *emulated) receive(p *process, receiver *source.Webhook) {
	m.deliver = func(req *http.Request) *http.Response {
		if p.dead {
			return answer(req, http.StatusBadGateway, "text/plain", "", nil)
		}
		rec := httptest.NewRecorder()
		receiver.ServeHTTP(rec, req)
		return rec.Result()
	}
}

// wired is a process's connection.
type wired struct {
	*notionapi.Client
	p      *process
	schema *sinknotion.Schema
}

func (m *emulated) connect(p *process) connection {
	w := m.w
	sleep := func(_ context.Context, d time.Duration) error {
		w.advance(d)
		return p.alive()
	}
	client, err := notionapi.New(notionapi.Config{
		Token: token, Transport: &wire{m: m, p: p, read: map[string]seenPage{}}, Now: p.now, Sleep: sleep, Jitter: p.dice.Float64,
		Budget: &notionapi.SharedBudget{Granter: p.store(), Token: "simulated", Rate: 600, Now: p.now, Sleep: sleep},
	})
	if err != nil {
		panic(err) // the configuration is ours
	}
	return &wired{client, p, &sinknotion.Schema{Client: client, Ledger: p.store(), Sync: syncName, Holder: p.name, ParentPage: m.emu.RootPageID(), Entities: w.entities, Now: p.now, Log: logger()}}
}

func (c *wired) prepare(ctx context.Context) error { return c.schema.Ensure(ctx) }

// What people do.

func (m *emulated) touch(page, field, by string) {
	if m.wrote[page] == nil {
		m.wrote[page] = map[string]stamp{}
	}
	m.wrote[page][field] = stamp{by, m.w.now}
}

func (m *emulated) edit(page, field string, words []string) error {
	f, ok := m.w.fieldOf(m.entity[page], field)
	if !ok {
		return errNoPage
	}
	if trashed, err := m.person.InTrash(page); err != nil || trashed {
		return errNoPage
	}
	if err := m.person.Edit(page, map[string]any{f.Property: wireValue(sinknotion.PropertyType(f.Type), words)}); err != nil {
		return err
	}
	m.touch(page, field, modelPerson)
	return nil
}

// wireValue is a value as the API takes it.
func wireValue(kind string, words []string) any {
	items := []any{}
	switch kind {
	case notionapi.TypeTitle, notionapi.TypeRichText:
		for _, word := range words {
			items = append(items, map[string]any{"type": "text", "text": map[string]any{"content": word}})
		}
	case notionapi.TypeMultiSelect:
		for _, word := range words {
			items = append(items, map[string]any{"name": word})
		}
	case notionapi.TypeRelation:
		for _, word := range words {
			items = append(items, map[string]any{"id": word})
		}
	case notionapi.TypeSelect:
		if len(words) == 0 {
			return map[string]any{kind: nil}
		}
		return map[string]any{kind: map[string]any{"name": words[0]}}
	default:
		if len(words) == 0 {
			return map[string]any{kind: nil}
		}
		return map[string]any{kind: words[0]}
	}
	return map[string]any{kind: items}
}

func (m *emulated) create(entity, title string) (string, error) {
	schema, ok, err := m.w.ledger.Schema(m.w.context(), syncName, entity)
	if err != nil || !ok || schema.DataSource == "" {
		return "", errNoPage
	}
	for _, e := range m.w.entities {
		if e.Name == entity {
			f := e.Title()
			id, err := m.person.Create(schema.DataSource, map[string]any{f.Property: wireValue(notionapi.TypeTitle, []string{title})})
			if err != nil {
				return "", err
			}
			m.known(id, entity)
			return id, nil
		}
	}
	return "", errNoPage
}

func (m *emulated) known(page, entity string) {
	if m.entity[page] == "" {
		m.entity[page] = entity
		m.pages = append(m.pages, page)
	}
}

func (m *emulated) trash(page string, in bool) error {
	if trashed, err := m.person.InTrash(page); err != nil || trashed == in {
		return errNoPage
	}
	if in {
		return m.person.Trash(page)
	}
	return m.person.Restore(page)
}

func (m *emulated) duplicate(page string) (string, error) {
	copied, err := m.person.Duplicate(page)
	if err != nil {
		return "", err
	}
	m.known(copied, m.entity[page])
	if m.hidden[page] {
		return copied, m.share(copied, false)
	}
	return copied, nil
}

// move is the model's: the emulator drops values on the way, as Notion does.
func (m *emulated) move(string, bool) error { return errNoPage }

func (m *emulated) share(page string, shared bool) error {
	m.hidden[page] = !shared
	if shared {
		return m.person.Share(page)
	}
	return m.person.Unshare(page)
}

func (m *emulated) everyPage() []string { return slices.Clone(m.pages) }

func (m *emulated) look(page string) (look, bool) {
	now, err := m.person.Properties(page)
	if err != nil {
		return look{}, false
	}
	trashed, err := m.person.InTrash(page)
	if err != nil {
		return look{}, false
	}
	entity := m.entity[page]
	l := look{entity: entity, trashed: trashed, hidden: m.hidden[page], words: map[string][]string{}, external: strings.Join(propertyWords(now["Tandem ID"]), "")}
	for _, e := range m.w.entities {
		for _, f := range e.Fields {
			if e.Name == entity {
				l.words[f.Name] = propertyWords(now[f.Property])
			}
		}
	}
	return l, true
}

// propertyWords are a property's words, by the codec that ships.
func propertyWords(raw json.RawMessage) []string {
	if raw == nil {
		return nil
	}
	return wordsOf(notionapi.DecodeProperty("", raw).Value)
}

// wrotePage looks over Tandem's shoulder right before a page is written.
func (m *emulated) wrotePage(id string, body []byte, read seenPage, known bool) {
	var write struct {
		Properties map[string]json.RawMessage `json:"properties"`
		InTrash    *bool                      `json:"in_trash"`
	}
	if json.Unmarshal(body, &write) != nil {
		return
	}
	before, ok := m.look(id)
	if !ok {
		return
	}
	entity := m.entity[id]
	schema, _, err := m.w.ledger.Schema(m.w.context(), syncName, entity)
	if err != nil {
		return
	}
	values := map[string]change.Value{}
	for _, field := range change.Sorted(schema.Properties) {
		raw, writes := write.Properties[schema.Properties[field]]
		if !writes {
			continue
		}
		f, _ := m.w.fieldOf(entity, field)
		sent := sentValue(sinknotion.PropertyType(f.Type), raw)
		values[field] = sent
		by := m.wrote[id][field]
		m.w.truth.overwrote(overwrote{page: id, field: field, current: before.words[field], sent: wordsOf(sent), read: wordsOf(read.values[field]), known: known, readAt: read.at, by: by.by, at: by.at})
		m.touch(id, field, modelBot)
	}
	m.w.checkWrite(entity, values)
	if outside := len(write.Properties) - len(values); outside > 1 || outside == 1 && write.Properties[schema.External] == nil {
		m.w.violation("allow-list", "page %s: a property is written that is no field: %s", id, body)
	}
	if write.InTrash != nil && *write.InTrash && !before.trashed {
		m.w.checkDelete("notion", entity, id)
	}
	m.w.users.automation(id, entity, values)
}

// sentValue reads the value of a request, which says no type.
func sentValue(kind string, raw json.RawMessage) change.Value {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return change.Value{}
	}
	object["type"], _ = json.Marshal(kind) //nolint:errchkjson // a string
	typed, err := json.Marshal(object)
	if err != nil {
		return change.Value{}
	}
	return notionapi.DecodeProperty("", typed).Value
}
