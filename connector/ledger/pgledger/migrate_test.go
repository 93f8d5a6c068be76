package pgledger_test

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func TestProcessesThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	p := pool(t, pgtest.Database(t))
	s := pgledger.New(p)
	if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "version 0") {
		t.Fatalf("an empty database passed: %v", err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := s.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, p, `SELECT count(*) FROM tandem.schema_version`); n != len(files) {
		t.Fatalf("%d versions of %d files", n, len(files))
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	p := pool(t, pgtest.Database(t))
	s := pgledger.New(p)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Exec(t.Context(), `INSERT INTO tandem.schema_version VALUES (999)`); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{s.Migrate(t.Context()), s.Check(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "999") || !strings.Contains(err.Error(), "upgrade this program") {
			t.Errorf("got %v", err)
		}
	}
}

func TestRoleWithoutRightsIsToldWhatToDo(t *testing.T) {
	t.Parallel()
	p := pool(t, pgtest.Database(t))
	role := "tandem_" + strings.ToLower(strings.ReplaceAll(p.Config().ConnConfig.Database, "-", "_"))
	for _, sql := range []string{`CREATE ROLE ` + role, `GRANT ` + role + ` TO current_user`} {
		if _, err := p.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { dropRole(t, p, role) })
	as := asRole(t, p, role)
	err := pgledger.New(as).Migrate(t.Context())
	if err == nil || !strings.Contains(err.Error(), "CREATE SCHEMA tandem AUTHORIZATION") {
		t.Fatalf("got %v", err)
	}
	if _, err := p.Exec(t.Context(), `CREATE SCHEMA tandem AUTHORIZATION `+role); err != nil {
		t.Fatal(err)
	}
	if err := pgledger.New(as).Migrate(t.Context()); err != nil {
		t.Fatalf("the role owns the schema now: %v", err)
	}
	if n := count(t, p, `SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = 'tandem' AND tableowner <> '`+role+`'`); n != 0 {
		t.Fatalf("%d tables belong to somebody else", n)
	}
}

func asRole(t *testing.T, p *pgxpool.Pool, role string) *pgxpool.Pool {
	t.Helper()
	config := p.Config()
	config.ConnConfig.RuntimeParams["role"] = role
	as, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(as.Close)
	return as
}

func dropRole(t *testing.T, p *pgxpool.Pool, role string) {
	for _, sql := range []string{`DROP SCHEMA IF EXISTS tandem CASCADE`, `DROP OWNED BY ` + role, `DROP ROLE ` + role} {
		if _, err := p.Exec(t.Context(), sql); err != nil {
			t.Log(err)
		}
	}
}
