package cdc

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// altered is a table that changes under the stream, and what is told of it: "table op key before after".
type altered struct {
	before, sql string
	want        []string
}

const keyed = ` (id int PRIMARY KEY, v text); INSERT INTO %[1]s VALUES (1, 'a')`

var schemaChanges = map[string]altered{
	"added": {keyed, `ALTER TABLE %[1]s ADD w int DEFAULT 5; INSERT INTO %[1]s VALUES (2, 'b', 6); UPDATE %[1]s SET v = 'c' WHERE id = 1`,
		[]string{`c {"id":2} null {"id":2,"v":"b","w":6}`, `u {"id":1} null {"id":1,"v":"c","w":5}`}},
	"dropped": {keyed, `INSERT INTO %[1]s VALUES (2, 'b'); ALTER TABLE %[1]s DROP v; INSERT INTO %[1]s VALUES (3)`,
		[]string{`c {"id":2} null {"id":2,"v":"b"}`, `c {"id":3} null {"id":3}`}},
	"renamed": {keyed, `INSERT INTO %[1]s VALUES (2, 'b'); ALTER TABLE %[1]s RENAME v TO w; INSERT INTO %[1]s VALUES (3, 'c')`,
		[]string{`c {"id":2} null {"id":2,"v":"b"}`, `c {"id":3} null {"id":3,"w":"c"}`}},
	"renamed key": {keyed, `INSERT INTO %[1]s VALUES (2, 'b'); ALTER TABLE %[1]s RENAME id TO ident; UPDATE %[1]s SET ident = 3 WHERE ident = 2`,
		[]string{`c {"id":2} null {"id":2,"v":"b"}`, `d {"ident":2} {"ident":2,"v":null} null`, `- {"ident":2}`, `c {"ident":3} null {"ident":3,"v":"b"}`}},
	"retyped, which writes the table anew": {keyed, `UPDATE %[1]s SET v = '7'; ALTER TABLE %[1]s ALTER v TYPE int USING v::int; INSERT INTO %[1]s VALUES (2, 8)`,
		[]string{`u {"id":1} null {"id":1,"v":"7"}`, `c {"id":2} null {"id":2,"v":8}`}},
	"another scale": {` (id int PRIMARY KEY, n numeric(4,1))`, `INSERT INTO %[1]s VALUES (1, 1.5); ALTER TABLE %[1]s ALTER n TYPE numeric(8,3); INSERT INTO %[1]s VALUES (2, 1.5)`,
		[]string{`c {"id":1} null {"id":1,"n":"Dw=="}`, `c {"id":2} null {"id":2,"n":"Bdw="}`}},
	"another key": {keyed, `INSERT INTO %[1]s VALUES (2, 'b'); ALTER TABLE %[1]s DROP CONSTRAINT %[1]s_pkey, ADD PRIMARY KEY (v); INSERT INTO %[1]s VALUES (3, 'c'); UPDATE %[1]s SET id = 4 WHERE v = 'c'; DELETE FROM %[1]s WHERE v = 'b'`,
		[]string{`c {"id":2} null {"id":2,"v":"b"}`, `c {"v":"c"} null {"id":3,"v":"c"}`, `u {"v":"c"} null {"id":4,"v":"c"}`, `d {"v":"b"} {"id":null,"v":"b"} null`, `- {"v":"b"}`}},
	"identity full and back": {keyed, `ALTER TABLE %[1]s REPLICA IDENTITY FULL; UPDATE %[1]s SET v = 'b'; ALTER TABLE %[1]s REPLICA IDENTITY DEFAULT; UPDATE %[1]s SET v = 'c'`,
		[]string{`u {"id":1} {"id":1,"v":"a"} {"id":1,"v":"b"}`, `u {"id":1} null {"id":1,"v":"c"}`}},
	"identity of an index": {` (id int PRIMARY KEY, code text NOT NULL UNIQUE); INSERT INTO %[1]s VALUES (1, 'x')`,
		`UPDATE %[1]s SET id = 2; ALTER TABLE %[1]s REPLICA IDENTITY USING INDEX %[1]s_code_key; UPDATE %[1]s SET id = 3; UPDATE %[1]s SET code = 'y'`,
		[]string{`d {"id":1} {"id":1,"code":null} null`, `- {"id":1}`, `c {"id":2} null {"id":2,"code":"x"}`, `u {"code":"x"} null {"id":3,"code":"x"}`,
			`d {"code":"x"} {"id":null,"code":"x"} null`, `- {"code":"x"}`, `c {"code":"y"} null {"id":3,"code":"y"}`}},
	"written anew": {keyed, `VACUUM FULL %[1]s; UPDATE %[1]s SET v = 'b'; CLUSTER %[1]s USING %[1]s_pkey; UPDATE %[1]s SET v = 'c'; ALTER TABLE %[1]s ADD at timestamptz DEFAULT clock_timestamp() - interval '1 day'; ALTER TABLE %[1]s DROP at; UPDATE %[1]s SET v = 'd'`,
		[]string{`u {"id":1} null {"id":1,"v":"b"}`, `u {"id":1} null {"id":1,"v":"c"}`, `u {"id":1} null {"id":1,"v":"d"}`}},
	"an enum that grows": {` (id int PRIMARY KEY, m mood)`, `INSERT INTO %[1]s VALUES (1, 'ok'); ALTER TYPE mood ADD VALUE 'new'; INSERT INTO %[1]s VALUES (2, 'new'); ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'; INSERT INTO %[1]s VALUES (3, 'fine')`,
		[]string{`c {"id":1} null {"id":1,"m":"ok"}`, `c {"id":2} null {"id":2,"m":"new"}`, `c {"id":3} null {"id":3,"m":"fine"}`}},
	"types made since": {keyed, `CREATE TYPE since AS ENUM ('so'); CREATE DOMAIN cents AS numeric(6,2); CREATE TYPE pair AS (a int, b text);
		ALTER TABLE %[1]s ADD e since, ADD c cents, ADD p pair, ADD es since[]; INSERT INTO %[1]s VALUES (2, 'b', 'so', 1.5, (1, 'x'), '{so,so}')`,
		[]string{`c {"id":2} null {"id":2,"v":"b","e":"so","c":"AJY=","p":"(1,x)","es":["so","so"]}`}},
	"types that are gone": {keyed, `CREATE DOMAIN gone AS int; CREATE TYPE was AS ENUM ('so'); ALTER TABLE %[1]s ADD n gone, ADD e was, ADD es was[]; INSERT INTO %[1]s VALUES (2, 'b', 7, 'so', '{so}');
		ALTER TABLE %[1]s DROP n, DROP e, DROP es; DROP DOMAIN gone; DROP TYPE was; INSERT INTO %[1]s VALUES (3, 'c')`,
		[]string{`c {"id":2} null {"id":2,"v":"b","n":7,"e":"so","es":["so"]}`, `c {"id":3} null {"id":3,"v":"c"}`}},
	"another name": {keyed, `UPDATE %[1]s SET v = 'b'; ALTER TABLE %[1]s RENAME TO %[1]s_new; UPDATE %[1]s_new SET v = 'c'`,
		[]string{`u {"id":1} null {"id":1,"v":"b"}`, `_new u {"id":1} null {"id":1,"v":"c"}`}},
	"made anew": {keyed, `UPDATE %[1]s SET v = 'b'; DROP TABLE %[1]s; CREATE TABLE %[1]s (k text PRIMARY KEY, id int); INSERT INTO %[1]s VALUES ('x', 1)`,
		[]string{`u {"id":1} null {"id":1,"v":"b"}`, `c {"k":"x"} null {"k":"x","id":1}`}},
	"joins": {keyed, `CREATE TABLE %[1]s_more (b int, a int, PRIMARY KEY (a, b)); INSERT INTO %[1]s_more VALUES (2, 1)`,
		[]string{`_more c {"a":1,"b":2} null {"b":2,"a":1}`}},
}

// A change is told of as its table was when it was made: when the stream follows at once, and when it comes after everything was altered, so that the catalog
// shows another world.
func TestSchemaChangesInTheStream(t *testing.T) {
	t.Parallel()
	for _, behind := range []bool{false, true} {
		t.Run(fmt.Sprintf("behind %t", behind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t), `CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t_end (id int PRIMARY KEY); CREATE PUBLICATION tandem FOR ALL TABLES`)
			names := map[string]string{}
			for what, c := range schemaChanges {
				names[what] = "t_" + regexp.MustCompile(`\W+`).ReplaceAllString(what, "_")
				w.exec(t, fmt.Sprintf("CREATE TABLE %[1]s"+c.before, names[what]))
			}
			w.config.SnapshotMode = SnapshotNoData
			s := w.start(t)
			if behind {
				s.Stop()
			}
			for what, c := range schemaChanges {
				for sql := range strings.SplitSeq(fmt.Sprintf(c.sql, names[what]), ";") { // VACUUM wants to be alone
					w.exec(t, sql)
				}
			}
			w.exec(t, `INSERT INTO t_end VALUES (1)`)
			if behind {
				w.start(t)
			}
			records := w.kafka.await(t, "the last row", func(r []Record) bool { return len(r) > 0 && r[len(r)-1].Topic == "crm.public.t_end" })
			for what, c := range schemaChanges {
				if diff := cmp.Diff(c.want, tale(records, names[what])); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
		})
	}
}

var rowsOf = regexp.MustCompile(`^{"before":(.*),"after":(.*),"source":.*"op":"(\w)"`)

// tale is what was told of a table, and of those whose names begin with its name and an underscore.
func tale(records []Record, table string) (out []string) {
	for _, r := range records {
		name, ok := strings.CutPrefix(r.Topic, "crm.public."+table)
		if !ok || name != "" && name != "_new" && name != "_more" {
			continue
		}
		line := strings.TrimSpace(name + " - " + string(r.Key))
		if r.Value != nil {
			part := rowsOf.FindSubmatch(r.Value)
			line = strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", name, part[3], r.Key, part[1], part[2]))
		}
		out = append(out, line)
	}
	return out
}
