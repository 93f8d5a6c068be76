package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Main(m, func(code int) int {
		if err := goleak.Find(); err != nil {
			println(err.Error())
			return 1
		}
		return code
	})
}

// A slot left behind by a test would keep its database from being dropped, and WAL from being removed.
func TestDatabaseGoesWithItsSlots(t *testing.T) {
	var dsn string
	t.Run("a test with a slot and an open connection", func(t *testing.T) {
		dsn = Database(t)
		conn, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "SELECT pg_create_logical_replication_slot('left_behind', 'pgoutput')"); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := pgx.Connect(t.Context(), dsn); err == nil {
		t.Error("the database is still there")
	}
	exec(t, sharedServer(t).DSN("postgres"), "DO $$BEGIN ASSERT (SELECT count(*) = 0 FROM pg_replication_slots); END$$")
}

func TestSchemaIsTheWholeSearchPath(t *testing.T) {
	t.Parallel()
	a, b := Schema(t), Schema(t)
	exec(t, a, "CREATE TABLE x (n int)")
	if err := execErr(b, "SELECT n FROM x"); err == nil {
		t.Error("a table of one schema was seen from another")
	}
}
