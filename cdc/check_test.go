package cdc

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// superuser is what is said of the role that most tests use; it is asked for once, and left out elsewhere.
const superuser = "it is a superuser, where REPLICATION and SELECT on the captured tables are enough"

func wantProblems(t *testing.T, w *world, want ...string) {
	t.Helper()
	problems, err := Check(t.Context(), w.config)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range want {
		found := false
		for _, p := range problems {
			found = found || strings.Contains(p.String(), one)
		}
		if !found {
			t.Errorf("nothing says %q in %v", one, problems)
		}
	}
	problems = slices.DeleteFunc(problems, func(p config.Problem) bool { return strings.Contains(p.String(), superuser) })
	if len(problems) != len(want) {
		t.Errorf("got %d problems, want %d: %v", len(problems), len(want), problems)
	}
}

// Whoever sets this up has one look and one list, with the statements to run.
func TestCheckReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	role := "poor_" + dsnName(dsn)
	w := newWorld(t, dsn, contacts+`; CREATE TABLE nokey (a int); CREATE UNLOGGED TABLE fast (id int PRIMARY KEY); CREATE TABLE none (id int PRIMARY KEY);
		ALTER TABLE none REPLICA IDENTITY NOTHING; CREATE TABLE "a b" (id int PRIMARY KEY); CREATE TABLE a_b (id int PRIMARY KEY);
		CREATE TABLE secret (id int PRIMARY KEY); ALTER TABLE secret ENABLE ROW LEVEL SECURITY; CREATE ROLE `+role+` LOGIN PASSWORD 'p';
		GRANT SELECT ON ALL TABLES IN SCHEMA public TO `+role+`; REVOKE SELECT ON contact FROM `+role)
	t.Cleanup(func() {
		for _, sql := range []string{"DROP OWNED BY " + role, "DROP ROLE " + role} {
			if _, err := w.db.Exec(context.Background(), sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})
	w.config.Tables = append(w.config.Tables, "sales.order")
	w.config.Database.User, w.config.Database.Password = role, config.NewSecret("p")
	wantProblems(t, w,
		"run ALTER ROLE \""+role+"\" REPLICATION",
		`no table matches "sales.order"`,
		`GRANT SELECT ON "public"."contact"`,
		`ALTER TABLE "public"."nokey" REPLICA IDENTITY FULL`,
		`ALTER TABLE "public"."none" REPLICA IDENTITY FULL`,
		`ALTER TABLE "public"."fast" SET LOGGED`,
		`table public.secret: row security hides rows`,
		`its topic crm.public.a_b is also that of`,
		`let their owner run CREATE PUBLICATION tandem FOR TABLE`,
	)
	err := w.source(t).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "9 problems") {
		t.Errorf("the start: got %v", err)
	}
}

func TestCheckOfSlotAndPublication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts+`; CREATE TABLE task (id int, due date, PRIMARY KEY (id, due)) PARTITION BY RANGE (due); CREATE TABLE part PARTITION OF task DEFAULT;
		CREATE SCHEMA tandem; CREATE TABLE tandem.link (id int PRIMARY KEY); CREATE TABLE indexed (id int PRIMARY KEY, code text NOT NULL UNIQUE);
		ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_code_key; CREATE PUBLICATION tandem FOR TABLE task, tandem.link, indexed WITH (publish = 'insert')`)
	w.value(t, `SELECT slot_name::text FROM pg_create_physical_replication_slot($1)`, w.config.Slot)
	defer w.exec(t, `SELECT pg_drop_replication_slot($1)`, w.config.Slot)
	w.config.AutoCreate = "disabled"
	wantProblems(t, w,
		"it is a physical slot",
		"warning: publication tandem: it publishes only part of inserts, updates and deletes",
		"publish_via_partition_root = true",
		"warning: publication tandem: it holds the ledger's schema tandem",
		`run ALTER PUBLICATION tandem ADD TABLE ONLY "public"."contact"`,
		"warning: table public.indexed: its replica identity is an index without the primary key",
	)
}

// What identifies old rows is asked for where a start would make PostgreSQL refuse updates. Where it refuses them already, or updates are not published, the table's inserts are captured.
func TestCheckOfATableThatNothingIdentifies(t *testing.T) {
	t.Parallel()
	const warning = "warning: table public.log: it has no primary key that identifies old rows, and PostgreSQL refuses updates and deletes, since it is published"
	for name, test := range map[string]struct {
		publication, autoCreate string
		skipped                 []string
		want                    []string
	}{
		"published":      {publication: "FOR TABLE log", want: []string{warning}},
		"all tables":     {autoCreate: autoCreateAll, want: []string{warning}},
		"inserts only":   {publication: "FOR TABLE log WITH (publish = 'insert')", skipped: []string{"u", "d", "t"}},
		"not yet":        {want: []string{"table public.log: it has no primary key that identifies old rows, and PostgreSQL would refuse"}},
		"not, by choice": {publication: "FOR TABLE log WITH (publish = 'insert')", want: []string{"skipped.operations does not say that the others are not wanted"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t), `CREATE TABLE log (what text)`)
			if test.publication != "" {
				w.exec(t, "CREATE PUBLICATION tandem "+test.publication)
			}
			w.config.AutoCreate, w.config.Skipped = cmp.Or(test.autoCreate, w.config.AutoCreate), append(w.config.Skipped, test.skipped...)
			wantProblems(t, w, test.want...)
			if len(test.want) > 0 && !strings.HasPrefix(test.want[0], "warning") {
				return
			}
			w.start(t)
			w.exec(t, `INSERT INTO log VALUES ('said')`)
			w.kafka.await(t, "the insert", func(r []Record) bool { return len(r) > 0 && strings.Contains(string(r[len(r)-1].Value), "said") })
		})
	}
}

func TestCheckOfAHealthyDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	if problems, err := Check(t.Context(), w.config); err != nil || !strings.Contains(problems.Error(), superuser) {
		t.Errorf("the tests' role is a superuser, and nothing says so: %v %v", problems, err)
	}
	w.start(t)
	wantProblems(t, w) // also while it runs
}

func TestCheckOfServerSettings(t *testing.T) {
	t.Parallel()
	f := facts{version: 130009, walLevel: "replica", standby: true, replication: true, slots: 3, slotsMax: 3, senders: 2, sendersMax: 2}
	var problems config.Problems
	f.serverProblems(&problems)
	f.slotProblems(Default(), &problems)
	for _, want := range []string{"PostgreSQL 13 is too old", "wal_level is replica: run ALTER SYSTEM", "connect to the primary", "max_replication_slots is 3", "max_wal_senders is 2"} {
		if !strings.Contains(problems.Error(), want) {
			t.Errorf("nothing says %q in %v", want, problems)
		}
	}
}

// The CRM's owner gives as little as possible: REPLICATION, SELECT, and a publication that the owner made.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	role := "least_" + dsnName(dsn)
	w := newWorld(t, dsn, contacts+`; INSERT INTO contact (name) VALUES ('Ada'); CREATE ROLE `+role+` LOGIN REPLICATION PASSWORD 'p';
		GRANT SELECT ON contact TO `+role+`; CREATE PUBLICATION tandem FOR TABLE contact`)
	t.Cleanup(func() {
		for _, sql := range []string{"DROP OWNED BY " + role, "DROP ROLE " + role} {
			if _, err := w.db.Exec(context.Background(), sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})
	w.config.Database.User, w.config.Database.Password = role, config.NewSecret("p")
	w.config.AutoCreate = "disabled"
	wantProblems(t, w)
	s := w.start(t)
	w.exec(t, `UPDATE contact SET phone = '1'`)
	wantRecords(t, w, `r {"id":1}`, `u {"id":1}`)
	s.Stop()
}

// Who asks before a second program is pointed at a slot is told that somebody reads it; a running connector is no problem of its own start.
func TestCheckSaysWhoReadsTheSlot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	wantProblems(t, w)
	w.config.Database.ApplicationName = "tandem crm-source"
	w.start(t)
	wantProblems(t, w)
	w.config.Database.ApplicationName = "tandem other"
	wantProblems(t, w, "(tandem crm-source) reads it now")
}

// Tables that somebody made while the source was away, and that cannot be captured, do not keep it from going on: they are named, and left out. One that is
// listed by its name is an error, as everything is before there is a slot.
func TestStrangersTablesAreLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.start(t).Stop()
	w.exec(t, `CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY); CREATE TABLE keyless (a int); CREATE TABLE fine (id int PRIMARY KEY)`)
	wantProblems(t, w, "warning: table public.fleeting: it is left out, since it is not published yet and cannot be captured: it is unlogged",
		"warning: table public.keyless: it is left out, since it is not published yet and cannot be captured: it has no primary key")
	s, log := w.logged(t)
	eventually(t, "the stream", func() bool { return log.has("streaming") || s.Err() != nil })
	w.exec(t, `INSERT INTO keyless VALUES (1); UPDATE keyless SET a = 2; INSERT INTO fine VALUES (7); INSERT INTO contact (name) VALUES ('x')`)
	wantRecords(t, w, `c {"id":7}`, `c {"id":1}`)
	if !log.has("public.fleeting: it is left out") || !log.has("public.keyless: it is left out") {
		t.Errorf("nobody was told:\n%s", &log.text)
	}
	s.Stop()
	w.config.Tables = append(w.config.Tables, `public\.keyless`)
	wantProblems(t, w, "warning: table public.fleeting", "table public.keyless: it has no primary key")
	w.config.Slot += "_new"
	w.config.Tables = w.config.Tables[:1]
	wantProblems(t, w, "table public.fleeting: it is unlogged", "table public.keyless: it has no primary key")
}
