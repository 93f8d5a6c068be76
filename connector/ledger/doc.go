// Package ledger holds links and all that is known of them, and the two pure decisions that stand on them: [Decide] for one
// link, [Gate] for what brakes and counters allow.
//
// There is no I/O here, no goroutine, no clock and no randomness: images, base, policy and times come in, effects go out.
// Package pgledger keeps the ledger in PostgreSQL, in schema tandem of the CRM's own database; memledger keeps it in memory for
// the simulation and the demo's tests. Both pass the suite in ledgertest.
//
// # A link's life
//
//	reason (row)          reason (page)
//	     │                     │
//	   half ── page made ──► live ◄── row made ── half
//	                        │  ▲
//	     where fails: out_of_scope   row deleted: trashed   page trashed: held, or row_deleted
//	     end not found, no evidence: vanished
//
// # Who may write what
//
// Everything about one link is written under its lease: [Claim] raises the epoch, [Commit] carries it, and a commit under another
// epoch is refused. Reasons may be added by anybody at any time; they only ever make work.
package ledger
