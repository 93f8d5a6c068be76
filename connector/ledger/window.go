package ledger

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Window is the time between our read of a page and the answer to the write that was decided on it: a person's edit of a property that we wrote is
// overwritten if it came in between, and no client of Notion can prevent that. It is recorded before the request leaves.
type Window struct {
	Link   int64                      `json:"link"`
	Sync   string                     `json:"sync"`
	Entity string                     `json:"entity"`
	Key    string                     `json:"key,omitempty"`
	Page   string                     `json:"page"`
	Fields map[string]string          `json:"fields"`          // property id → field, of what was written
	Opened time.Time                  `json:"opened"`          // when the read began
	Closed time.Time                  `json:"closed,omitzero"` // when the answer was there; zero while the outcome is not known
	Shown  map[string]json.RawMessage `json:"shown,omitempty"` // property id → what the answer showed
}

// Edit is what a webhook told of one page: who edited which properties, at the latest at a time.
type Edit struct {
	Page       string
	Properties []string
	Authors    []string // people; not bots
	At         time.Time
}

// Name is the same for what is told again.
func (e Edit) Name() string {
	return alertID("edit", append(append([]string{e.Page, e.At.UTC().Format(time.RFC3339Nano)}, e.Properties...), e.Authors...)...)
}

// EditWidth is how long Notion gathers edits of a page into one webhook: any one of them may be so much older than the webhook says.
const EditWidth = time.Minute

// EditSkew is how far Notion's clock, by which a webhook tells of an edit, may be from ours, by which a window is kept.
const EditSkew = time.Second

// Overlaps reports that the edit, or one that its webhook sums up, may lie in the window.
func (w Window) Overlaps(e Edit) bool {
	return !e.At.Before(w.Opened.Add(-EditSkew)) && (w.Closed.IsZero() || !e.At.Add(-EditWidth-EditSkew).After(w.Closed)) &&
		slices.ContainsFunc(e.Properties, func(id string) bool { return w.Fields[id] != "" })
}

// Overwrite is an edit of a person that we may have overwritten: it fell into a window, and what stands on the page is what we wrote.
type Overwrite struct {
	Window Window
	Author string
	Fields []string // in order
	At     time.Time
}

// Overwritten says which edits of one page may have been overwritten, given all windows that they may lie in, and what the page shows now, nil if it
// cannot be read. Edits come back that can be judged later: they overlap a window whose outcome is not known, or one that wrote what such a window writes
// again, or the page cannot be read.
func Overwritten(windows []Window, edits []Edit, now map[string]json.RawMessage) (lost []Overwrite, later []Edit) {
	for _, e := range edits {
		waits := false
		for _, w := range windows {
			switch {
			case !w.Overlaps(e):
			case now == nil || w.Closed.IsZero():
				waits = true
			default:
				lost = append(lost, w.overwrites(e, func(id string) bool { return stands(id, windows, now) })...)
				waits = waits || slices.ContainsFunc(e.Properties, func(id string) bool {
					return w.Fields[id] != "" && underWay(id, windows) && !stands(id, windows, now)
				})
			}
		}
		if waits {
			later = append(later, e)
		}
	}
	return lost, later
}

// Unsettled lists an edit as possibly overwritten in windows of writes whose outcome nobody found out, or before them.
func Unsettled(windows []Window, e Edit, now time.Time) []Overwrite {
	return possibly(windows, e, now, func(w Window, id string) bool { return w.Closed.IsZero() || underWay(id, windows) })
}

// Unread lists an edit as possibly overwritten in all windows that it may lie in: what stands on the page nobody could read.
func Unread(windows []Window, e Edit, now time.Time) []Overwrite {
	return possibly(windows, e, now, func(Window, string) bool { return true })
}

func possibly(windows []Window, e Edit, now time.Time, which func(w Window, id string) bool) []Overwrite {
	var lost []Overwrite
	for _, w := range windows {
		if !w.Overlaps(e) {
			continue
		}
		in := func(id string) bool { return which(w, id) }
		ended := w
		if w.Closed.IsZero() {
			ended.Closed = now
		}
		lost = append(lost, ended.overwrites(e, in)...)
	}
	return lost
}

// overwrites lists, for each author of an edit, those of its properties that were written in the window.
func (w Window) overwrites(e Edit, which func(id string) bool) []Overwrite {
	var fields []string
	for _, id := range e.Properties {
		if field := w.Fields[id]; field != "" && !slices.Contains(fields, field) && which(id) {
			fields = append(fields, field)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	slices.Sort(fields)
	var lost []Overwrite
	for _, author := range e.Authors {
		lost = append(lost, Overwrite{Window: w, Author: author, Fields: fields, At: e.At})
	}
	return lost
}

// underWay reports that a property is written by a write whose outcome is not known: what a page shows of it says nothing about the writes before.
func underWay(id string, windows []Window) bool {
	return slices.ContainsFunc(windows, func(w Window) bool { return w.Closed.IsZero() && w.Fields[id] != "" })
}

// stands reports that the page shows, in a property, what our newest write of it left there.
func stands(id string, windows []Window, now map[string]json.RawMessage) bool {
	left := Left(id, windows)
	return left != nil && now[id] != nil && sameJSON(left, now[id])
}

// Left is what the newest write of a property left there, nil if that is not known.
func Left(id string, windows []Window) json.RawMessage {
	var newest Window
	for _, w := range windows {
		if w.Fields[id] != "" && w.Closed.After(newest.Closed) {
			newest = w
		}
	}
	return newest.Shown[id]
}

// Name is the same whenever the overwrite is found, however many webhooks tell of it.
func (o Overwrite) Name() string {
	of := []string{o.Window.Sync, fmt.Sprint(o.Window.Link), o.Window.Opened.UTC().Format(time.RFC3339Nano), o.Author}
	return alertID("overwritten", append(of, o.Fields...)...)
}

// Beyond gives what of an overwrite is not listed yet, false if all of it is: each field is listed once for each window and author, and the next webhook
// may tell of another.
func (o Overwrite) Beyond(listed []Overwrite) (Overwrite, bool) {
	o.Fields = slices.DeleteFunc(slices.Clone(o.Fields), func(field string) bool {
		return slices.ContainsFunc(listed, func(l Overwrite) bool {
			return l.Window.Sync == o.Window.Sync && l.Window.Link == o.Window.Link && l.Window.Opened.Equal(o.Window.Opened) && l.Author == o.Author && slices.Contains(l.Fields, field)
		})
	})
	return o, len(o.Fields) > 0
}

// Told reports that all of it was told already: a conflict over each field was found, its loser kept and people alerted, while the window was open, or before
// it by the other sink, and then after the last edit that the webhook tells of. What a webhook tells of a minute is most likely that edit; that there was
// another in the same minute cannot be ruled out, so it is listed all the same.
func (o Overwrite) Told(conflicts []Conflict) bool {
	since := o.Window.Opened
	if edited := o.At.Add(-EditSkew); edited.Before(since) {
		since = edited
	}
	for _, field := range o.Fields {
		if !slices.ContainsFunc(conflicts, func(c Conflict) bool {
			return c.Field == field && c.Winner == CRM && c.Critical && !c.At.Before(since) && !c.At.After(o.Window.Closed)
		}) {
			return false
		}
	}
	return len(o.Fields) > 0
}

// Alert tells people of it. who is the author's name or, where it is not known, id.
func (o Overwrite) Alert(at time.Time) Alert {
	w := o.Window
	a := Alert{
		ID: o.Name(), At: at, Kind: "overwritten", Sync: w.Sync, Entity: w.Entity, Key: w.Key, Page: w.Page, Critical: true, Link: w.Link,
		Summary: fmt.Sprintf("an edit of %s by %s on %s %s, told of at %s, may have been overwritten by a write from the CRM between %s and %s; what it was stands in the page's history: %s",
			strings.Join(o.Fields, ", "), UserOf(o.Author), w.Entity, w.Key, clock(o.At), clock(w.Opened), clock(w.Closed), PageURL(w.Page)),
	}
	if len(o.Fields) == 1 {
		a.Field = o.Fields[0]
	}
	if detail, err := json.Marshal(map[string]any{"author": o.Author, "fields": o.Fields, "edited": o.At, "opened": w.Opened, "closed": w.Closed, "url": PageURL(w.Page)}); err == nil {
		a.Detail = detail
	}
	return a
}

// UserOf is how an alert names a user of Notion by its id, for whoever tells it to put the name in its place.
func UserOf(id string) string { return "Notion user " + id }

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000 MST") }

// PageURL is where people look at a page.
func PageURL(page string) string { return "https://www.notion.so/" + strings.ReplaceAll(page, "-", "") }

// Comment is a conflict that is to be told by a comment on its page.
type Comment struct {
	Conflict Conflict
	Link     int64
	Entity   string
	Key      string
	Page     string // "" if the link is gone
	Attempts int    // before this one; their outcome may not be known
}
