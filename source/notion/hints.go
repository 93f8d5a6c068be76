package notion

import (
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Hint is what a webhook said: that a page changed, and maybe which of its properties, by a time.
type Hint struct {
	Page       string // "" for a hint that names no page: poll
	DataSource string // the page's parent, "" if not known
	Properties []string
	At         time.Time
	Authors    []string // people whose edits it tells of
}

// Named is what webhooks said of one page since it was last looked at.
type Named struct {
	DataSource string               // its parent, "" if not said
	Hints      map[string]time.Time // property id → newest time at which an event named it
	Edits      []ledger.Edit        // of people
}

// editsMax bounds what is kept of people's edits of one page until somebody has looked whether one of them was overwritten.
const editsMax = 100

// hintsMax bounds what waits for a poller; beyond it a poll finds the rest.
const hintsMax = 1000

// Hints keeps what webhooks said until a poller follows it. Its methods may be called from any goroutine.
type Hints struct {
	mu    sync.Mutex
	pages map[string]Named
	poll  bool // a poll was asked for
}

// Note keeps a hint for the next step.
func (k *Hints) Note(h Hint) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h.Page == "" || len(k.pages) >= hintsMax {
		k.poll = true
		return
	}
	if k.pages == nil {
		k.pages = map[string]Named{}
	}
	named, ok := k.pages[h.Page]
	if !ok {
		named.Hints = map[string]time.Time{}
	}
	if h.DataSource != "" {
		named.DataSource = h.DataSource
	}
	for _, property := range h.Properties {
		if h.At.After(named.Hints[property]) {
			named.Hints[property] = h.At
		}
	}
	if len(h.Authors) > 0 && len(h.Properties) > 0 && len(named.Edits) < editsMax {
		named.Edits = append(named.Edits, ledger.Edit{Page: h.Page, Properties: h.Properties, Authors: h.Authors, At: h.At})
	}
	k.pages[h.Page] = named
}

// Take gives the pages that were named, and whether a poll was asked for, and forgets both.
func (k *Hints) Take() (pages map[string]Named, poll bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pages, poll = k.pages, k.poll
	k.pages, k.poll = nil, false
	return pages, poll
}

// Any reports that something waits.
func (k *Hints) Any() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.pages) > 0 || k.poll
}

// GiveBack keeps what could not be followed for the next step.
func (k *Hints) GiveBack(pages map[string]Named) {
	for page, named := range pages {
		k.Note(Hint{Page: page, DataSource: named.DataSource})
		for property, at := range named.Hints {
			k.Note(Hint{Page: page, Properties: []string{property}, At: at})
		}
		for _, e := range named.Edits {
			k.Note(Hint{Page: page, Properties: e.Properties, At: e.At, Authors: e.Authors})
		}
	}
}
