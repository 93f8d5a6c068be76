// Package kafka is how Tandem talks to Kafka: clients, topics, producing, the consumer loop with its dead letters, and the
// store of source offsets. Records are bytes here; package change has the codec.
//
// # What it promises
//
//   - One place builds clients (client.go), with every option that matters and why.
//   - A record counts as sent when all in-sync replicas have it. Order within a partition survives retries. What is in
//     flight is bounded in bytes, and a full buffer blocks the sender.
//   - An offset is committed after the handler returned without an error, never before. So a record is delivered at least
//     once, in order within its partition, and handlers are idempotent.
//   - An offset that is out of range is never reset silently: [ConsumerConfig.OnGap] has returned before anything
//     later is handled.
//   - A record that cannot be used is in the dead-letter topic, acknowledged, before its offset is committed; when that is
//     not possible the consumer stops. Nothing is dropped.
//   - Consumers read committed.
//   - Kafka away: everything waits, says so once (and once when it is back), and resumes.
//
// # What it does not promise
//
// Exactly once: a crash between a handler's commit and the offset's commit delivers again, and [Producer.Send] whose answer
// was lost is Unknown. [Transactional] gives all-or-nothing to readers that read committed, and, with the position in the same transaction, exactly once. A group whose committed
// offsets Kafka has forgotten looks like a new one; it is reported as a gap when the topic's beginning has expired too.
//
// # A consumer's step
//
//	poll ──► gaps? ─► OnGap ─► commit earliest ─► rejoin
//	  │
//	  └► Handle(batch) ──nil─────────────────────────────────► commit ─► allow rebalance
//	        ├─ Rejects ─► tolerance all: dead-letter, acked ──► commit
//	        │             tolerance none: commit before the record, stop with a plain sentence
//	        └─ error ───► rewind to the batch's first offsets, allow rebalance, back off, again
//
// Rebalances wait while a batch is handled (kgo.BlockRebalanceOnPoll), so commits are for partitions that are ours.
// A member that holds one up for longer than rebalanceMax is thrown out; its batch is then delivered to another member.
package kafka
