// Package bench measures what docs/performance.md states of speed and size (`make bench-sync`, `make bench-cdc`), and holds the tests of capabilities that take thousands
// of records and hours to show.
//
// What is long runs in virtual time: the loops, workers and pollers that ship, the Notion client with its transport stack and the shared budget, all in a
// bubble of testing/synctest, with the ledger, the CRM and Kafka in memory and the emulator with Notion's limit. Requests and waits are counted there, so the
// machine does not matter. What is a matter of the machine (memory, a restart, decisions a second) is measured on the built binary, with PostgreSQL and Apache Kafka.
//
//	world_test.go     the system in a bubble
//	crm_test.go       a CRM in memory, and Kafka
//	wire_test.go      Notion's network, with a meter
//	figures_test.go   the table: reach, aim, measured
//	sync_test.go      what `make bench-sync` measures in virtual time
//	size_test.go      a quarter of a million linked rows, on real parts
//	capture_test.go   the source against PostgreSQL's tools and Debezium: `make bench-cdc`; capture_child_test.go is the process that is measured
//	capable_test.go   capabilities of docs/capabilities.md
package bench
