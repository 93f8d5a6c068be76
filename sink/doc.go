// Package sink is what sink/notion and sink/crm share: from a piece of work to a decision, and from the decision to effects.
//
//	Worker.RunOnce ── Take ──► lease (epoch + 1) on up to Max links
//	     │                                                     ┌────────── sink/notion ──────────┐
//	     ├─ Rows.Read: one snapshot ─► view of the row          │ page GET ─► view of the page     │
//	     │                                     └─► ledger.Decide ◄─┘      (sink/crm: the stored     │
//	     │                                             │                 observation)             │
//	     │                                       ledger.Gate                                       │
//	     ├─ commit 1: losers, conflicts, alerts, intent, observation, the other side's work         │
//	     ├─ own effects: PATCH, POST, trash            │        or: one row, in commit 2's own transaction
//	     └─ commit 2: evidence ─► base; work done; lease given back
//
// Each sink touches its own side only. A decision that wants something done on the other side leaves work there, and that
// sink decides again on what it reads then; a conflict is recorded by the sink that overwrites the loser, right before it does.
//
// A Worker is driven: RunOnce does one round and returns. The services in sink/notion and sink/crm call it in a loop, the simulation
// calls it under a seed.
package sink
