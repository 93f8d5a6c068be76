package simulation

import (
	"slices"
	"strconv"
	"time"

	"github.com/tandem-sync/tandem/connector/notionapi"
	source "github.com/tandem-sync/tandem/source/notion"
)

// webhooks are the model's events: the first edit of a page is told at once, what follows within a minute is gathered into one event, which
// carries the time of the last. They come late, twice, out of order, or never.
type webhooks struct {
	m        *model
	serial   int
	pages    map[string]*gathering
	process  *process
	receiver *source.Webhook
}

// gathering is what is told of one page.
type gathering struct {
	told       time.Time
	planned    bool
	properties []string
	authors    []notionapi.Author
	at         time.Time
}

const gatherFor = time.Minute

// edited tells of properties that somebody changed.
func (h *webhooks) edited(p *page, by string, properties ...string) {
	if !h.m.w.shape.webhooks {
		return
	}
	if h.pages == nil {
		h.pages = map[string]*gathering{}
	}
	g := h.pages[p.id]
	if g == nil {
		g = &gathering{}
		h.pages[p.id] = g
	}
	for _, property := range properties {
		if !slices.Contains(g.properties, property) {
			g.properties = append(g.properties, property)
		}
	}
	if author := (notionapi.Author{ID: by}); !slices.Contains(g.authors, author) {
		g.authors = append(g.authors, author)
	}
	g.at = h.m.w.now
	switch {
	case g.planned:
	case h.m.w.now.Sub(g.told) >= gatherFor:
		h.flush(p, g)
	default:
		g.planned = true
		h.m.w.at(g.told.Add(gatherFor), func() { h.flush(p, g) })
	}
}

func (h *webhooks) flush(p *page, g *gathering) {
	event := h.event(p, "page.properties_updated")
	event.UpdatedProperties, event.Authors, event.Time = g.properties, g.authors, g.at
	h.send(event)
	*g = gathering{told: h.m.w.now}
}

// tell is an event that is not gathered.
func (h *webhooks) tell(p *page, kind, by string) {
	if !h.m.w.shape.webhooks {
		return
	}
	event := h.event(p, kind)
	event.Authors = []notionapi.Author{{ID: by}}
	h.send(event)
}

func (h *webhooks) event(p *page, kind string) notionapi.WebhookEvent {
	h.serial++
	e := notionapi.WebhookEvent{ID: "event-" + strconv.Itoa(h.serial), Type: kind, Time: h.m.w.now, PageID: p.id, EntityID: p.id, EntityType: "page"}
	if at := p.last().source; at != "" {
		e.DataSourceID = dataSource(at)
	}
	return e
}

// send brings an event to whoever listens, some time or never.
func (h *webhooks) send(event notionapi.WebhookEvent) {
	w := h.m.w
	if w.fires(webhookLost) {
		return
	}
	delay := jitter(h.m.dice, 300*time.Millisecond, 3*time.Second)
	if w.fires(webhookLate) {
		delay += jitter(h.m.dice, time.Minute, 30*time.Minute)
	}
	if w.fires(webhookShuffled) {
		delay += jitter(h.m.dice, 0, 20*time.Second)
	}
	h.arrive(event, delay, 1)
	if w.fires(webhookTwice) {
		h.arrive(event, delay+jitter(h.m.dice, 0, time.Minute), 1)
	}
}

// arrive hands an event over; a receiver that is away is tried again, eight times in all, as Notion does.
func (h *webhooks) arrive(event notionapi.WebhookEvent, delay time.Duration, attempt int) {
	h.m.w.after(delay, func() {
		if h.receiver == nil || h.process.dead {
			if attempt < 8 {
				h.arrive(event, time.Duration(attempt)*time.Minute, attempt+1)
			}
			return
		}
		event.Attempt = attempt
		if h.receiver.Deliver(h.m.w.context(), event) != nil {
			h.arrive(event, time.Duration(attempt)*time.Minute, attempt+1)
			return
		}
		h.m.w.truth.heard(event)
	})
}

func (m *model) receive(p *process, hook *source.Webhook) { m.hook.process, m.hook.receiver = p, hook }
