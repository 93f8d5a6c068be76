package postgres

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/config"
)

// Config says which database to reach, and how. Either DSN, or Host and what belongs to it; Database, User and Password
// may be given beside a DSN and win. The zero value of a field means its default.
type Config struct {
	DSN config.Secret // postgres://… or key=value; secret because it may hold a password

	Service     string // a section of ServiceFile, which gives what the others do not
	ServiceFile string // PGSERVICEFILE, else ~/.pg_service.conf
	Host        string // names, addresses or folders of unix sockets, with commas between them, each with a port of its own (name:port) or Port
	Port        int    // 5432
	Database    string
	User        string
	Password    config.Secret
	SSLMode     string // disable, allow, prefer (default), require, verify-ca, verify-full
	SSLRootCert string // file of certificates to trust
	SSLCert     string // file of our certificate, with SSLKey
	SSLKey      string
	SSLPassword config.Secret // of an encrypted SSLKey
	Binding     string        // channel_binding: prefer, require, disable
	Auth        string        // require_auth: the methods by which the server may ask for the password; "": any
	PassFile    string        // where the password is looked up that is not given: PGPASSFILE, else ~/.pgpass
	Target      string        // which of several hosts: any, read-write, read-only, primary, standby, prefer-standby

	ApplicationName          string        // shown in pg_stat_activity; "tandem"
	ConnectTimeout           time.Duration // 10 s
	StatementTimeout         time.Duration // of one statement, enforced by the server; 60 s; negative: none
	LockTimeout              time.Duration // of one wait for a lock; 10 s; negative: none
	IdleInTransactionTimeout time.Duration // 60 s: a stuck worker must not hold rows and vacuum back; negative: none
	ConnectionsMax           int           // of a pool; 8: people share the CRM's connections with us
}

// Connection limits that are not worth a setting.
const (
	keepAliveIdle      = 30 * time.Second // a connection that a firewall dropped is noticed within minutes
	connectionLifeMax  = time.Hour        // so that a switch-over behind a DNS name is followed
	connectionIdleMax  = 10 * time.Minute
	applicationDefault = "tandem"
)

var (
	sslModes = []string{"", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
	targets  = []string{"", "any", "read-write", "read-only", "primary", "standby", "prefer-standby"}
	bindings = []string{"", "disable", "prefer", "require"}
)

// Define tells of c's keys; Debezium's names where it has them.
func (c *Config) Define(s *config.Set) {
	key := func(name, def, doc string) config.Key {
		return config.Key{Name: "database." + name, Default: def, Group: "Database", Doc: doc}
	}
	high := func(k config.Key) config.Key { k.Importance = config.High; return k }
	s.Password(&c.DSN, high(key("dsn", "", "The whole address, postgres://user:password@host:port/database?sslmode=…, instead of the keys that follow.")))
	s.String(&c.Host, high(key("hostname", "", "The server's name or address, or the folder of its unix socket. Several with commas between them, each as name:port where ports differ, are tried in turn.")))
	s.Int(&c.Port, key("port", "", "The server's port. 5432 where none is given."))
	s.String(&c.Database, high(key("dbname", "", "The database's name.")))
	s.String(&c.User, high(key("user", "", "The role to connect as.")))
	s.Password(&c.Password, high(key("password", "", "The role's password.")))
	s.String(&c.SSLMode, key("sslmode", "", "How TLS is used, as in libpq: disable, allow, prefer, require, verify-ca or verify-full."))
	s.String(&c.SSLRootCert, key("sslrootcert", "", "A file of the certificates to trust."))
	s.String(&c.SSLCert, key("sslcert", "", "A file of our certificate."))
	s.String(&c.SSLKey, key("sslkey", "", "A file of our certificate's key."))
	s.Password(&c.SSLPassword, key("sslpassword", "", "The password of an encrypted database.sslkey (of the traditional form, BEGIN RSA PRIVATE KEY with DEK-Info)."))
	s.String(&c.Binding, key("channelbinding", "", "Whether SCRAM is bound to the TLS connection, so that nobody can stand between: prefer, require or disable; prefer where none is given."))
	s.String(&c.Auth, key("require.auth", "", "The methods by which the server may authenticate us, as libpq's require_auth: scram-sha-256 refuses servers that ask for less. Empty: any."))
	s.String(&c.PassFile, key("passfile", "", "The file in which a password that is not given is looked up, as libpq does: PGPASSFILE, else ~/.pgpass. It must be readable by its owner alone."))
	s.String(&c.Service, key("service", "", "A section of the connection service file, for what the other keys do not give."))
	s.String(&c.ServiceFile, key("servicefile", "", "That file: PGSERVICEFILE, else ~/.pg_service.conf."))
	s.String(&c.Target, key("target.session.attrs", "", "Which of several servers is taken: any, read-write, read-only, primary, standby or prefer-standby, as libpq has it."))
	limit := func(dst *time.Duration, name, def, doc string) {
		k := key(name, def, doc+" In milliseconds; -1 for none.")
		k.Importance, k.Validate = config.Low, config.AtLeast(-1)
		s.Duration(dst, k)
	}
	limit(&c.ConnectTimeout, "connect.timeout.ms", "10000", "How long a connection may take to come about.")
	limit(&c.StatementTimeout, "statement.timeout.ms", "60000", "How long one statement may run. Snapshots and the stream have no such limit.")
	limit(&c.LockTimeout, "lock.timeout.ms", "10000", "How long one statement may wait for a lock.")
	limit(&c.IdleInTransactionTimeout, "idle.in.transaction.timeout.ms", "60000", "How long a transaction may wait for us.")
	connections := key("connections.max", "8", "How many connections this connector may hold at once.")
	connections.Importance, connections.Validate = config.Low, config.Between(1, 1000)
	s.Int(&c.ConnectionsMax, connections)
}

// Validate reports everything that is wrong with c at once, as [config.Problems]. It does not connect.
func (c Config) Validate() error {
	var problems config.Problems
	check := func(ok bool, name, format string, args ...any) {
		if !ok {
			problems.Errorf("database."+name, format, args...)
		}
	}
	served := c.Service != ""
	check(!c.DSN.IsZero() || c.Host != "" || served, "hostname", "missing: give it, or a whole address as database.dsn, or a database.service")
	check(c.DSN.IsZero() || c.Host == "" && c.Port == 0 && c.SSLMode+c.SSLRootCert+c.SSLCert+c.SSLKey+c.Service == "",
		"dsn", "holds host, port and TLS settings: do not give them twice")
	check(!c.DSN.IsZero() || c.Database != "" || served, "dbname", "missing: give the database's name")
	check(slices.Contains(targets, c.Target), "target.session.attrs", "%q is none of %v", c.Target, targets[1:])
	check(slices.Contains(bindings, c.Binding), "channelbinding", "%q is none of %v", c.Binding, bindings[1:])
	check(c.Binding != "require" || c.SSLMode != "disable", "channelbinding", "require needs TLS, and database.sslmode is disable")
	_, _, err := c.hosts()
	check(err == nil, "hostname", "%v", err)
	err = c.checkServiceFile()
	check(err == nil, "service", "%v", err)
	err = c.checkPassFile()
	check(err == nil, "passfile", "%v", err)
	check(c.Port >= 0 && c.Port <= 65535, "port", "%d is no port", c.Port)
	check(slices.Contains(sslModes, c.SSLMode), "sslmode", "%q is none of %v", c.SSLMode, sslModes[1:])
	check((c.SSLCert == "") == (c.SSLKey == ""), "sslcert", "give both database.sslcert and database.sslkey, or neither")
	check(c.ConnectionsMax >= 0, "connections.max", "%d is negative", c.ConnectionsMax)
	for _, file := range [][2]string{{"sslrootcert", c.SSLRootCert}, {"sslcert", c.SSLCert}, {"sslkey", c.SSLKey}} {
		if file[1] != "" {
			_, err := os.Stat(file[1])
			check(err == nil, file[0], "%v", err)
		}
	}
	if len(problems) == 0 {
		_, err := c.parse()
		check(err == nil, c.addressKey(), "%v", err)
	}
	return problems.Err()
}

// parse builds pgx's configuration. No error of it holds any part of the address.
func (c Config) parse() (*pgx.ConnConfig, error) {
	parsed, err := pgx.ParseConfig(c.text())
	if err != nil {
		return nil, addressError(err)
	}
	parsed.User = cmp.Or(c.User, parsed.User)
	parsed.Database = cmp.Or(c.Database, parsed.Database)
	parsed.Password = cmp.Or(c.Password.Reveal(), parsed.Password)
	if parsed.Password == "" {
		parsed.Password = c.lookUpPassword(parsed)
	}
	parsed.ConnectTimeout = max(0, cmp.Or(c.ConnectTimeout, 10*time.Second))
	maps.Copy(parsed.RuntimeParams, c.session())
	return parsed, nil
}

// text gives the part that only pgx's parser can take: address and TLS files. Passwords are set after it.
func (c Config) text() string {
	hosts, ports, _ := c.hosts() // looked at by Validate; the server of a wrong one is not found
	beside := [][2]string{
		{"sslpassword", c.SSLPassword.Reveal()}, {"channel_binding", c.Binding}, {"require_auth", c.Auth}, {"passfile", c.noPassFile()},
		{"target_session_attrs", c.Target}, {"service", c.Service}, {"servicefile", c.serviceFile()},
	}
	if !c.DSN.IsZero() {
		return addSettings(c.DSN.Reveal(), beside)
	}
	text := ""
	for _, setting := range slices.Concat([][2]string{
		{"host", hosts}, {"port", ports}, {"dbname", c.Database}, {"user", c.User}, {"sslmode", c.SSLMode},
		{"sslrootcert", c.SSLRootCert}, {"sslcert", c.SSLCert}, {"sslkey", c.SSLKey},
	}, beside) {
		if setting[1] != "" {
			text += setting[0] + "='" + quoteSetting.Replace(setting[1]) + "' "
		}
	}
	return text
}

// session are the settings under which every connection of ours runs. The text forms of values depend on the last ones:
// [Types] reads these and no others.
func (c Config) session() map[string]string {
	return map[string]string{
		"application_name":                    cmp.Or(c.ApplicationName, applicationDefault),
		"statement_timeout":                   millis(c.StatementTimeout, time.Minute),
		"lock_timeout":                        millis(c.LockTimeout, 10*time.Second),
		"idle_in_transaction_session_timeout": millis(c.IdleInTransactionTimeout, time.Minute),
		"client_encoding":                     "UTF8",
		"DateStyle":                           "ISO, YMD",
		"IntervalStyle":                       "postgres",
		"TimeZone":                            "UTC",
		"bytea_output":                        "hex",
		"extra_float_digits":                  "3",
		"lc_monetary":                         "C",
	}
}

// millis gives the server's form of a limit: whole milliseconds, 0 for none.
func millis(d, otherwise time.Duration) string {
	d = cmp.Or(d, otherwise)
	return strconv.FormatInt(max(0, d.Milliseconds()), 10)
}

// Connect opens one connection.
func Connect(ctx context.Context, c Config) (*pgx.Conn, error) {
	parsed, err := c.parse()
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, parsed)
	if err != nil {
		return nil, Explain(fmt.Errorf("connect to PostgreSQL: %w", err))
	}
	return conn, nil
}

// ConnectReplication opens a connection that speaks the replication protocol of one database, without timeouts: a
// snapshot's transaction stays open for as long as its tables take, and a stream is never done.
// https://www.postgresql.org/docs/current/protocol-replication.html
func ConnectReplication(ctx context.Context, c Config) (*pgconn.PgConn, error) {
	parsed, err := c.parse()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		parsed.RuntimeParams[name] = "0"
	}
	parsed.RuntimeParams["idle_session_timeout"] = "0" // PostgreSQL 14; who streams has looked at the version
	parsed.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(ctx, &parsed.Config)
	if err != nil {
		return nil, Explain(fmt.Errorf("connect to PostgreSQL for replication: %w", err))
	}
	return conn, nil
}

// OpenPool opens a pool and makes sure that it works. The caller closes it.
func OpenPool(ctx context.Context, c Config) (*pgxpool.Pool, error) {
	parsed, err := c.parse()
	if err != nil {
		return nil, err
	}
	pc, err := pgxpool.ParseConfig("") // the only way to a pool's configuration; ours replaces all that counts
	if err != nil {
		return nil, addressError(err)
	}
	pc.ConnConfig = parsed
	pc.MaxConns = int32(cmp.Or(c.ConnectionsMax, 8))
	pc.MinConns = 0
	pc.MaxConnLifetime, pc.MaxConnLifetimeJitter, pc.MaxConnIdleTime = connectionLifeMax, connectionLifeMax/10, connectionIdleMax
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, Explain(fmt.Errorf("open a pool of connections: %w", err))
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, Explain(fmt.Errorf("connect to PostgreSQL: %w", err))
	}
	return pool, nil
}
