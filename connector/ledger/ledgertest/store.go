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
	// Add turns reasons into work rows, in one transaction, one after the other. A link is found by the reason's id, else its key,
	// else its page, and made half if there is none (an unknown id: the reason is dropped). Reasons for one link and side are one row:
	//   - live if any was live; first seen when the first came; rank and why of the newest; deleted if any was a delete;
	//   - the commit time of the newest commit, and that transaction's id: by time, because numbers wrap and do not follow commits;
	//   - NotBefore is the least of all, so that steady reasons cannot starve a link;
	//   - parked work is freed with Attempts 0; other work keeps its Attempts;
	//   - Version grows, and a version that a link's work ever had never comes back.
	// An observation that a reason brings is stored on the link if its Seq is the link's (Seq then grows by one, and is the
	// observation's) and nobody holds the lease, expired or not: a holder is sure that the link changes by its commits alone. Else it is dropped and
	// the work goes to the Notion side as "reread". The stored observation replayed is neither stored nor reread.
	// NewKey moves the link. If the new key has a link that is bare (half, one end, no intent) that is taken in, with its work; a bare
	// link whose new key has a link with a page goes into that; of two with pages neither moves: hold "rekey", an alert, work for both.
	// One invalid reason refuses them all.
	Add(ctx context.Context, now time.Time, reasons []ledger.Reason) error
	// Take leases links with due work: not parked, NotBefore reached, no lease running; live lane first, then rank, then age, then id. Works
	// holds the claimed side's row first, then the other side's. With Claim.Link just that link is leased if no lease runs on it, whatever its work:
	// due, not due, parked, none (then Works lacks the side's row); Max and Entities do not matter then. Max below 1 is 1.
	Take(ctx context.Context, claim ledger.Claim) ([]ledger.Item, error)
	// Commit stores one step for one leased link, all or nothing. ErrFenced: another epoch, or the lease was given back, or the link
	// is gone; a lease that ran out still commits until somebody takes it. In this order:
	//  1. ErrBraked if the brake's recorded writes with At > Now-Window and the commit's own (one, if it brings none) exceed Max.
	//  2. ErrTaken if a given end or external id is another link's, or if Absorb is not a bare link of this entity whose end can be
	//     taken over. Key and Page are set; Absorb's end, work, observation and hash go over (work too: a look too many costs no request).
	//     A half link that has both ends now is live, unless State says otherwise.
	//  3. Unbase before Base. WroteAt, then Seen: Seq grows by one for each. Unsee after Seen, Intent after Intended.
	//  4. Unhold before Holds; conflicts and alerts whose id is known already are not stored again.
	//  5. Finish. If the version is not the row's any more the row stays: due at once, a failure counted, neither postponed nor parked.
	//     Parked and Failed count as attempts; Later without Failed leaves them; done removes the row.
	//  6. Release; Remove, with work and holds and not if Finish found a newer reason; then Reasons, so that one for the finished
	//     side makes it anew.
	Commit(ctx context.Context, c ledger.Commit) error

	// ByKey, ByPage, ByID and ByExternal look links up, without a lease. Links that do not exist are missing from the answer.
	ByKey(ctx context.Context, sync, entity string, keys []string) (map[string]ledger.Link, error)
	ByPage(ctx context.Context, sync string, pages []string) (map[string]ledger.Link, error)
	ByID(ctx context.Context, ids []int64) (map[int64]ledger.Link, error)
	ByExternal(ctx context.Context, sync string, externals []string) (map[string]ledger.Link, error)
	// Keys lists the row keys of an entity's links after a key, in order, at most max: what a sweep compares rows with.
	Keys(ctx context.Context, sync, entity, after string, max int) ([]string, error)
	Pages(ctx context.Context, sync, entity, after string, max int) ([]string, error)

	// Emitted and SetEmitted are the poller's memory. Emitted answers for every page that was asked for; a page has one link in a sync,
	// whatever its entity. SetEmitted makes half links for pages that have none.
	Emitted(ctx context.Context, sync, entity string, pages []string) (map[string]ledger.Emitted, error)
	SetEmitted(ctx context.Context, sync, entity string, emitted map[string]ledger.Emission) error

	// Lead takes or renews the lease of that name; ok is false while another holder has it. A holder's name is unique to one start of
	// one process: two with one name would both lead.
	Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (fence ledger.Fence, ok bool, err error)
	// Cursor and SaveCursor keep a named position; saving under an old fence is refused with ErrFenced: another
	// than that of the lease of the same name if there is one, or a lower one than it was saved under before.
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
	// while live demand was refused within the last second and not met since. None granted: wait says how long until the next. At most one second's
	// worth is granted at once, and no 60 seconds hold more than rate.
	Grant(ctx context.Context, token string, lane ledger.Lane, want, rate int, now time.Time) (granted int, wait time.Duration, err error)
	// Pause stops all grants of the token until then; a shorter pause does not end a longer one.
	Pause(ctx context.Context, token string, until time.Time) error

	// Recent counts recorded writes of one op on one side after a time, and the entity's live links: what Gate decides on.
	Recent(ctx context.Context, sync, entity string, side ledger.Side, op string, since time.Time) (writes, links int, err error)
	// Tallies, Counts, Conflicts (newest first; of all links if link is 0), Holds (by kind) and Pending (by link) are for people.
	Tallies(ctx context.Context, sync string, now time.Time) ([]ledger.Tally, error)
	Counts(ctx context.Context, sync string) ([]ledger.Count, error)
	Conflicts(ctx context.Context, sync string, link int64, max int) ([]ledger.Conflict, error)
	Holds(ctx context.Context, link int64) ([]ledger.Hold, error)
	Pending(ctx context.Context, sync string, max int) ([]ledger.Pending, error)
}
