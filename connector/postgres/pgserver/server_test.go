package pgserver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start skips loudly where no server is installed, and fails there in CI. pgtest does the same for everyone else.
func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if missing := (*ErrNotFound)(nil); errors.As(err, &missing) && os.Getenv("CI") == "" {
		t.Skip("SKIP: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func query(t *testing.T, s *Server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var out string
	if err := conn.QueryRow(t.Context(), sql).Scan(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestServerIsReadyForLogicalReplication(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Settings: map[string]string{"max_wal_senders": "7"}})
	for setting, want := range map[string]string{"wal_level": "logical", "max_wal_senders": "7", "fsync": "off", "TimeZone": "UTC"} {
		if got := query(t, s, "SHOW "+setting); got != want {
			t.Errorf("%s: got %q, want %q", setting, got, want)
		}
	}
	s.Stop()
	if _, err := os.Stat(s.base); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a temporary server left %s behind: %v", s.base, err)
	}
	s.Stop() // idempotent
}

// Committed rows must outlive a crash, and the address must stay: kill tests reconnect to it.
func TestKillAndRestartKeepDataAndPort(t *testing.T) {
	t.Parallel()
	s := start(t, Options{})
	query(t, s, "WITH x AS (SELECT 1) SELECT set_config('a.b','c',false)")
	conn, err := pgx.Connect(t.Context(), s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 'yes'::text AS answer"); err != nil {
		t.Fatal(err)
	}
	port := s.Port
	s.Kill()
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, s, "SELECT answer FROM kept"); got != "yes" || s.Port != port {
		t.Errorf("got %q on port %d, want yes on %d", got, s.Port, port)
	}
}

func TestDataFolderIsUsedAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first := start(t, Options{DataDir: dir, Fsync: true})
	id := query(t, first, "SELECT system_identifier::text FROM pg_control_system()")
	first.Stop()
	second := start(t, Options{DataDir: dir})
	if got := query(t, second, "SELECT system_identifier::text FROM pg_control_system()"); got != id {
		t.Errorf("got another cluster: %s, want %s", got, id)
	}
	second.Stop()
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("9.6\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "was made by PostgreSQL 9.6") {
		t.Errorf("data of another version: got %v", err)
	}
}

func TestMissingBinariesAreNamedInOneSentence(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{BinDir: t.TempDir()})
	if missing := (*ErrNotFound)(nil); !errors.As(err, &missing) || !strings.Contains(err.Error(), "install the package postgresql") {
		t.Fatalf("got %v", err)
	}
}

func TestBadSettingSaysWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	start(t, Options{}) // skips where there is no server
	_, err := Start(t.Context(), Options{Settings: map[string]string{"wal_level": "loud"}})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "wal_level": "loud"`) {
		t.Fatalf("got %v", err)
	}
}
