// Package ledgertest is the one suite that every store of the ledger passes.
package ledgertest

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Store is the whole of what a store of the ledger does. The code that ships asks for smaller roles, declared where they are used.
type Store interface {
	// Add turns reasons into work rows, in one transaction. An observation that a reason brings is stored on the link if its Seq is
	// the link's (Seq then grows by one); on another Seq it is dropped and the work goes to the Notion side as "reread".
	Add(ctx context.Context, now time.Time, reasons []ledger.Reason) error
	// Take leases links with due work: not parked, NotBefore reached, no lease running; live lane first, then rank, then age.
	Take(ctx context.Context, claim ledger.Claim) ([]ledger.Item, error)
	// Commit stores one step for one leased link.
	Commit(ctx context.Context, c ledger.Commit) error

	// ByKey, ByPage and ByID look links up, without a lease. Links that do not exist are missing from the answer.
	ByKey(ctx context.Context, sync, entity string, keys []string) (map[string]ledger.Link, error)
	ByPage(ctx context.Context, sync string, pages []string) (map[string]ledger.Link, error)
	ByID(ctx context.Context, ids []int64) (map[int64]ledger.Link, error)
	ByExternal(ctx context.Context, sync string, externals []string) (map[string]ledger.Link, error)
	// Keys lists the row keys of an entity's links after a key, in order, at most max: what a sweep compares rows with.
	Keys(ctx context.Context, sync, entity, after string, max int) ([]string, error)
	Pages(ctx context.Context, sync, entity, after string, max int) ([]string, error)

	// Emitted and SetEmitted are the poller's memory. SetEmitted makes half links for pages that have none.
	Emitted(ctx context.Context, sync, entity string, pages []string) (map[string]ledger.Emitted, error)
	SetEmitted(ctx context.Context, sync, entity string, hashes map[string]string) error

	// Lead takes or renews the lease of that name; ok is false while another holder has it.
	Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (fence ledger.Fence, ok bool, err error)
	// Cursor and SaveCursor keep a named position; saving under an old fence is refused with ErrFenced.
	Cursor(ctx context.Context, name string) (json.RawMessage, error)
	SaveCursor(ctx context.Context, name string, fence ledger.Fence, position json.RawMessage) error

	// Schema is missing until sink/notion has made sure of it.
	Schema(ctx context.Context, sync, entity string) (ledger.Schema, bool, error)
	SaveSchema(ctx context.Context, sync, entity string, s ledger.Schema) error
	// Mapping gives the hash under which the sync runs, "" if none; SetMapping changes it.
	Mapping(ctx context.Context, sync, entity string) (hash string, err error)
	SetMapping(ctx context.Context, sync, entity, hash string) error

	// Outbox lists undelivered alerts, oldest first; Delivered marks them.
	Outbox(ctx context.Context, max int) ([]ledger.Alert, error)
	Delivered(ctx context.Context, ids []string, at time.Time) error
	// Prune forgets alerts that were delivered before a time, and says how many.
	Prune(ctx context.Context, before time.Time) (int, error)

	// Grant takes up to want requests from the token's budget of rate a minute, spent evenly, live lane first: backfill gets nothing
	// while live demand was refused within the last second. None granted: wait says how long until the next.
	Grant(ctx context.Context, token string, lane ledger.Lane, want, rate int, now time.Time) (granted int, wait time.Duration, err error)
	// Pause stops all grants of the token until then.
	Pause(ctx context.Context, token string, until time.Time) error

	// Recent counts recorded writes of one op on one side since a time, and the entity's live links: what Gate decides on.
	Recent(ctx context.Context, sync, entity string, side ledger.Side, op string, since time.Time) (writes, links int, err error)
	Tallies(ctx context.Context, sync string, now time.Time) ([]ledger.Tally, error)
	Counts(ctx context.Context, sync string) ([]ledger.Count, error)
	Conflicts(ctx context.Context, sync string, link int64, max int) ([]ledger.Conflict, error)
	Holds(ctx context.Context, link int64) ([]ledger.Hold, error)
	Pending(ctx context.Context, sync string, max int) ([]ledger.Pending, error)
}
