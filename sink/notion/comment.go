package notion

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
)

// CommentPages is what a [Commenter] asks of Notion.
type CommentPages interface {
	Comments(ctx context.Context, pageID string) ([]notionapi.Comment, error)
	CreateComment(ctx context.Context, pageID, mention, text string) (notionapi.Comment, error)
}

// CommentLedger is what it asks of the ledger.
type CommentLedger interface {
	Comments(ctx context.Context, sync string, now time.Time, max int) ([]ledger.Comment, error)
	CommentTried(ctx context.Context, conflict string, next time.Time) error
	CommentDone(ctx context.Context, conflict, outcome string, now time.Time) error
	Raise(ctx context.Context, alerts []ledger.Alert) error
	sink.Links
	Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error)
	Pauses(ctx context.Context, sync string) ([]ledger.Pausing, error)
}

// Commenter tells of conflicts where they happened: by a comment on the page that mentions who edited it last, in the background's share of the
// budget. Each conflict is told once: an attempt is counted before it is made, and one after another looks first whether the comment stands there,
// by the conflict's id in it. One goroutine calls RunOnce.
type Commenter struct {
	Sync   string
	Holder string
	Pages  CommentPages
	Ledger CommentLedger
	Now    func() time.Time
	Log    *slog.Logger

	Entities []*mapping.Entity // whose relations are told by the titles of what they name

	off bool // a capability is missing: until this process starts again
}

// Limits of the commenter.
const (
	commentsMax   = 20               // in one step
	commentsLead  = time.Minute      // longer than a step's longest request
	commentDelay  = 10 * time.Second // doubled with each attempt
	commentTries  = 10
	commentAge    = 24 * time.Hour // a conflict of yesterday is no news to the page's editor
	commentMarker = "tandem conflict "
)

// RunOnce comments on what is due; it reports how many comments were posted.
func (c *Commenter) RunOnce(ctx context.Context) (int, error) {
	if c.off {
		return 0, nil
	}
	due, err := c.Ledger.Comments(ctx, c.Sync, c.Now(), commentsMax)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	pauses, err := c.Ledger.Pauses(ctx, c.Sync)
	if err != nil {
		return 0, err
	}
	paused := func(entity string) bool {
		return slices.ContainsFunc(pauses, func(p ledger.Pausing) bool {
			return p.On(ledger.Way{Sync: c.Sync, Side: ledger.Notion}) && p.All(entity)
		})
	}
	if _, ok, err := c.Ledger.Lead(ctx, "comments "+c.Sync, c.Holder, c.Now(), commentsLead); err != nil || !ok {
		return 0, err
	}
	ctx = notionapi.WithLane(ctx, notionapi.Backfill)
	began, n := c.Now(), 0
	for _, d := range due {
		if c.Now().Sub(began) > commentsLead/2 || ctx.Err() != nil {
			break // another process may lead soon
		}
		if paused(d.Entity) {
			continue // a comment is a write like any other; it waits, or is too old by then
		}
		outcome, err := c.comment(ctx, d)
		switch {
		case notionapi.IsRestricted(err):
			return n, c.turnOff(ctx, err)
		case err != nil && (notionapi.Retryable(err) || notionapi.Unknown(err)) && d.Attempts+1 < commentTries:
			c.Log.DebugContext(ctx, "comment will be tried again", "entity", d.Entity, "key", d.Key, "page", d.Page, "reason", err.Error())
			continue
		case err != nil:
			outcome = "not posted: " + err.Error()
			c.Log.WarnContext(ctx, "comment not posted", "entity", d.Entity, "key", d.Key, "page", d.Page, "reason", err.Error())
		case outcome == "posted":
			n++
		}
		if err := c.Ledger.CommentDone(ctx, d.Conflict.ID, outcome, c.Now()); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (c *Commenter) comment(ctx context.Context, d ledger.Comment) (string, error) {
	switch {
	case d.Page == "":
		return "the record is not linked any more", nil
	case c.Now().Sub(d.Conflict.At) > commentAge:
		return "too old", nil
	}
	next := c.Now().Add(min(time.Hour, commentDelay<<min(d.Attempts, 16)))
	if err := c.Ledger.CommentTried(ctx, d.Conflict.ID, next); err != nil {
		return "", err
	}
	if d.Attempts > 0 {
		there, err := c.Pages.Comments(ctx, d.Page)
		if err != nil {
			return "", fmt.Errorf("look for the comment: %w", err)
		}
		for _, m := range there {
			if strings.Contains(m.Text, commentMarker+d.Conflict.ID) {
				return "stood already", nil
			}
		}
	}
	if _, err := c.Pages.CreateComment(ctx, d.Page, d.Conflict.Editor, CommentText(c.titled(ctx, d))); err != nil {
		return "", fmt.Errorf("comment on the page: %w", err)
	}
	return "posted", nil
}

// turnOff stops commenting until the next start, and tells once.
func (c *Commenter) turnOff(ctx context.Context, cause error) error {
	c.off = true
	c.Log.WarnContext(ctx, "comments are off until the next start", "reason", cause.Error())
	return c.Ledger.Raise(ctx, []ledger.Alert{{
		ID: "comments-" + c.Sync + "-" + c.Holder, At: c.Now(), Kind: "setup", Sync: c.Sync,
		Summary: "conflicts cannot be told by comments in Notion: the connection lacks the capability to insert or read comments; give it both, and start the sink again",
	}})
}

// titled is a conflict with the titles of what a relation names in the place of links.
func (c *Commenter) titled(ctx context.Context, d ledger.Comment) ledger.Conflict {
	out := d.Conflict
	for _, e := range c.Entities {
		if e.Name == d.Entity {
			out.CRM, out.Notion = sink.Titles(ctx, c.Ledger, e, out.Field, out.CRM), sink.Titles(ctx, c.Ledger, e, out.Field, out.Notion)
		}
	}
	return out
}

// CommentText says what happened to one field, for somebody who only knows the page.
func CommentText(c ledger.Conflict) string {
	side := map[ledger.Side]string{ledger.CRM: "the CRM", ledger.Notion: "Notion"}
	loser, lost := c.Loser()
	return fmt.Sprintf("“%s” was changed in the CRM and here. Kept: %s, from %s (%s). The other value, %s from %s, is not lost. To put it back, ask whoever runs Tandem for: tandem restore %.8s (%s%s)",
		c.Field, said(c.Kept().String()), side[c.Winner], sink.RuleInWords(c), said(lost.String()), side[loser], c.ID, commentMarker, c.ID)
}

// said is a value as a sentence bears it.
func said(text string) string {
	const most = 200
	runes := []rune(text)
	if len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return cmp.Or(text, "nothing")
}
