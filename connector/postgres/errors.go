package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

var quoteSetting = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// Error is a failure of the server, or of the way to it, with what can be done about it.
type Error struct {
	Advice    string // a sentence for people; "" where the text says all
	Code      string // SQLSTATE; "" where no server answered
	err       error
	retryable bool
	unknown   bool
}

func (e *Error) Error() string {
	text := e.err.Error()
	if connect := (*pgconn.ConnectError)(nil); errors.As(e.err, &connect) {
		text = withoutEchoes(text)
	}
	if e.Advice == "" {
		return text
	}
	return text + ": " + e.Advice
}

// withoutEchoes leaves out lines that the line before ends with: pgconn lists each address with and without TLS, where one refusal is the other.
func withoutEchoes(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if n := len(lines); n == 0 || !strings.HasSuffix(strings.TrimSpace(lines[n-1]), strings.TrimSpace(line)) {
			lines = append(lines, line)
		}
	}
	return strings.TrimRight(strings.Join(lines, ""), "\n")
}

// Unwrap gives the error that was explained.
func (e *Error) Unwrap() error { return e.err }

// Retryable reports that the same may work later without anyone changing anything.
func (e *Error) Retryable() bool { return e.retryable }

// Unknown reports that the server may have done what was asked although no answer came: look before doing it again.
func (e *Error) Unknown() bool { return e.unknown }

// Retryable asks err, whoever made it.
func Retryable(err error) bool {
	var asked interface{ Retryable() bool }
	return errors.As(err, &asked) && asked.Retryable()
}

// Unknown asks err, whoever made it.
func Unknown(err error) bool {
	var asked interface{ Unknown() bool }
	return errors.As(err, &asked) && asked.Unknown()
}

// Explain finds out what err, from pgx or pgconn, means. What is explained stays so; nil stays nil; errors that are
// neither the server's nor the connection's come back as they are.
func Explain(err error) error {
	if already := (*Error)(nil); err == nil || errors.As(err, &already) {
		return err
	}
	if server := (*pgconn.PgError)(nil); errors.As(err, &server) {
		return explainServer(err, server)
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if connect := (*pgconn.ConnectError)(nil); errors.As(err, &connect) {
		return &Error{err: err, retryable: true, Advice: connectAdvice(err)}
	}
	if isConnectionLoss(err) {
		return &Error{err: err, retryable: true, unknown: !isNotSent(err)}
	}
	return err
}

func isConnectionLoss(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, pgconn.ErrConnClosed) ||
		pgconn.Timeout(err) || pgconn.SafeToRetry(err)
}

// isNotSent reports that nothing of a statement reached the server. pgconn's SafeToRetry is not enough: a statement that
// ran when the server went down with a FATAL message ends as "conn closed", which counts as safe there (pgx 5.12).
func isNotSent(err error) bool {
	return pgconn.SafeToRetry(err) && !errors.Is(err, pgconn.ErrConnClosed)
}

func connectAdvice(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "is the server running, and does it listen on this address and port?"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time: check the address, and firewalls between"
	}
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		return "the host name is not known"
	}
	return ""
}

// retryableCodes are SQLSTATEs that go away by themselves; two characters are a class.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
var retryableCodes = []string{
	"08",    // connection exception
	"40001", // serialization_failure
	"40P01", // deadlock_detected
	"53",    // insufficient resources: too many connections, disk full, out of memory
	"55006", // object_in_use: a slot that another process reads
	"55P03", // lock_not_available
	"57014", // query_canceled: a timeout
	"57P01", // admin_shutdown
	"57P02", // crash_shutdown
	"57P03", // cannot_connect_now
	"57P05", // idle_session_timeout
	"25P03", // idle_in_transaction_session_timeout
	"25006", // read_only_sql_transaction: a standby, until the switch-over is complete
	"58000", // system_error
	"58030", // io_error
}

// advice is what people can do, by SQLSTATE.
var advice = map[string]string{
	"28P01": "the user or the password is wrong",
	"28000": "the server does not let this user in from here: see pg_hba.conf",
	"3D000": "create the database, or correct its name",
	"42501": "give the user the privilege, or use another user",
	"53300": "the server has no connection left: raise max_connections or close others",
	"53100": "the server's disk is full",
	"53400": "a limit of the server is reached: see its settings",
	"55P03": "somebody holds the lock; it is tried again",
	"57014": "the statement took longer than the limit allows",
	"57P03": "the server starts, stops or recovers; it is tried again",
	"25006": "the server is a standby: connect to the primary",
	"26000": "a pooler in transaction mode may stand between: connect to the server itself",
}

func explainServer(err error, server *pgconn.PgError) error {
	matches := func(code string) bool { return strings.HasPrefix(server.Code, code) }
	return &Error{
		err: err, Code: server.Code, Advice: advice[server.Code],
		retryable: slices.ContainsFunc(retryableCodes, matches),
		unknown:   server.Code == "40003" || server.Code == "08007", // statement or transaction resolution unknown
	}
}

// tlsAdvice is what is wrong with TLS settings, by words of pgconn's that are no part of an address.
var tlsAdvice = map[string]string{
	"decryption password incorrect": "database.sslpassword is not the password of database.sslkey",
	"unable to find sslpassword":    "database.sslkey is encrypted: give its password as database.sslpassword",
	"failed to decrypt":             "database.sslkey is encrypted, and database.sslpassword is not its password",
	"unable to add CA to cert pool": "database.sslrootcert holds no certificate (PEM)",
	"invalid require_auth":          "database.require.auth is none of libpq's lists of methods, as scram-sha-256 or !password",
	"failed to find any PEM data":   "database.sslcert or database.sslkey holds nothing of PEM",
	"private key does not match":    "database.sslkey is not the key of database.sslcert",
}

// addressError says what is wrong with an address without any part of it: whatever is quoted from a malformed one may be
// the password.
func addressError(err error) error {
	const what = "parse the database's address"
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		return fmt.Errorf("%s: %w", what, file)
	}
	for words, advice := range tlsAdvice {
		if strings.Contains(err.Error(), words) {
			return fmt.Errorf("%s: %s", what, advice)
		}
	}
	return fmt.Errorf("%s: want postgres://user:password@host:port/database?sslmode=… or key='value' pairs; special characters "+
		"in a URL's password are written as %%XX", what)
}
