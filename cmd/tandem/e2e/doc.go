// Package e2e tests the built binary against real systems around it: PostgreSQL, Apache Kafka, and the emulator over HTTP as Notion.
// What one process looks like from inside is tested in cmd/tandem; here processes are killed, servers go away and come back, and both
// sides are compared by means that are not Tandem's: SQL on one, Notion's API spoken with plain HTTP on the other.
//
//	main_test.go     builds the binary, once
//	world_test.go    the servers and the configuration files
//	process_test.go  a run of the binary
//	people_test.go   users of both sides, under a seed, who remember what they wrote
//	judge_test.go    both sides read and compared
//	crash_test.go    kill -9 at random moments (make soak: longer)
//	exactly_test.go  the source alone: every change once, whatever is killed (make crash: longer)
//	outage_test.go   servers that go away, two copies, SIGTERM
//	refusal_test.go  what cannot be, said in one sentence
//	figures_test.go  what `make bench` reports
package e2e
