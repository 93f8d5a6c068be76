// Package notion is the source.NotionSource: every page whose content differs from what was last emitted for it, on one topic per entity.
//
//	wake (webhook)          interval (adaptive)             interval (daily)
//	     │                        │                               │
//	 page GET       query: edited ≥ newest minute − 1 min − lag   sweep: all pages by created_time
//	     └────────────┬───────────┴───────────────────────────────┘
//	         hash ≠ emitted? ── no ──► nothing
//	                  │ yes: a row of a query only if nobody wrote or read the page within the index lag, else page GET
//	           notion.<entity> ─► acknowledged ─► emitted := hash ─► cursor
//
// The minute of a page's last edit is floored, and queries come from an index that lags: the overlap makes sure that nothing is missed, the
// content hash that nothing comes twice. The poller compares only with what it emitted last; whether a change is an echo is the sink's to
// say. A webhook is a hint and never the data: polling alone converges.
//
// One process at a time polls an entity, under a lease of the ledger that also fences its cursor. The cursor moves after the changes that
// it covers are acknowledged by Kafka.
package notion
