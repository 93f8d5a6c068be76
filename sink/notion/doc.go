// Package notion is the sink.NotionSink: the page says what the CRM says, with as few requests as can be.
//
//	crm.* topics ─► sink.RowChanges ─► work (side notion) ─► sink.Worker ─► GET, decide, PATCH ─► base
//
// It also owns what stands around the pages: the databases and properties ([Schema]), the mapping in force, the sweep of all rows, and
// the relay that publishes alerts. Each may run in several processes; leases in the ledger say whose turn it is.
package notion
