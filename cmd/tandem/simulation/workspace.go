package simulation

import (
	"context"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	sinknotion "github.com/tandem-sync/tandem/sink/notion"
	source "github.com/tandem-sync/tandem/source/notion"
)

// workspace is a Notion: the model, which hands values over at the typed client's place, or the emulator behind the client that ships.
type workspace interface {
	connect(p *process) connection
	// receive says who hears webhooks from now on.
	receive(p *process, hook *source.Webhook)
	bot() string
	// stillSince reports that queries show all there is, and that nobody has changed anything since then.
	stillSince(time.Time) bool

	// What people do. Values are words: one of a text, one an option of a set, page ids of a relation.
	edit(page, field string, words []string) error
	create(entity, title string) (page string, err error)
	trash(page string, in bool) error
	duplicate(page string) (copied string, err error)
	move(page string, away bool) error
	share(page string, shared bool) error
	look(page string) (look, bool)
	everyPage() []string
}

// connection is a process's way to the workspace.
type connection interface {
	source.Pages
	sinknotion.Client
	prepare(ctx context.Context) error // makes sure of the databases, and that the ledger knows them
}

// look is a page as a person sees it.
type look struct {
	entity   string
	trashed  bool
	away     bool // in another database
	hidden   bool // not shared with the connection
	external string
	words    map[string][]string // by field
}

// empty tells that a value clears.
func wordsOf(v change.Value) []string {
	switch v.Kind() {
	case change.Null, change.Absent:
		return nil
	case change.Set, change.List:
		out := make([]string, 0, len(v.Items()))
		for _, item := range v.Items() {
			out = append(out, item.Text())
		}
		return out
	}
	if v.Text() == "" {
		return nil
	}
	return []string{v.Text()}
}

// overwrote is told by a workspace of each property that Tandem writes: what it replaced, and what the writer had read there.
type overwrote struct {
	page, field   string
	current, sent []string
	read          []string
	known         bool      // the writer has read the page
	readAt        time.Time // when that read began
	sentAt        time.Time // when the request left, on the same clock; zero where that is not known
	by            string    // who wrote what is replaced
	at            time.Time // when
}
