// Package cdc captures the changes of a PostgreSQL database: it follows the logical replication stream (pgoutput)
// and writes one Kafka topic a table, in Debezium's format. [Source] is the service; [Check] finds out beforehand what
// would keep it from starting.
//
//		      ┌──────────────────────── a failure that may go away ───────────────────────┐
//		      ▼                                                                           │
//		connecting ──► slot ──► snapshot ──► streaming ──(Stop)──► draining ──► stopped   │
//		      │          │          │            │                                        │
//		      └──────────┴──────────┴────────────┴────────────────────────────────────────┘
//
//	  - connecting takes an advisory lock on the slot's name and checks everything. A second copy stays here and looks again every
//	    slot.retry.delay.ms: the slot (and, while the slot is being made or tables are read, the lock) is what lets only one work.
//	  - slot makes or adopts the publication and the slot, as [decide] plans from the stored offset, the slot and snapshot.mode.
//	  - snapshot reads the tables at one moment, as rows of op r. With a slot that was just made the moment is its exported snapshot: the
//	    stream sends exactly what the snapshot lacks. With a slot that was there before, transactions that the snapshot saw are left out
//	    of the stream. Either way nothing is missing and nothing comes twice,
//	    unless the snapshot was cut short: see below.
//	  - streaming reads message by message; a transaction of any size is written as it arrives, and at most in.flight.bytes.max of it wait
//	    for Kafka. When Kafka is slow, reading stops; the server is still told that we live.
//	  - draining waits for acknowledgements up to drain.timeout.ms and stores the position.
//	  - completed, in place of streaming and draining, is the end of snapshot.mode=initial_only: without connections, until Stop.
//
// # What PostgreSQL may forget
//
// The changes and the position are committed in one Kafka transaction ([Transactions]) → PostgreSQL is told. With exactly.once.support=disabled: Kafka acknowledges
// records ([tracker]) → the position is stored in Kafka (every offset.flush.interval.ms) → PostgreSQL is told.
// So its confirmed position is never ahead of the stored one, and the stored one never ahead of what Kafka has. A keepalive
// moves the position only when nothing is in flight; that is what keeps an idle database's WAL from growing.
//
// # What is promised
//
// Every committed change of a captured table, in commit order, exactly once for who reads committed (isolation.level=read_committed): whatever is killed, and whenever.
// A Kafka transaction holds whole transactions of PostgreSQL; one of PostgreSQL's is cut only where writing it takes longer than half of transaction.timeout.ms.
// With exactly.once.support=disabled at least once: what was acknowledged after the position was last stored comes again after a crash. Changes that were lost with the slot, or because the database was restored,
// stop the connector ([LostError]) unless snapshot.mode is when_needed or always: then tables are read again.
//
// # A snapshot that is cut short
//
// Tables are read in ranges of pages (ctid), by COPY, on snapshot.max.threads connections that share one snapshot of PostgreSQL's. Which ranges Kafka has
// acknowledged is stored with the position, the first time, empty, before any row is written. From then on the slot is kept, and the stream begins where the
// first attempt's did, whatever happens. The next attempt has a snapshot of its own, taken later. It reads
//
//   - whole, the ranges that are not stored as read, and
//   - of those that are, the rows that were written since they were read (their xmin is not older than the oldest transaction that ran then): an update
//     moves a row, also out of a page that nobody has read into one that is read already. What is older was visible then, in the same place, and Kafka has it.
//
// So each row that the last attempt's snapshot shows was written as r, as that snapshot shows it; what was deleted before follows in the stream, since
// that lacks nothing that was committed after the first attempt's moment. The price: a row may come twice as r, and the stream then tells the changes that
// lie between the two attempts, of which a row that was read late is the result already: older events follow it. Each key ends in its last state. Exactly
// once is claimed for the stream, and for a snapshot that was not cut short.
//
// A table whose files, columns or filter are others than when it was read (TRUNCATE, VACUUM FULL, ALTER TABLE, another publication) is read whole, and so is
// one that is kept by another access method than heap. One with a statement of the user's (snapshot.select.statement.overrides) is one range, read again from its start unless Kafka
// has it whole: what came after is in the stream. While tables are read they are locked as a SELECT locks them: no ALTER TABLE, TRUNCATE or
// VACUUM FULL until all are read. docs/adr/0005 has the reasons.
//
// # Tables that are read while the stream goes on
//
// A [Signal], from Kafka or a table, has tables read beside the stream, chunk by chunk in the order of their keys ([incrementalRun]). Each chunk has a snapshot of PostgreSQL's own, and a row of it is written
// before the first change that the snapshot did not see ([window]): never a stale row after a newer change, and no large value is lost that an update left alone. Where it stands is stored with the position, and goes
// on after a crash; rows of the chunk that was being read then come twice. A signal of type BLOCKING has them read as at the
// start, while the stream stands still between the transactions that their snapshot saw and those that it did not ([approach]). docs/adr/0006 has the reasons.
//
// # What is not
//
// A large value that an update left alone is the placeholder, without REPLICA IDENTITY FULL, unless reselect.unavailable.values has it read; what is read is the
// row as it is by then. A table that is made after the start is captured after the next start. Existing rows of a table that is added to table.include.list later are read when somebody asks for them: see below.
// A captured table that is dropped and made anew is published again within six status intervals; what was written to it before that is not seen.
// Schema changes have no records of their own. The key's column order is today's, its columns are the time's.
package cdc
