// Package pgtest gives tests a real PostgreSQL: one private server for a test process, started when the first test asks
// for it, and a fresh database for each test that wants one. For tests only.
//
//	func TestMain(m *testing.M) { pgtest.Main(m, goleak.VerifyTestMain) }
//	func TestX(t *testing.T)    { dsn := pgtest.Database(t) … }
//
// Where no server is installed the test is skipped, loudly; with CI set it fails.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
)

// settings let many tests run side by side, each with slots of its own.
var settings = map[string]string{
	"max_connections": "300", "max_replication_slots": "60", "max_wal_senders": "60", "max_worker_processes": "4", "max_prepared_transactions": "20",
	"autovacuum": "off", "wal_sender_timeout": "30s",
}

var shared struct {
	once   sync.Once
	server *pgserver.Server
	err    error
}

// Main runs the tests and stops the shared server before verify, which is goleak.VerifyTestMain or nil, looks for leaks.
func Main(m *testing.M, verify ...func(code int) int) {
	code := m.Run()
	Stop()
	for _, v := range verify {
		code = v(code)
	}
	os.Exit(code)
}

// Stop ends the shared server if it runs. For packages whose TestMain does more than [Main].
func Stop() {
	if shared.server != nil {
		shared.server.Stop()
	}
}

// Database makes an empty database and gives its DSN. It is dropped at the end of the test, with its slots.
func Database(t testing.TB) string {
	t.Helper()
	s := sharedServer(t)
	name := "test_" + strings.ToLower(rand.Text()[:12])
	exec(t, s.DSN("postgres"), "CREATE DATABASE "+name+" TEMPLATE template0")
	t.Cleanup(func() { drop(t, s.DSN("postgres"), name) })
	return s.DSN(name)
}

// Schema makes an empty schema in a database that tests share, and gives a DSN whose search_path is that schema alone. It
// is cheaper than [Database]; slots and publications need a database.
func Schema(t testing.TB) string {
	t.Helper()
	s := sharedServer(t)
	name := "test_" + strings.ToLower(rand.Text()[:12])
	exec(t, s.DSN("postgres"), "CREATE SCHEMA "+name)
	t.Cleanup(func() { exec(t, s.DSN("postgres"), "DROP SCHEMA "+name+" CASCADE") })
	u, err := url.Parse(s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// Server starts a server that the test may kill; it is stopped at the end of the test.
func Server(t testing.TB) *pgserver.Server {
	t.Helper()
	return ServerOf(t, pgserver.Options{})
}

// ServerOf is [Server] with options of the test's own. Its settings are added to those of all tests.
func ServerOf(t testing.TB, o pgserver.Options) *pgserver.Server {
	t.Helper()
	own := maps.Clone(settings)
	maps.Copy(own, o.Settings)
	o.Settings = own
	s, err := pgserver.Start(context.Background(), o)
	orSkip(t, err)
	t.Cleanup(s.Stop)
	return s
}

// Standby starts a server that follows primary through the physical slot "standby", which it makes. o.Settings are added to its own.
func Standby(t testing.TB, primary *pgserver.Server, o pgserver.Options) *pgserver.Server {
	t.Helper()
	exec(t, primary.DSN("postgres"), "SELECT pg_create_physical_replication_slot('standby', true)")
	follow := map[string]string{"primary_conninfo": primary.DSN("postgres"), "primary_slot_name": "standby", "hot_standby_feedback": "on"}
	maps.Copy(follow, o.Settings)
	o.Settings, o.CopyOf, o.Files = follow, primary, map[string]string{"standby.signal": ""}
	return ServerOf(t, o)
}

// Since skips a test of what an older server than major has not. The line names what it was about; make matrix runs it.
func Since(t testing.TB, major int, what string) {
	t.Helper()
	if have := Major(t); have < major {
		t.Skipf("SKIP on PostgreSQL %d: %s (%d)", have, what, major)
	}
}

// Major gives the major version of the servers that tests get.
func Major(t testing.TB) int {
	t.Helper()
	bin, err := pgserver.Find(t.Context(), "")
	orSkip(t, err)
	major, err := pgserver.Version(t.Context(), bin)
	if err != nil {
		t.Fatal(err)
	}
	return major
}

func sharedServer(t testing.TB) *pgserver.Server {
	t.Helper()
	shared.once.Do(func() {
		shared.server, shared.err = pgserver.Start(context.Background(), pgserver.Options{Settings: settings})
	})
	orSkip(t, shared.err)
	return shared.server
}

func orSkip(t testing.TB, err error) {
	t.Helper()
	if missing := (*pgserver.ErrNotFound)(nil); errors.As(err, &missing) && os.Getenv("CI") == "" {
		t.Skip("SKIP: ", err)
	}
	if err != nil {
		t.Fatal("start PostgreSQL for tests: ", err)
	}
}

func exec(t testing.TB, dsn, sql string) {
	t.Helper()
	if err := execErr(dsn, sql); err != nil {
		t.Fatal(err)
	}
}

func execErr(dsn, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("run %q: %w", sql, err)
	}
	return nil
}

// drop removes a database. Its walsenders die in their own time, and only then can its slots go.
func drop(t testing.TB, dsn, name string) {
	t.Helper()
	const free = `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = '%[1]s' AND active_pid IS NOT NULL;
		SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '%[1]s' AND active_pid IS NULL`
	deadline := time.Now().Add(time.Minute)
	for {
		err := execErr(dsn, fmt.Sprintf(free, name))
		if err == nil {
			err = execErr(dsn, "DROP DATABASE "+name+" WITH (FORCE)")
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("drop the test's database: %v", err)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
