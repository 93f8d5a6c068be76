package cdc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

const toasted = `CREATE TABLE plain (id int PRIMARY KEY, v int, big text, bin bytea); ALTER TABLE plain ALTER big SET STORAGE EXTERNAL, ALTER bin SET STORAGE EXTERNAL;
	CREATE TABLE whole (LIKE plain INCLUDING ALL); ALTER TABLE whole REPLICA IDENTITY FULL;
	CREATE TABLE keyed (k text PRIMARY KEY, v int); ALTER TABLE keyed ALTER k SET STORAGE EXTERNAL;
	INSERT INTO plain SELECT i, 0, repeat('b', 3000), decode(repeat('00ff', 1500), 'hex') FROM generate_series(1, 5) i; INSERT INTO whole SELECT * FROM plain`

// short makes large values readable.
func short(lines []string) []string {
	for i := range lines {
		lines[i] = strings.NewReplacer(strings.Repeat("b", 3000), "b…", strings.Repeat("AP8A/wD/", 500), "0…", strings.Repeat("k", 2500), "k…",
			"__debezium_unavailable_value", "?", "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==", "?").Replace(lines[i])
	}
	return lines
}

// A large value that an update left alone is never told as empty, and a row under a new key has it: from the old row where that is whole, from the table otherwise.
func TestLargeValuesThatWereLeftAlone(t *testing.T) {
	t.Parallel()
	for mode, want := range map[Reselect][3]string{
		ReselectNone:      {`u {"id":1} null {"id":1,"v":1,"big":"?","bin":"?"}`, `c {"id":20} null {"id":20,"v":0,"big":"?","bin":"?"}`, `c {"id":40} null {"id":40,"v":0,"big":"?","bin":"?"}`},
		ReselectKeyChange: {`u {"id":1} null {"id":1,"v":1,"big":"?","bin":"?"}`, `c {"id":20} null {"id":20,"v":0,"big":"b…","bin":"0…"}`, `c {"id":40} null {"id":40,"v":0,"big":"b…","bin":"0…"}`},
		ReselectAll:       {`u {"id":1} null {"id":1,"v":1,"big":"b…","bin":"0…"}`, `c {"id":20} null {"id":20,"v":0,"big":"b…","bin":"0…"}`, `c {"id":40} null {"id":40,"v":0,"big":"b…","bin":"0…"}`},
	} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t), toasted+`; CREATE PUBLICATION tandem FOR ALL TABLES`)
			w.config.SnapshotMode, w.config.Reselect = SnapshotNoData, mode
			s := w.start(t)
			s.Stop() // what is read from the tables is how they are at the end
			w.exec(t, `UPDATE plain SET v = 1 WHERE id = 1; UPDATE plain SET id = 20 WHERE id = 2; UPDATE plain SET id = 30 WHERE id = 3; DELETE FROM plain WHERE id = 30; UPDATE plain SET id = 40 WHERE id = 4`)
			w.exec(t, `UPDATE whole SET v = 1 WHERE id = 1; UPDATE whole SET id = 20 WHERE id = 2`)
			w.exec(t, `INSERT INTO keyed VALUES (repeat('k', 2500), 1); UPDATE keyed SET v = 2`)
			w.start(t)
			records := w.kafka.awaitCount(t, 18)
			if diff := cmp.Diff([]string{want[0], `d {"id":2} {"id":2,"v":null,"big":null,"bin":null} null`, `- {"id":2}`, want[1],
				`d {"id":3} {"id":3,"v":null,"big":null,"bin":null} null`, `- {"id":3}`, `c {"id":30} null {"id":30,"v":0,"big":"?","bin":"?"}`, // gone before we could ask
				`d {"id":30} {"id":30,"v":null,"big":null,"bin":null} null`, `- {"id":30}`, `d {"id":4} {"id":4,"v":null,"big":null,"bin":null} null`, `- {"id":4}`, want[2]}, short(tale(records, "plain"))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{`u {"id":1} {"id":1,"v":0,"big":"b…","bin":"0…"} {"id":1,"v":1,"big":"b…","bin":"0…"}`,
				`d {"id":2} {"id":2,"v":0,"big":"b…","bin":"0…"} null`, `- {"id":2}`, `c {"id":20} null {"id":20,"v":0,"big":"b…","bin":"0…"}`}, short(tale(records, "whole"))); diff != "" {
				t.Errorf("identity full (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{`c {"k":"k…"} null {"k":"k…","v":1}`, `u {"k":"k…"} {"k":"k…","v":null} {"k":"k…","v":2}`}, short(tale(records, "keyed"))); diff != "" {
				t.Errorf("a large key (-want +got):\n%s", diff)
			}
		})
	}
}
