package cdc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

const parted = `CREATE TABLE sale (id int, year int, t text, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
	CREATE TABLE sale_2025 PARTITION OF sale FOR VALUES IN (2025);
	CREATE TABLE sale_late PARTITION OF sale FOR VALUES IN (2026, 2027) PARTITION BY LIST (year);
	CREATE TABLE sale_2026 PARTITION OF sale_late FOR VALUES IN (2026); CREATE TABLE plain (id int PRIMARY KEY);
	INSERT INTO sale VALUES (1, 2025, 'a'), (2, 2026, 'b')`

// topicsOf gives topic, op and key of each record.
func topicsOf(t *testing.T, records []Record) (out []string) {
	t.Helper()
	for i, line := range summary(t, records) {
		out = append(out, records[i].Topic+" "+line)
	}
	return out
}

// Each partition is a table: in the snapshot, in the stream and in incremental snapshots; a row that moves is deleted in one and created in another.
func TestPartitionsUnderTheirOwnNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), parted)
	w.config.ViaRoot, w.config.SnapshotThreads = false, 1
	signals := newMemorySignals()
	s := w.startWith(t, signals)
	w.exec(t, `INSERT INTO sale VALUES (3, 2026, 'c'); INSERT INTO plain VALUES (1)`)
	w.exec(t, `UPDATE sale SET year = 2026 WHERE id = 1`)
	records := w.kafka.awaitCount(t, 7)
	want := []string{`crm.public.sale_2025 r {"id":1,"year":2025}`, `crm.public.sale_2026 r {"id":2,"year":2026}`, `crm.public.sale_2026 c {"id":3,"year":2026}`, `crm.public.plain c {"id":1}`,
		`crm.public.sale_2025 d {"id":1,"year":2025}`, `crm.public.sale_2025 - {"id":1,"year":2025}`, `crm.public.sale_2026 c {"id":1,"year":2026}`}
	if diff := cmp.Diff(want, topicsOf(t, records)); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	signals.send(executeSignal("public.sale_2026"))
	w.ended(t, s, 1)
	if got := topicsOf(t, w.kafka.awaitCount(t, 10))[7]; got != `crm.public.sale_2026 r {"id":1,"year":2026}` {
		t.Errorf("incremental snapshot: %s", got)
	}
	topics, err := Topics(t.Context(), w.config)
	if diff := cmp.Diff([]string{"crm.public.plain", "crm.public.sale_2025", "crm.public.sale_2026", "crm.message"}, topics); diff != "" || err != nil {
		t.Errorf("topics: %v (-want +got):\n%s", err, diff)
	}
	s.Stop()
	w.config.ViaRoot = true
	wantProblems(t, w, "publish_via_partition_root = true), or set publish.via.partition.root=false")
}

func TestPartitionsThatNothingMatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), parted+`; CREATE PUBLICATION tandem FOR TABLE sale WITH (publish_via_partition_root = true)`)
	w.config.ViaRoot, w.config.Tables = false, []string{`public\.sale`}
	wantProblems(t, w, `no table matches "public\\.sale"`, "warning: table public.sale: it is partitioned, and with publish.via.partition.root=false")
	w.config.Tables = []string{`public\.sale.*`}
	wantProblems(t, w, "it publishes partitions as their root, and publish.via.partition.root is false: run ALTER PUBLICATION tandem SET (publish_via_partition_root = false)")
	w.exec(t, `ALTER PUBLICATION tandem SET (publish_via_partition_root = false)`)
	wantProblems(t, w)
}

// Stored generated columns are in events as others are, in the snapshot too, and with schemas; the list of a table may leave them out.
func TestGeneratedColumns(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 18, "published generated columns")
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE made (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, thrice int GENERATED ALWAYS AS (id * 3) VIRTUAL, t text);
		CREATE TABLE listed (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, t text); INSERT INTO made (id) VALUES (1); INSERT INTO listed (id) VALUES (1)`)
	w.config.SnapshotThreads = 1
	s := w.start(t)
	wantRow(t, w.kafka.awaitCount(t, 2)[1], `id=1 t=null`)
	s.Stop()
	w.config.Generated, w.config.ListMode, w.config.Columns.Exclude = generatedStored, listsFromOptions, []string{`public\.listed\.twice`}
	w.config.SnapshotMode, w.config.AutoCreate = SnapshotAlways, autoCreateDisabled
	wantProblems(t, w, "publish.generated.columns: publication tandem does not publish them, and we may not change it: let its owner run ALTER PUBLICATION tandem SET (publish_generated_columns = stored)",
		"publication.column.lists: table public.listed: publication tandem sends other columns")
	w.config.AutoCreate = autoCreateFiltered
	w.config.Converters = jsonWithSchemas()
	s = w.start(t)
	w.exec(t, `INSERT INTO made (id) VALUES (2); INSERT INTO listed (id) VALUES (2)`)
	records := w.kafka.awaitCount(t, 6)
	for i, want := range []string{"id=1 t=null", "id=1 twice=2 t=null", "id=2 twice=4 t=null", "id=2 t=null"} {
		wantRow(t, records[i+2], want)
	}
	s.Stop()
	w.exec(t, `ALTER TABLE made REPLICA IDENTITY FULL`)
	wantProblems(t, w, "warning: table public.made: its replica identity has generated columns that are not published (thrice)")
}

func TestGeneratedColumnsAreNotForOlderServers(t *testing.T) {
	t.Parallel()
	if pgtest.Major(t) >= 18 {
		t.Skip("SKIP: this server publishes generated columns")
	}
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE made (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)`)
	w.config.Generated = generatedStored
	wantProblems(t, w, "publish.generated.columns: PostgreSQL 1")
}
