package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(code int) int {
		if err := goleak.Find(); err != nil {
			fmt.Println(err)
			return 1
		}
		return code
	})
}

// Logs and dead letters are read by people who may not know the CRM's password.
func TestPasswordsNeverPrint(t *testing.T) {
	t.Parallel()
	const password = "s3cr3t"
	for _, dsn := range []string{
		"postgres://user:" + password + "@127.0.0.1:1/db?connect_timeout=1",
		"postgres://user:" + password + "#x@host/db",
		"postgres://user:" + password + "@host:port/db",
		"postgres://user:" + password + "@host/db?sslmode=maybe",
		"postgres://user:%zz" + password + "@host/db",
		"postgres:// user:" + password + "@host",
		"host=127.0.0.1 port=1 password=" + password + " sslmode=nope",
		"host=127.0.0.1 port=1 password='" + password,
		"password=" + password + " host",
		password,
	} {
		c := Config{DSN: config.NewSecret(dsn), Password: config.NewSecret(password)}
		_, errConnect := Connect(t.Context(), c)
		_, errPool := OpenPool(t.Context(), c)
		_, errReplication := ConnectReplication(t.Context(), c)
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		logger.Info("x", "config", c, "dsn", c.DSN, "err", errConnect)
		asJSON, _ := json.Marshal(c)
		for _, text := range []string{
			fmt.Sprint(errConnect, errPool, errReplication, c.Validate()), fmt.Sprintf("%v %+v %#v %s", c, c, c, c.DSN), log.String(), string(asJSON),
		} {
			if strings.Contains(text, password) {
				t.Errorf("%s: the password shows in %s", dsn, text)
			}
		}
		if errConnect == nil {
			t.Errorf("%s: connected", dsn)
		}
	}
}

func TestValidateReportsEverything(t *testing.T) {
	t.Parallel()
	err := Config{Port: 70000, SSLMode: "some", SSLKey: "/nowhere/key", ConnectionsMax: -1}.Validate()
	for _, want := range []string{"database.hostname", "database.dbname", "database.port", "database.sslmode", "give both database.sslcert and", "connections.max", "database.sslkey: stat"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if err := (Config{Host: "h", Database: "it's", User: `back\slash`}).Validate(); err != nil {
		t.Errorf("a good configuration: %v", err)
	}
}

func TestSessionSettingsReachTheServer(t *testing.T) {
	t.Parallel()
	pool, err := OpenPool(t.Context(), Config{DSN: config.NewSecret(pgtest.Schema(t)), StatementTimeout: -1, ApplicationName: "cdc crm"})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for setting, want := range map[string]string{
		"application_name": "cdc crm", "statement_timeout": "0", "lock_timeout": "10s", "DateStyle": "ISO, YMD", "TimeZone": "UTC", "lc_monetary": "C",
	} {
		var got string
		if err := pool.QueryRow(t.Context(), "SHOW "+setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", setting, got, err, want)
		}
	}
}

// The classes decide whether a worker waits, parks or gives up, so they are checked against real failures.
func TestFailuresAreExplained(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t)
	dsn := server.DSN("postgres")
	open := func() *pgx.Conn {
		conn, err := Connect(t.Context(), Config{DSN: config.NewSecret(dsn)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		return conn
	}
	fails := func(c Config) error { _, err := Connect(t.Context(), c); return err }
	a, b := open(), open()
	execute := func(conn *pgx.Conn, sql string) error { _, err := conn.Exec(t.Context(), sql); return Explain(err) }
	if err := execute(a, "CREATE TABLE x (n int); INSERT INTO x VALUES (1); CREATE ROLE poor LOGIN PASSWORD 'p' IN ROLE pg_read_all_stats"); err != nil {
		t.Fatal(err)
	}
	check := func(name string, err error, retryable, unknown bool, advice string) {
		t.Helper()
		if err == nil || Retryable(err) != retryable || Unknown(err) != unknown || !strings.Contains(err.Error(), advice) {
			t.Errorf("%s: got %v (retryable %t, unknown %t), want %t, %t and %q", name, err, Retryable(err), Unknown(err), retryable, unknown, advice)
		}
	}
	check("wrong password", fails(Config{DSN: config.NewSecret(dsn), Password: config.NewSecret("no")}), false, false, "the user or the password is wrong")
	check("no such database", fails(Config{DSN: config.NewSecret(dsn), Database: "nope"}), false, false, "create the database")
	check("nobody listens", fails(Config{Host: "127.0.0.1", Port: 1, Database: "x"}), true, false, "is the server running")
	check("unknown host", fails(Config{Host: "nowhere.invalid", Database: "x"}), true, false, "host name is not known")
	poor, err := Connect(t.Context(), Config{DSN: config.NewSecret(dsn), User: "poor", Password: config.NewSecret("p")})
	if err != nil {
		t.Fatal(err)
	}
	defer poor.Close(context.Background())
	check("no privilege", execute(poor, "SELECT n FROM x"), false, false, "give the user the privilege")
	check("syntax", execute(b, "SELEC"), false, false, "syntax error")
	if err := errors.Join(execute(a, "BEGIN; UPDATE x SET n = 2"), execute(b, "SET lock_timeout = 1")); err != nil {
		t.Fatal(err)
	}
	check("locked", execute(b, "UPDATE x SET n = 3"), true, false, "somebody holds the lock")
	if err := errors.Join(execute(b, "SET lock_timeout = 0; BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT n FROM x"), execute(a, "COMMIT")); err != nil {
		t.Fatal(err)
	}
	check("serialization", execute(b, "UPDATE x SET n = 3"), true, false, "could not serialize")
	cut := make(chan error)
	go func() { cut <- execute(a, "UPDATE x SET n = 4 WHERE pg_sleep(60) IS NOT NULL") }()
	for running := false; !running; { // no signal tells that a statement has begun
		if err := poor.QueryRow(t.Context(), "SELECT count(*) > 0 FROM pg_stat_get_activity(NULL) WHERE wait_event = 'PgSleep'").Scan(&running); err != nil {
			t.Fatal(err)
		}
	}
	server.Kill()
	check("server gone", <-cut, true, true, "")
	check("connection that died before", execute(a, "UPDATE x SET n = 4"), true, true, "") // see isNotSent
	if err := Explain(context.Canceled); Retryable(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context became %v", err)
	}
}
