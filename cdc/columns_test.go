package cdc

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func shaped(t *testing.T, c Columns, ev *change.Event) string {
	t.Helper()
	rules, err := newColumnRules(&c)
	if err != nil {
		t.Fatal(err)
	}
	if ev = newShaper(rules).shape(ev); ev == nil {
		return "left out"
	}
	f := change.Format{}
	value := string(f.AppendValue(nil, ev))
	before, rest, _ := strings.Cut(strings.TrimPrefix(value, `{"before":`), `,"after":`)
	after, _, _ := strings.Cut(rest, `,"source":`)
	return before + " " + after
}

func personRow(name string, age int64) change.Row {
	return change.Row{
		{Name: "id", Type: change.Type{Name: "int4", Modifier: -1}, Value: change.IntValue(1)},
		{Name: "Name", Type: change.Type{Name: "varchar", Modifier: 24}, Value: change.TextValue(name)},
		{Name: "age", Type: change.Type{Name: "int4", Modifier: -1}, Value: change.IntValue(age)},
	}
}

// What Debezium 3.6.1 writes for the same options: make parity (its run "columns") compares more of them with it.
func TestColumnsAreLeftOutAndChanged(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		columns       Columns
		before, after change.Row
		want          string
	}{
		"all":               {Columns{}, nil, personRow("Ann", 5), `null {"id":1,"Name":"Ann","age":5}`},
		"included":          {Columns{Include: []string{`public\.person\.(id|name)`}}, nil, personRow("Ann", 5), `null {"id":1,"Name":"Ann"}`},
		"none included":     {Columns{Include: []string{`other\..*`}}, nil, personRow("Ann", 5), `null {}`},
		"excluded":          {Columns{Exclude: []string{`public.person.name`, `x`}}, personRow("Bob", 4), personRow("Ann", 5), `{"id":1,"age":4} {"id":1,"age":5}`},
		"masked":            {Columns{Mask: map[string]string{"4.chars": ".*"}}, nil, personRow("Ann", 5), `null {"id":1,"Name":"****","age":5}`},
		"masked away":       {Columns{Mask: map[string]string{"0.chars": ".*name"}}, nil, personRow("Ann", 5), `null {"id":1,"Name":"","age":5}`},
		"cut":               {Columns{Truncate: map[string]string{"2.chars": ".*"}}, nil, personRow("Ann", 5), `null {"id":1,"Name":"An","age":5}`},
		"cut within a pair": {Columns{Truncate: map[string]string{"2.chars": ".*"}}, nil, personRow("A😀", 5), `null {"id":1,"Name":"A","age":5}`},
		"hashed":            {Columns{Hash: map[string]string{"SHA-256.with.salt.abc": ".*"}}, nil, personRow("Ann", 5), `null {"id":1,"Name":"c7b29d5b6f7f4009b95e","age":5}`},
		"hashed plainly":    {Columns{Hash: map[string]string{"v2.SHA-256.with.salt.abc": ".*"}}, nil, personRow("Ann", 5), `null {"id":1,"Name":"4f0a92be43a237e81701","age":5}`},
		"unchanged":         {Columns{SkipUnchanged: true, Exclude: []string{".*age"}}, personRow("Ann", 4), personRow("Ann", 5), `left out`},
		"changed":           {Columns{SkipUnchanged: true}, personRow("Ann", 4), personRow("Ann", 5), `{"id":1,"Name":"Ann","age":4} {"id":1,"Name":"Ann","age":5}`},
		"old row not known": {Columns{SkipUnchanged: true}, nil, personRow("Ann", 5), `null {"id":1,"Name":"Ann","age":5}`},
	} {
		ev := &change.Event{Op: change.Update, Before: one.before, After: one.after, Source: change.Source{Schema: "public", Table: "person"}}
		if diff := cmp.Diff(one.want, shaped(t, one.columns, ev)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The row is also the table's next and the record's key: what is written in another form must not change it. When the event came back with the masked
// row, the second next row of a snapshot overwrote the next one.
func TestTheRowItselfStays(t *testing.T) {
	t.Parallel()
	row := personRow("Ann", 5)
	ev := &change.Event{Op: change.Create, After: row, Source: change.Source{Schema: "public", Table: "person"}}
	shaped(t, Columns{Mask: map[string]string{"4.chars": ".*"}, Exclude: []string{".*id"}}, ev)
	if diff := cmp.Diff(personRow("Ann", 5), row); diff != "" || &ev.After[0] != &row[0] { // a snapshot reads the next row into this one
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// A user who brings a configuration along is told of every option that is wrong or contradicts another, in one go.
func TestSelectionIsChecked(t *testing.T) {
	t.Parallel()
	m := config.Map{
		"name": "cdc", "connector.class": "cdc.PostgresSource", "topic.prefix": "x", "table.include.list": ".*", "database.hostname": "x", "database.dbname": "x",
		"column.include.list": "a", "column.exclude.list": "b", "schema.include.list": "a", "schema.exclude.list": "(",
		"column.mask.with.x.chars": "a", "column.mask.hash.CRC32.with.salt.x": "a", "heartbeat.action.query": "SELECT 1",
		"max.queue.size": "8192", "snapshot.delay.ms": "5", "qwertz": "1",
	}
	var c Config
	text := config.Decode(m, config.Resolver{}, &c).Error()
	for _, want := range []string{
		"column.exclude.list: column.include.list is given too", "schema.exclude.list: error parsing", "must end in a number and .chars", `"CRC32" is none of MD5`,
		"heartbeat.action.query: it is run with heartbeats, and there are none",
		"max.queue.size: a key of Debezium's, which has no effect here (memory is bounded in bytes", "snapshot.delay.ms: a key of Debezium's",
		"qwertz: unknown key",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q:\n%s", want, text)
		}
	}
}

func TestTablesAreChosen(t *testing.T) {
	t.Parallel()
	c := Config{Tables: []string{".*"}, Selection: Selection{Schemas: []string{"public", "a.*"}, NotTables: []string{`.*\.secret`}, NotPrefixes: []string{"own.*"}}}
	f, err := newFilter(&c, c.Tables)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, name := range []tableName{{"public", "a"}, {"archive", "a"}, {"b", "a"}, {"public", "secret"}, {"tandem", "link"}} {
		got[name.String()] = f.includes(name)
	}
	if diff := cmp.Diff(map[string]bool{"public.a": true, "archive.a": true, "b.a": false, "public.secret": false, "tandem.link": false}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if f.tells("own.x") || !f.tells("other") {
		t.Error("messages are told by the wrong prefixes")
	}
}

// The statement is run with the rights of the connector's role, again with every heartbeat, and one that fails is not the end.
func TestHeartbeatsRunTheirStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts+`; CREATE TABLE beat (n int); INSERT INTO beat VALUES (0)`)
	w.config.Tables, w.config.SnapshotMode = []string{`public\.contact`}, SnapshotNever
	w.config.HeartbeatInterval, w.config.HeartbeatQuery = 10*time.Millisecond, `UPDATE beat SET n = n + 1 + 0 / (5 - n)`
	w.start(t)
	for w.value(t, `SELECT n::text FROM beat`) != "5" { // the next one divides by zero
		if t.Context().Err() != nil {
			t.Fatal("the statement is not run")
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.exec(t, `UPDATE beat SET n = 4; INSERT INTO contact VALUES (1)`)
	w.kafka.await(t, "the stream after a statement that failed", func(records []Record) bool {
		for _, r := range records {
			if r.Topic == "crm.public.contact" {
				return true
			}
		}
		return false
	})
}

// The keys are a list and a prefix of one name.
func TestStatementsOfSnapshotsAreDecoded(t *testing.T) {
	t.Parallel()
	var c Config
	err := config.Decode(config.Map{
		"name": "cdc", "connector.class": "cdc.PostgresSource", "topic.prefix": "x", "table.include.list": ".*", "database.hostname": "x", "database.dbname": "x",
		"snapshot.select.statement.overrides": "public.a, public.b", "snapshot.select.statement.overrides.public.a": "SELECT 1 ; ", "snapshot.select.statement.overrides.public.c": "SELECT 3",
		"include.unknown.datatypes": "true",
	}, config.Resolver{}, &c).Err()
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.override(tableName{"public", "a"}), c.override(tableName{"public", "b"}), c.override(tableName{"public", "c"})}
	if diff := cmp.Diff([]string{"SELECT 1", "", ""}, got); diff != "" || len(c.Overridden) != 2 || !c.Format.UnknownBytes {
		t.Errorf("(-want +got):\n%s\n%q", diff, c.Overridden)
	}
}
