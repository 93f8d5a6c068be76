package mapping

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func newCRM(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := connect(t, pgtest.Database(t))
	schema, err := os.ReadFile("../../deploy/examples/crm.sql")
	if err != nil {
		t.Fatal(err)
	}
	run(t, pool, string(schema))
	return pool
}

func connect(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func run(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(context.Background(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestCheckPassesTheExamples(t *testing.T) {
	t.Parallel()
	pool := newCRM(t)
	for name, e := range compileExamples(t) {
		if ds := e.Check(t.Context(), pool); ds.HasErrors() {
			t.Errorf("%s: %v", name, ds.Err())
		}
	}
}

func TestCheckFindsWhatIsWrongWithTheDatabase(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, entity, sql string
		severity          Severity
		want              string // in the diagnostic's text
	}{
		{"missing column", "contact", "ALTER TABLE contact RENAME email TO e_mail", Error, `contact.fields[1]: the table public.contact has no column "email"`},
		{"suggestion", "contact", "ALTER TABLE contact RENAME email TO e_mail", Error, `did you mean "e_mail"?`},
		{"missing table", "contact", "DROP TABLE contact_tag", Error, "there is no table public.contact_tag"},
		{"no identity for the child", "opportunity", "ALTER TABLE opportunity_attribute REPLICA IDENTITY DEFAULT", Error,
			`ALTER TABLE "public"."opportunity_attribute" REPLICA IDENTITY USING INDEX "uniq_6d0c2c5d9a34590f5e237e06";`},
		{"no index for the child", "opportunity", "ALTER TABLE opportunity_attribute REPLICA IDENTITY DEFAULT; DROP INDEX UNIQ_6D0C2C5D9A34590F5E237E06", Error,
			`ALTER TABLE "public"."opportunity_attribute" REPLICA IDENTITY FULL;`},
		{"no identity at all", "contact", "ALTER TABLE contact_tag DROP CONSTRAINT contact_tag_pkey", Error, "PostgreSQL refuses the CRM's own updates and deletes"},
		{"unlogged", "task", "ALTER TABLE task SET UNLOGGED", Error, "is not logged"},
		{"trigger", "contact", "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER audit BEFORE UPDATE ON contact FOR EACH ROW EXECUTE FUNCTION f()", Warning, "run its triggers: audit"},
		{"type", "contact", "ALTER TABLE contact ALTER birthday TYPE int USING 0", Error, "contact.fields[7].type: a column of type integer is no date"},
		{"binary", "contact", "ALTER TABLE contact ALTER notes TYPE bytea USING NULL", Error, "a column of type bytea cannot be mapped"},
		{"digits", "opportunity", "ALTER TABLE opportunity ALTER amount TYPE numeric(30,2)", Warning, "more digits than the 15"},
		{"insert lacks", "contact", "ALTER TABLE contact ADD COLUMN tenant INT NOT NULL", Error, "new rows would lack tenant"},
		{"title needed", "contact", "", Warning, "full_name must have a value in the CRM"},
		{"no sequence", "contact", "DROP SEQUENCE contact_id_seq", Error, "there is no sequence public.contact_id_seq"},
		{"generated", "contact", "ALTER TABLE contact DROP COLUMN website; ALTER TABLE contact ADD COLUMN website text GENERATED ALWAYS AS ('https://' || full_name) STORED", Error, "is generated and cannot be written"},
		{"label not unique", "contact", "DROP INDEX UNIQ_4FBF094F5E237E06", Warning, "name of public.company is not unique"},
		{"label row lacks", "contact", "ALTER TABLE company ADD COLUMN country CHAR(2) NOT NULL", Error, "a new row of public.company would lack country"},
		{"foreign key type", "task", "ALTER TABLE task DROP CONSTRAINT FK_527EDB25E7A1254A; ALTER TABLE task ALTER contact_id TYPE uuid USING NULL", Error, "task.fields[5].relation: public.task.contact_id is a uuid, the key of contact a integer"},
		{"key not unique", "task", "ALTER TABLE task DROP CONSTRAINT task_pkey", Error, "id is no unique key of public.task"},
		{"custom column", "contact", "ALTER TABLE contact ALTER custom_fields TYPE text", Error, "want json or jsonb"},
		{"soft delete", "task", "ALTER TABLE task ALTER deleted_at TYPE text", Error, "want a timestamp or a boolean"},
		{"version", "opportunity", "ALTER TABLE opportunity ALTER version DROP DEFAULT, ALTER version TYPE text", Error, "cannot be incremented"},
	}
	pool, entities := newCRM(t), compileExamples(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tx, err := pool.Begin(t.Context()) // PostgreSQL's DDL is undone with the transaction; no check here fails a statement
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.Background()) }()
			if _, err := tx.Exec(t.Context(), tt.sql); err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			for _, d := range entities[tt.entity].Check(t.Context(), tx) {
				if d.Severity == tt.severity && strings.Contains(d.String(), tt.want) {
					return
				}
				fmt.Fprintln(&all, d)
			}
			t.Errorf("no %s says %q in\n%s", tt.severity, tt.want, all.String())
		})
	}
}

func TestCheckTakesSweepsForMissingIdentities(t *testing.T) {
	t.Parallel()
	pool := newCRM(t)
	run(t, pool, "ALTER TABLE opportunity_attribute REPLICA IDENTITY DEFAULT")
	swept := strings.Replace(exampleText(t, "opportunity"), `"to_crm": "hold"`, `"to_crm": "hold", "children": "sweep"`, 1)
	ds := compileAll(t, exampleText(t, "contact"), swept)["opportunity"].Check(t.Context(), pool)
	if got := fmt.Sprint(ds); ds.HasErrors() || !strings.Contains(got, "found by sweeps alone") {
		t.Errorf("got %s", got)
	}
}

// What a least-privileged role lacks is told with the GRANT that gives it, and row security is refused.
func TestCheckAsAnOrdinaryRole(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	owner := connect(t, dsn)
	schema, err := os.ReadFile("../../deploy/examples/crm.sql")
	if err != nil {
		t.Fatal(err)
	}
	run(t, owner, string(schema))
	role := "app_" + strings.ToLower(t.Name()) + fmt.Sprint(os.Getpid())
	run(t, owner, fmt.Sprintf(`CREATE ROLE %[1]q LOGIN PASSWORD 'p'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO %[1]q; REVOKE SELECT ON contact FROM %[1]q;
		GRANT SELECT (id, full_name) ON contact TO %[1]q; ALTER TABLE opportunity_contact ENABLE ROW LEVEL SECURITY`, role))
	t.Cleanup(func() {
		run(t, owner, fmt.Sprintf("DROP OWNED BY %[1]q; DROP ROLE %[1]q", role))
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "p")
	pool := connect(t, u.String())
	all := compileExamples(t)
	got := fmt.Sprint(all["contact"].Check(t.Context(), pool), all["opportunity"].Check(t.Context(), pool))
	for _, want := range []string{
		`GRANT SELECT ("email") ON "public"."contact" TO`, `GRANT INSERT ("email"), UPDATE ("email") ON "public"."contact" TO`, `GRANT USAGE ON SEQUENCE "public"."contact_id_seq"`,
		"row security hides rows of public.opportunity_contact", `GRANT DELETE ON "public"."opportunity_attribute"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if strings.Contains(got, `GRANT SELECT ("full_name")`) {
		t.Error("a privilege that is there is asked for")
	}
}

func TestCheckTriesTheCondition(t *testing.T) {
	t.Parallel()
	pool := newCRM(t)
	for where, want := range map[string]string{"full_name <> 'x' AND newsletter": "", "nme = 'x'": "crm.where: PostgreSQL does not understand it", "id + 1": "crm.where"} {
		text := strings.Replace(exampleText(t, "contact"), `"key": "id",`, fmt.Sprintf(`"key": "id", "where": %q,`, where), 1)
		ds := compileAll(t, text)["contact"].Check(t.Context(), pool)
		if got := fmt.Sprint(ds); want == "" && ds.HasErrors() || !strings.Contains(got, want) {
			t.Errorf("%s: %s; want %q", where, got, want)
		}
	}
}

// The image query names nothing outside the allow-list, and PostgreSQL takes it.
func TestImageQueryStaysOnTheAllowList(t *testing.T) {
	t.Parallel()
	pool := newCRM(t)
	for name, e := range compileExamples(t) {
		cat, err := e.LoadCatalog(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}
		q, err := e.ImageQuery(cat)
		if err != nil {
			t.Fatal(err)
		}
		allowed := map[string]bool{"pg_catalog": true, "_int4": true} // the key's type
		for _, c := range e.AllowList() {
			allowed[c.Schema], allowed[c.Table], allowed[c.Name] = true, true, true
		}
		for i, part := range strings.Split(q.SQL, `"`) {
			if i%2 == 1 && !allowed[part] {
				t.Errorf("%s: the query names %q", name, part)
			}
		}
		rows, err := pool.Query(t.Context(), q.SQL, e.KeyParams(cat, []string{"1", "2"})...)
		if err != nil {
			t.Fatal(err)
		}
		rows.Close()
		if rows.Err() != nil {
			t.Errorf("%s: %v\n%s", name, rows.Err(), q.SQL)
		}
	}
}
