package book

import (
	"encoding/json"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// Closing ends a link's open windows.
type Closing struct {
	Link  int64
	At    time.Time                  // zero: the write was not carried out, and there was no window
	Shown map[string]json.RawMessage // what the answer, or the read that settled it, showed
}

// windows notes what a commit says of windows, before it is carried out on the link: an intent opens one, its outcome closes it.
func (b *Book) windows(l ledger.Link, c ledger.Commit) {
	if l.Intent != nil && len(l.Intent.Properties) > 0 && (c.Intended || c.Intent != nil) {
		b.Closings = append(b.Closings, closing(l, c))
	}
	if c.Intent == nil || len(c.Intent.Properties) == 0 {
		return
	}
	givenEnds(&l, c)
	b.Windows = append(b.Windows, ledger.Window{
		Link: l.ID, Sync: l.Sync, Entity: l.Entity, Key: l.Key, Page: l.Page, Fields: c.Intent.Properties, Opened: Cut(c.Intent.ReadFrom),
	})
}

func closing(l ledger.Link, c ledger.Commit) Closing {
	out := Closing{Link: l.ID, At: Cut(c.WroteAt)}
	seen := c.Seen
	if seen == nil {
		seen = c.Settled
	}
	if seen == nil {
		return out
	}
	if out.At.IsZero() {
		out.At = Cut(seen.ReadTo) // the outcome was not known; this read settles it
	}
	shown := map[string]json.RawMessage{}
	err := change.Members(seen.Properties, func(id, raw []byte) {
		if l.Intent.Properties[string(id)] != "" {
			shown[string(id)] = compact(raw)
		}
	})
	if err == nil {
		out.Shown = shown
	}
	return out
}
