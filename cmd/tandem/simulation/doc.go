// Package simulation runs the whole system under one seed: the loops that ship, on a ledger in memory, the emulator and a CRM and a Kafka
// of its own, in virtual time, in one goroutine's order.
//
//	seed ─► users on both sides, faults, crashes, lost webhooks, index lag ─► heal ─► quiesce ─► oracles ─► hash
//
// What ships and runs here: sink.RowChanges and PageChanges, sink.Worker on both sides, sink.RowSweep and Relay, the poller and the webhook
// receiver, the Notion client with its transport stack, the ledger's rules. What stands in: rows ([crm]), topics ([broker]), and the
// emulator, which is a product part.
//
// Time moves when somebody waits: a request to Notion, a pause. Whatever is due meanwhile happens inside that wait, so that people edit
// between our read and our write, other processes run between two commits, and leases end under a zombie's hands. A crash makes every
// call of a process fail from that moment on; it starts again later with nothing but what was durable.
//
// The same seed gives the same run: the hash covers every effect in order.
package simulation
