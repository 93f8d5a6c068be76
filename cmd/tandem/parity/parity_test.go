package parity

import (
	"context"
	"errors"
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/debezium"
)

var (
	compare = flag.Bool("parity", false, "compare with Debezium; `make parity` sets it")
	rewrite = flag.Bool("rewrite", false, "write docs/debezium-differences.md instead of comparing with it")
	seed    = flag.Uint64("seed", 0, "the first seed of the theme random; 0 for another one at every run")
	seeds   = flag.Int("seeds", 1, "how many seeds, one after the other")
	folder  = flag.String("themes", "testdata", "the folder of themes; another one is compared alone, without the document")
)

// runMax is one run's patience: two JVMs and hundreds of statements on a machine that does other things too.
const runMax = 8 * time.Minute

// examplesMax is how many differences of one column are shown.
const examplesMax = 8

// heartbeats is how their topic begins.
const heartbeats = "__debezium-heartbeat"

// run is one pass over themes with options that both are given.
type run struct {
	name    string
	options map[string]string
	themes  []string // empty: all but those that need options
	without []string // … and these
	await   []string // topics that get records in their own time
}

// values are the themes for the modes that say how values are written.
var values = []string{"types", "more_types", "extremes", "edges", "array_edges"}

// plain are the themes about values for further runs with schemas.
var plain = []string{"types", "more_types", "extremes"}

// needOptions are themes that are about options.
var needOptions = []string{"choice", "partitions", "published"}

// streamed are themes that the run of incremental snapshots leaves out: Debezium does not come to the end of one over them.
var streamed = []string{"inputs", "migrations", "more_defaults", "more_values", "origins", "published", "shop", "statements", "tenants", "two_phase", "wide"}

var runs = []run{
	{name: "default"},
	{name: "strings", themes: values, options: map[string]string{"decimal.handling.mode": "string", "time.precision.mode": "isostring", "interval.handling.mode": "string",
		"hstore.handling.mode": "map", "binary.handling.mode": "hex"}},
	{name: "connect", themes: values, options: map[string]string{"decimal.handling.mode": "double", "time.precision.mode": "connect", "binary.handling.mode": "base64"}},
	{name: "microseconds", themes: values, options: map[string]string{"time.precision.mode": "microseconds", "binary.handling.mode": "base64-url-safe", "include.unknown.datatypes": "true"}},
	{name: "nanoseconds", themes: values, options: map[string]string{"time.precision.mode": "nanoseconds"}},
	{name: "time_microseconds", themes: values, options: map[string]string{"time.precision.mode": "adaptive_time_microseconds"}},
	{name: "transactions", themes: []string{"events", "keys", "tables", "two_phase", "shop", "migrations", "origins"}, options: map[string]string{"provide.transaction.metadata": "true"}},
	{name: "columns", themes: []string{"choice"}, options: map[string]string{"table.include.list": "", "schema.exclude.list": "ch_schema", "table.exclude.list": `public\.ch_(not|beat)`,
		"column.exclude.list": `public\.ch_.*\.(mixed|hidden)`, "column.mask.with.6.chars": `public\.ch_.*\.(secret|n)`, "column.truncate.to.3.chars": `.*\.long,.*\.arr`,
		"column.mask.hash.SHA-256.with.salt.s": `.*\.hashed,.*\.short`, "column.mask.hash.v2.MD5.with.salt.s.t": `.*\.plain,.*\.c`,
		"skip.messages.without.change": "true", "message.prefix.include.list": "wanted",
		"heartbeat.interval.ms": "500", "heartbeat.action.query": "UPDATE ch_beat SET n = 1 WHERE n = 0", "money.fraction.digits": "3"}},
	{name: "partitions", themes: []string{"partitions"}, options: map[string]string{"publish.via.partition.root": "false", "table.include.list": "", "table.exclude.list": `public\.pa_(root|late)`}},
	{name: "published", themes: []string{"published"}, options: map[string]string{"publication.autocreate.mode": "disabled", "table.include.list": `public\.sn_n.*,public\.(pu_rows|pu_key_rows|pu_cols|pu_both|pu_parts|pu_toast|parity_end),public\.sn_.*`,
		"snapshot.include.collection.list": `public\.(pu_.*|sn_[^o].*|parity_end)`, "snapshot.select.statement.overrides": "public.sn_new,public.sn_joined,public.sn_null,public.sn_keyless,public.sn_none",
		"snapshot.select.statement.overrides.public.sn_new":     "SELECT * FROM sn_new WHERE at > '2026-01-17' ORDER BY id DESC",
		"snapshot.select.statement.overrides.public.sn_joined":  "SELECT upper(n.v) AS label, j.id, j.other FROM sn_joined j JOIN sn_new n ON n.id = j.other WHERE n.id <> 17 ORDER BY 2;",
		"snapshot.select.statement.overrides.public.sn_null":    "SELECT last, id, a FROM sn_null ORDER BY id",
		"snapshot.select.statement.overrides.public.sn_keyless": "TABLE sn_keyless ORDER BY a DESC LIMIT 2",
		"snapshot.select.statement.overrides.public.sn_none":    "SELECT * FROM sn_none WHERE false"}},
	{name: "truncates", themes: []string{"events", "keys"}, await: []string{heartbeats + ".PREFIX"},
		options: map[string]string{"skipped.operations": "none", "heartbeat.interval.ms": "500", "tombstones.on.delete": "false"}},
	{name: "schemas", without: []string{"wide"}, await: []string{heartbeats + ".PREFIX"}, options: withSchemas(map[string]string{"skipped.operations": "none", "heartbeat.interval.ms": "500"})},
	{name: "schemas_transactions", themes: []string{"events"}, options: withSchemas(map[string]string{"provide.transaction.metadata": "true"})},
	{name: "schemas_strings", themes: plain, options: withSchemas(map[string]string{"decimal.handling.mode": "string", "time.precision.mode": "isostring",
		"interval.handling.mode": "string", "hstore.handling.mode": "map", "binary.handling.mode": "hex"})},
	{name: "schemas_connect", themes: plain, options: withSchemas(map[string]string{"decimal.handling.mode": "double", "time.precision.mode": "connect",
		"binary.handling.mode": "base64"})},
	{name: "schemas_nanoseconds", themes: plain, options: withSchemas(map[string]string{"time.precision.mode": "nanoseconds",
		"schema.name.adjustment.mode": "avro", "field.name.adjustment.mode": "avro"})},
}

// TestParity is `make parity`.
func TestParity(t *testing.T) {
	if !*compare {
		t.Skip("SKIPPED: make parity runs it, with Debezium beside us")
	}
	if err := debezium.Missing(); err != nil {
		t.Fatal(err)
	}
	themes := readThemes(t)
	found := ledger{themes: themes, pairs: readPairs(t)}
	for _, one := range runs {
		t.Run(one.name, func(t *testing.T) { found.add(t, one.play(t, themes)) })
	}
	for n := range *seeds {
		first := *seed
		if first == 0 {
			first = uint64(time.Now().UnixNano())
		}
		t.Run("random", func(t *testing.T) {
			t.Logf("to play it again: make parity RUN=TestParity/random ARGS='-seed %d'", first+uint64(n))
			found.add(t, run{name: "random", themes: []string{"random"}}.play(t, []theme{randomTheme(first + uint64(n))}))
		})
	}
	if !t.Failed() && !partial() && *folder == "testdata" {
		found.settle(t)
	}
}

// partial tells that -run chose some of the runs: what the others would find is not known.
func partial() bool { return strings.Contains(flag.Lookup("test.run").Value.String(), "/") }

// play runs the themes under both and gives what differs.
func (r run) play(t *testing.T, themes []theme) []difference {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), runMax, errors.New("the run's patience of "+runMax.String()+" is over"))
	defer cancel()
	w := newWorld(t, ctx)
	var played []theme
	for _, th := range themes {
		if len(r.themes) == 0 && !slices.Contains(needOptions, th.name) && !slices.Contains(r.without, th.name) || slices.Contains(r.themes, th.name) {
			played = append(played, th)
		}
	}
	w.exec(t, ctx, "CREATE TABLE "+endTable+" (id int PRIMARY KEY)")
	for _, th := range played {
		w.exec(t, ctx, th.schema...)
		w.exec(t, ctx, th.both...)
		w.exec(t, ctx, th.prepared...)
	}
	w.start(t, ctx, r.options)
	for _, th := range played {
		w.exec(t, ctx, th.both...)
		w.exec(t, ctx, th.stream...)
	}
	w.finish(t, ctx, r.await...)
	theirs, ours := w.collect(t, ctx, w.prefixes[0]), w.collect(t, ctx, w.prefixes[1])
	names := map[string]bool{}
	for topic := range theirs {
		names[topic] = true
	}
	for topic, records := range ours {
		names[topic] = names[topic] || len(records) > 0 // ours are made at the start, Debezium's with their first record
	}
	var out []difference
	events := 0
	topics := slices.Sorted(maps.Keys(names))
	for _, topic := range topics {
		a, b := w.events(t, theirs[topic], w.prefixes[0]), w.events(t, ours[topic], w.prefixes[1])
		if strings.HasPrefix(topic, heartbeats) { // how many depends on the clock
			a, b = a[:min(1, len(a))], b[:min(1, len(b))]
		}
		events += len(a)
		out = append(out, compareTopic(r.name, topic, a, b)...)
	}
	if err := showColumns(ctx, w.conn, out); err != nil {
		t.Error(err)
	}
	t.Logf("%s: %d topics, %d records of Debezium's compared, %d fields differ", r.name, len(topics), events, len(out))
	return out
}
