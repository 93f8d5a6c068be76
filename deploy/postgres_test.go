package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// psql runs a script as the compose file's database does when it is first started.
func psql(t *testing.T, dsn, file string) {
	t.Helper()
	program, err := exec.LookPath("psql")
	if err != nil {
		bin, err := pgserver.Find(t.Context(), "")
		if err != nil {
			t.Fatal(err) // pgtest found a server, so this does
		}
		program = filepath.Join(bin, "psql")
	}
	cmd := exec.CommandContext(t.Context(), program, "-X", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", file)
	cmd.Env = append(os.Environ(), "TANDEM_PASSWORD=it's a secret")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("psql %s: %v\n%s", file, err, out)
	}
}

// The scripts of the compose file, on a real server: the role can do what the connectors do, and no more.
func TestTheRoleCanDoItsWorkAndNoMore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dsn := pgtest.Database(t)
	psql(t, dsn, "examples/crm.sql")
	psql(t, dsn, "postgres/tandem.sql")

	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var published string
	if err := conn.QueryRow(ctx, `SELECT string_agg(schemaname||'.'||tablename, ' ' ORDER BY tablename) FROM pg_publication_tables WHERE pubname = 'tandem'`).Scan(&published); err != nil {
		t.Fatal(err)
	}
	want := "public.company public.contact public.contact_tag public.opportunity public.opportunity_attribute public.opportunity_contact public.tag public.task"
	if diff := cmp.Diff(want, published); diff != "" {
		t.Error(diff)
	}
	for role, want := range map[string]string{"tandem": "true false false false false false", "tandem_cdc": "true true false false false false"} {
		var attributes string
		if err := conn.QueryRow(ctx, `SELECT rolcanlogin || ' ' || rolreplication || ' ' || rolsuper || ' ' || rolcreatedb || ' ' || rolcreaterole || ' ' || rolbypassrls FROM pg_roles WHERE rolname = $1`, role).Scan(&attributes); err != nil {
			t.Fatal(err)
		}
		if attributes != want {
			t.Errorf("%s: login, replication, superuser, createdb, createrole, bypassrls = %s", role, attributes)
		}
	}

	try := func(role string, statements map[string]bool) {
		t.Helper()
		if _, err := conn.Exec(ctx, `SET ROLE `+role); err != nil {
			t.Fatal(err)
		}
		for statement, allowed := range statements {
			_, err := conn.Exec(ctx, statement)
			switch {
			case allowed && err != nil:
				t.Errorf("%s: %s: %v", role, statement, err)
			case !allowed && (err == nil || !strings.Contains(err.Error(), "42501")):
				t.Errorf("%s: %s: %v, want it refused", role, statement, err)
			}
		}
	}
	try("tandem_cdc", map[string]bool{
		`SELECT * FROM contact, opportunity, task, company, tag, contact_tag, opportunity_contact, opportunity_attribute`: true,
		`SELECT * FROM doctrine_migration_versions`:      false,
		`UPDATE contact SET full_name = full_name`:       false,
		`INSERT INTO company (id, name) VALUES (1, 'A')`: false,
		`DELETE FROM opportunity_attribute`:              false,
		`SELECT nextval('contact_id_seq')`:               false,
		`CREATE TABLE tandem.probe (id int)`:             false,
	})
	try("tandem", map[string]bool{
		`CREATE TABLE tandem.probe (id int)`: true,
		`SELECT full_name, amount, title, label FROM contact, opportunity, task, tag, contact_tag FOR NO KEY UPDATE OF contact`: true,
		`SELECT password_hash FROM contact`:                                                  false,
		`SELECT nextval('contact_id_seq'), nextval('company_id_seq'), nextval('tag_id_seq')`: true,
		`INSERT INTO company (id, name) VALUES (nextval('company_id_seq'), 'ACME')`:          true,
		`UPDATE task SET title = title`:                                                      true,
		`DELETE FROM opportunity_attribute`:                                                  true,
		`DELETE FROM contact`:                                                                false,
		`UPDATE contact SET password_hash = 'x'`:                                             false,
		`UPDATE contact SET id = id`:                                                         false,
		`DELETE FROM company`:                                                                false,
		`UPDATE tag SET label = label`:                                                       false,
		`SELECT * FROM doctrine_migration_versions`:                                          false,
		`TRUNCATE contact`:                                                                   false,
		`ALTER TABLE contact ADD COLUMN x int`:                                               false,
		`CREATE TABLE public.probe (id int)`:                                                 false,
		`CREATE ROLE other`:                                                                  false,
	})
}
