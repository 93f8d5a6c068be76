// Package ledgertest is the one suite that every store of the ledger passes.
package ledgertest

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
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
	//  1. ErrPaused if a pause covers one of Writes. ErrBraked if the links that a brake's meter counted with At > Now-Window, and this one, are more
	//     than Max. The alert of a brake that begins to hold goes to the others, unless another link is held by it and nobody has said anything.
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

	// Drift gives what is kept of an entity's schemas; ChangeDrift changes it, one caller after the other, and keeps the alerts with it.
	Drift(ctx context.Context, sync, entity string) (ledger.DriftState, error)
	ChangeDrift(ctx context.Context, sync, entity string, change func(ledger.DriftState) (ledger.DriftState, []ledger.Alert)) error

	// Raise stores alerts that belong to no commit; one whose id is known is not stored again, unless the state that it tells of had ended: then it
	// gets an id of its own.
	Raise(ctx context.Context, alerts []ledger.Alert) error
	// Waiting lists alerts that nobody has decided to tell yet, oldest first; Issue decides it, stores digests, and gives every target its delivery.
	Waiting(ctx context.Context, sync string, max int) ([]ledger.Alert, error)
	Issue(ctx context.Context, issues []ledger.Issue, targets []string, now time.Time) error
	// Deliveries lists what a target has to be told now, oldest first; Delivered and Postpone say what became of it.
	Deliveries(ctx context.Context, sync, target string, now time.Time, max int) ([]ledger.Delivery, error)
	Delivered(ctx context.Context, target string, ids []string, at time.Time) error
	Postpone(ctx context.Context, target, id string, until time.Time, why string) error
	// Windows lists the windows of pages that closed after a time, or are open, oldest first. A commit's Intent that names properties opens one, its
	// outcome closes it. PruneWindows forgets those that opened before a time.
	Windows(ctx context.Context, sync string, pages []string, after time.Time) ([]ledger.Window, error)
	PruneWindows(ctx context.Context, before time.Time) (int, error)
	// Comments lists conflicts (with Tell) that are to be told by a comment, and whose time has come; CommentTried counts an attempt before it is made,
	// CommentDone ends it.
	Comments(ctx context.Context, sync string, now time.Time, max int) ([]ledger.Comment, error)
	CommentTried(ctx context.Context, conflict string, next time.Time) error
	CommentDone(ctx context.Context, conflict, outcome string, now time.Time) error
	// Overwrote lists edits as possibly overwritten, each with an alert, once for each window and author.
	Overwrote(ctx context.Context, lost []ledger.Overwrite, now time.Time) error

	// Outbox lists alerts that are neither on the alerts topic nor in a digest yet, oldest first.
	Outbox(ctx context.Context, sync string, max int) ([]ledger.Alert, error)
	// Recover makes the message that a state has ended for each alert that told of it: the hold is gone, or the link has no work any more.
	Recover(ctx context.Context, sync string, now time.Time) (int, error)
	// Prune forgets alerts that were delivered before a time and tell of no state that lasts, and says how many.
	Prune(ctx context.Context, before time.Time) (int, error)

	// Grant takes up to want requests from the token's budget of rate a minute, spent evenly, live lane first: backfill gets nothing
	// while live demand was refused within the last second and not met since. None granted: wait says how long until the next. At most one second's
	// worth is granted at once, and no 60 seconds hold more than rate.
	Grant(ctx context.Context, token string, lane ledger.Lane, want, rate int, now time.Time) (granted int, wait time.Duration, err error)
	// Pause stops all grants of the token until then; a shorter pause does not end a longer one.
	Pause(ctx context.Context, token string, until time.Time) error

	// Touched counts, for each meter, the links beside one that commits counted (Commit.Counts) after a time, up to a most: a link counts once.
	// Census gives an entity's live links, and when the first of its writes was recorded; Transaction the largest of these transactions of the
	// CRM by the links that reasons of it named, as long as more than one came in one call. They are what Gate decides on. Forget drops old counts.
	Touched(ctx context.Context, sync, entity string, beside int64, since time.Time, most int, meters []ledger.Meter) ([]int, error)
	Census(ctx context.Context, sync, entity string) (links int, began time.Time, err error)
	Transaction(ctx context.Context, sync, entity string, xids []uint32) (ledger.Transaction, error)
	Forget(ctx context.Context, before time.Time) error
	// Braking reports that a brake holds something of which nobody has said anything that still counts.
	Braking(ctx context.Context, sync, entity string, m ledger.Meter, now time.Time) (bool, error)
	// Pauses, Suspend and Resume are the table of pauses. What one covers is not taken, and a commit that would record a write that one covers is
	// refused with ErrPaused, from the moment on that it stands. Awake lists links that are held for a pause that is gone.
	Pauses(ctx context.Context, sync string) ([]ledger.Pausing, error)
	Suspend(ctx context.Context, p ledger.Pausing) error
	Resume(ctx context.Context, ids []int64) (int, error)
	// Age is what the database says of how old it is; Aging takes the next step, given the newest age that is known outside. A database that is older than that
	// was restored: everything of the sync is paused but plans, an alert is raised, every link's Seq leaps, and its work forgets its transactions. From the
	// first step on that a process took, a commit that would record a write in a database that is behind it is refused with ErrPaused.
	Age(ctx context.Context, sync string) (ledger.Age, error)
	Aging(ctx context.Context, sync string, known ledger.Age, now time.Time) (ledger.Aged, error)
	Awake(ctx context.Context, sync string, most int) ([]ledger.Link, error)
	// HoldGroups sums holds up. Rule writes down what a person says of those that stand now, of which nobody has said anything that still counts;
	// it marks them and makes work for their links.
	HoldGroups(ctx context.Context, sel ledger.Selection, now time.Time, sample int) ([]ledger.HoldGroup, error)
	Rule(ctx context.Context, r ledger.Ruling) (ledger.Approval, error)
	Approvals(ctx context.Context, sync string, most int) ([]ledger.Approval, error)
	// Tallies, Counts, Conflicts (newest first; of all links if link is 0), Holds (by kind) and Pending (by link) are for people.
	Tallies(ctx context.Context, sync string, now time.Time) ([]ledger.Tally, error)
	Counts(ctx context.Context, sync string) ([]ledger.Count, error)
	Conflicts(ctx context.Context, sync string, link int64, max int) ([]ledger.Conflict, error)
	Holds(ctx context.Context, link int64) ([]ledger.Hold, error)
	Pending(ctx context.Context, sync string, max int) ([]ledger.Pending, error)

	// Based lists the keys of links whose bases hold these values, in byte order.
	Based(ctx context.Context, sync, entity string, values change.Image, max int) ([]string, error)
	// Loose lists links that have a page and no row, by page.
	Loose(ctx context.Context, sync, entity string, max int) ([]ledger.Link, error)

	// KeepEdit keeps what a webhook told of people's edits, once however often it tells; KeptEdits lists what was told of edits after a time, in their
	// order. PruneWindows forgets them too. End makes the message that a state has ended of which the ledger itself knows nothing, once.
	KeepEdit(ctx context.Context, sync string, e ledger.Edit) error
	KeptEdits(ctx context.Context, sync string, after time.Time) ([]ledger.Edit, error)
	End(ctx context.Context, sync, kind, state string, now time.Time) (int, error)

	// Said lists what pages say of their records where that is not that they are in sync, by link; Say keeps what one is about to say, or says, and
	// forgets one that says that it is in sync. A link that is not there is passed by.
	Said(ctx context.Context, sync string) ([]ledger.Said, error)
	Say(ctx context.Context, sync string, what ledger.Said, now time.Time) error

	// Shadowed keeps the newest unmade write of each link, side and field; a link that is not there is passed by, and what is said again counts once. Shadows sums
	// them up by entity, side (Notion first), op and field; ShadowSamples gives the newest of each sum.
	Shadowed(ctx context.Context, shadows []ledger.Shadow) error
	Shadows(ctx context.Context, sync string) ([]ledger.ShadowSum, error)
	ShadowSamples(ctx context.Context, sync string, max int) ([]ledger.Shadow, error)
	ForgetShadows(ctx context.Context, sync string) error
}
