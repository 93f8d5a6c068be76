package pgledger_test

import (
	"context"
	"flag"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/ledger/ledgertest"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "30"); err != nil { // a check has some 500 round trips; -rapid.checks=1000 looks closer
		panic(err)
	}
	pgtest.Main(m, func(code int) int {
		if err := goleak.Find(); err != nil && code == 0 {
			println(err.Error())
			return 1
		}
		return code
	})
}

func TestSuite(t *testing.T) {
	t.Parallel()
	free := make(chan database, 100)
	ledgertest.Run(t, func(story *testing.T) ledgertest.Store {
		d := take(t, free)
		story.Cleanup(func() {
			d.empty(t)
			free <- d
		})
		return d.store
	})
}

// database is one with a ledger, to be used by one story after the other.
type database struct {
	pool  *pgxpool.Pool
	store *pgledger.Store
}

func take(t *testing.T, free chan database) database {
	t.Helper()
	select {
	case d := <-free:
		d.store = pgledger.New(d.pool) // a process of its own: it remembers nothing of the one before
		return d
	default:
		return migrated(t)
	}
}

func migrated(t testing.TB) database {
	t.Helper()
	p := pool(t, pgtest.Database(t))
	d := database{pool: p, store: pgledger.New(p)}
	if err := d.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d database) empty(t testing.TB) {
	for _, table := range []string{"work", "hold", "link", "conflict", "write", "value", "chain", "alert", "window", "overwritten", "comment", "leader", "cursor", "entity", "budget", "age", "pause"} {
		if _, err := d.pool.Exec(t.Context(), `SET LOCAL tandem.retention = 'on'; DELETE FROM tandem.`+table); err != nil {
			t.Error(err)
		}
	}
}

// pool has an empty search_path: no name may depend on it.
func pool(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["search_path"] = ""
	config.MaxConns = 10
	p, err := pgxpool.NewWithConfig(context.WithoutCancel(t.Context()), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
