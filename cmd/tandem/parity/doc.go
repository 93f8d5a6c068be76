// Package parity compares our change events with Debezium's: the real one, in a real Connect worker, over the same database and into
// the same Apache Kafka. `make parity` runs it; it is all tests, and has no code of the product.
//
//	parity_test.go      the runs: which options, which themes
//	world_test.go       a database, a broker, both connectors, and what they wrote
//	theme_test.go       testdata/*.sql: what is played, and which differences are meant
//	event_test.go       a record taken apart into fields, and what of it cannot be equal
//	compare_test.go     two topics side by side
//	random_test.go      a theme that a seed makes: what nobody thought of
//	pair_test.go        the values that differ, one by one: testdata/pairs.txt
//	difference_test.go  the expected differences against those found, and docs/debezium-differences.md, which is made of them
//
// A theme is SQL in sections: "schema" is run once, "both" before the start (so it is read by the snapshots) and again in the stream,
// "stream" in the stream only. Every value of every field of every event must be the same, byte for byte and in the same order,
// or be listed in the theme:
//
//	-- differs: RUN PHASE TABLE OP FIELD: why
//
// The five are patterns as path.Match has them. A difference that is not listed fails, and so does a line that nothing matches. A pattern says where, not what: each pair of values that
// differs stands in testdata/pairs.txt (-rewrite writes it), and one that is new fails too.
//
// The run "random" plays a seed's theme and prints the seed: -seed plays it again, -seeds plays several. What a seed finds gets its place in a theme.
package parity
