package pgtest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
)

// A standby is one that follows: what is committed on the primary can be read there.
func TestStandbyFollows(t *testing.T) {
	primary := Server(t)
	standby := Standby(t, primary, pgserver.Options{})
	exec(t, primary.DSN("postgres"), "CREATE TABLE followed (a int)")
	conn, err := pgx.Connect(t.Context(), standby.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var follows, there bool
		if err := conn.QueryRow(t.Context(), "SELECT pg_is_in_recovery(), to_regclass('followed') IS NOT NULL").Scan(&follows, &there); err != nil {
			t.Fatal(err)
		}
		if follows && there {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("in recovery: %v, the primary's table is there: %v", follows, there)
		}
	}
}
