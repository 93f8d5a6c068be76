package simulation

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/notionapi"
)

// truth knows what every edit was, and what became of its value as far as somebody saw it: the simulation's own memory, which
// Tandem never sees. Every write returns the value that it replaced (Hughes et al., Mysteries of Dropbox).
type truth struct {
	w       *world
	edits   map[string]edit   // token → the edit that made it
	gone    map[string]string // token → who replaced it knowingly
	windows map[string]window // token → how it was overwritten within the read→write window
	told    map[string][]hearing
	typed   map[string]time.Time // page and field → when a person wrote there last
	serial  int
}

type edit struct {
	at    time.Time
	where string // "crm contact/3 note"
	again bool   // it was put in a second place, or back: when is not known
}

// record is the row or page where the edit was made; "" if that is not known.
func (e edit) record() string {
	parts := strings.SplitN(e.where, " ", 4)
	return strings.Join(parts[:min(len(parts), 2)], " ")
}

// window is one value that a person wrote between our read and our write (invariant 6).
type window struct {
	page, field  string
	read         time.Time // when the read began, on the clock of the process
	edited, lost time.Time
}

// hearing is an event of a webhook that Tandem took.
type hearing struct {
	properties []string
	edited     time.Time // of the last edit that it tells of
	at         time.Time
}

func newTruth(w *world) *truth {
	return &truth{w: w, edits: map[string]edit{}, gone: map[string]string{}, windows: map[string]window{}, told: map[string][]hearing{}, typed: map[string]time.Time{}}
}

// token makes a value that never was before, in a field's syntax.
func (t *truth) token(field, where string) string {
	t.serial++
	value := field[:1] + strconv.Itoa(t.serial)
	if field == "email" {
		value += "@x.io"
	}
	t.edits[value] = edit{at: t.w.now, where: where}
	return value
}

// replaced records that a person's write took tokens away that it showed. A value that an undo brings back stays replaced: whoever replaced it on
// the other side saw it, and to Tandem nothing changed here.
func (t *truth) replaced(old, next []string, who string) {
	for _, token := range old {
		if !slices.Contains(next, token) {
			t.gone[token] = who
		}
	}
}

// moved tells that a value was put somewhere once more.
func (t *truth) moved(tokens ...string) {
	for _, token := range tokens {
		if e, ok := t.edits[token]; ok {
			e.again = true
			t.edits[token] = e
		}
	}
}

// forget takes back an edit that was refused.
func (t *truth) forget(tokens, keep []string) {
	for _, token := range tokens {
		if !slices.Contains(keep, token) {
			delete(t.edits, token)
		}
	}
}

// The window of invariant 6 is no longer than the two: what a read may be old when a write leaves (sink.windowMax), and until a request takes effect.
const (
	readMax   = 20 * time.Second
	windowMax = readMax + 50*time.Second
)

// overwrote is told of each property that Tandem writes. Only what a person wrote after the read that the write stands on is excused.
func (t *truth) overwrote(o overwrote) {
	same := func(a, b []string) bool {
		a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
		return slices.Equal(a, b)
	}
	switch {
	case !o.known:
		t.w.violation("loss", "page %s: %s was written without having been read", o.page, o.field)
	case same(o.read, o.sent) && o.field != "contact": // a relation may hide what has to be removed
		t.w.violation("loss", "page %s: %s was written although it was read as %v already: a write that is not needed widens the window", o.page, o.field, o.sent)
	}
	if !o.sentAt.IsZero() && o.sentAt.Sub(o.readAt) > readMax+2*skewMax {
		t.w.violation("loss", "page %s: %s was written on a read that was %s old: that widens the window", o.page, o.field, o.sentAt.Sub(o.readAt))
	}
	if same(o.current, o.read) || o.field == "contact" && o.at.Before(o.readAt) {
		return // a relation also shows another value when a page comes back from the trash, which is no edit
	}
	length := t.w.now.Sub(o.readAt)
	for _, token := range o.current {
		if slices.Contains(o.sent, token) || slices.Contains(o.read, token) {
			continue
		}
		if o.at.Before(o.readAt.Add(-skewMax)) || length > windowMax {
			t.w.violation("loss", "page %s: %s %q, which a person wrote at %s, was overwritten on a read of %s: that is no window", o.page, o.field, token, clock(o.at), clock(o.readAt))
			continue
		}
		t.windows[token] = window{page: o.page, field: o.field, read: o.readAt, edited: o.at, lost: t.w.now}
		t.w.effect("window", o.page, o.field, token)
	}
}

// skewMax is how far a process's clock may be off.
const skewMax = 500 * time.Millisecond

func clock(at time.Time) string { return at.Format("15:04:05.000") }

// heard is told of each event of a webhook that Tandem acknowledged.
func (t *truth) heard(e notionapi.WebhookEvent) {
	if len(e.UpdatedProperties) > 0 && !e.OnlyBy(modelBot) {
		t.told[e.PageID] = append(t.told[e.PageID], hearing{properties: e.UpdatedProperties, edited: e.Time, at: t.w.now})
	}
}

// reported says when Tandem was told of an edit that was overwritten in a window; false if no webhook told of it.
func (t *truth) reported(w window, property string) (time.Time, bool) {
	for _, h := range t.told[w.page] {
		if !w.edited.After(h.edited) && h.edited.Sub(w.edited) <= gatherFor && slices.Contains(h.properties, property) {
			return h.at, true
		}
	}
	return time.Time{}, false
}

// bare is the trunk of a field's name for a token.
func bare(field string) string { return strings.ToLower(field) }
