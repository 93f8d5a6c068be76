package crm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/sink"
)

// ErrStandby is returned when the server is a standby: its rows may be older than what was decided before.
var ErrStandby = errors.New("the CRM's database is a standby; point the connector to the primary (target_session_attrs=read-write)")

// ErrNotAllowed is returned when a write names what the mapping does not let be written. Nothing was written.
var ErrNotAllowed = errors.New("the mapping does not allow this write")

// Failure is an error of the database that no record is to blame for.
type Failure struct {
	Step  string
	Cause error
	retry bool
	lost  bool
}

// Error says at which step, and what to do where that is known.
func (f *Failure) Error() string { return f.Step + ": " + f.Cause.Error() + advice(f.Cause) }

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Retryable reports that the same call may succeed later.
func (f *Failure) Retryable() bool { return f.retry }

// Unknown reports that the commit's outcome is not known: the connection broke while it was under way.
func (f *Failure) Unknown() bool { return f.lost }

// refusal is a data error with the database's own words kept as its cause.
type refusal struct {
	*sink.DataError
	cause error
}

// Unwrap lets errors.As find both.
func (r *refusal) Unwrap() []error {
	if r.cause == nil {
		return []error{r.DataError}
	}
	return []error{r.DataError, r.cause}
}

func refuse(field string, cause error, format string, args ...any) error {
	return &refusal{&sink.DataError{Field: field, Reason: fmt.Sprintf(format, args...)}, cause}
}

func advice(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return ""
	}
	switch pg.Code {
	case "42501":
		return "; grant the connector's role what it lacks, or run check for the list"
	case "55P03":
		return "; another session holds a lock on the row for long"
	case "57014":
		return "; the statement took longer than its timeout"
	}
	return ""
}

// saidNo reports that the server answered COMMIT with an error. A FATAL one is no answer: a backend that is shut down while it waits for a
// synchronous standby has committed (PostgreSQL manual, 27.2.8).
func saidNo(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.SeverityUnlocalized == "ERROR" || errors.Is(err, pgx.ErrTxCommitRollback)
}

// staleCatalog reports that the tables are not what the plan thinks: columns dropped, renamed, of another type.
func staleCatalog(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	return pg.Code == "0A000" || strings.HasPrefix(pg.Code, "42") && pg.Code != "42501"
}

// conflicts reports an error that ends when the transaction is run again (PostgreSQL manual, 13.5).
func conflicts(err error) bool {
	var pg *pgconn.PgError
	return errors.Is(err, errMoved) || errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// outdated reports a data error that is our own finding and no answer of the database: the catalog may have changed since it was read.
func outdated(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.cause == nil
}

// translate makes a data error of what a row's values are to blame for, and a [Failure] of everything else. t, if given, is the write, to
// name the field that is meant.
func translate(step string, t *target, err error) error {
	if err == nil {
		return nil
	}
	var failed *Failure
	var data *sink.DataError
	if errors.As(err, &failed) || errors.As(err, &data) || errors.Is(err, ErrNotAllowed) {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		retry := !errors.Is(err, context.Canceled)
		return &Failure{Step: step, Cause: err, retry: retry}
	}
	if t != nil {
		if refused := t.refused(pg); refused != nil {
			return refused
		}
	}
	return &Failure{Step: step, Cause: err, retry: retryableCode(pg.Code)}
}

func retryableCode(code string) bool {
	switch {
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "40"), strings.HasPrefix(code, "53"), strings.HasPrefix(code, "57"):
		return true
	}
	return code == "55P03" || code == "55006" || code == "0A000"
}

// target is what a write is about, for errors in the words of the mapping.
type target struct {
	plan *plan
	op   sink.RowOp
	set  change.Image
}

// refused says in plain words what the database has against the values; nil if it is something else.
func (t *target) refused(pg *pgconn.PgError) error {
	switch field := t.fieldOf(pg); {
	case pg.Code == "23505":
		return refuse(field, pg, "another row has this value already (%s)", pg.ConstraintName)
	case pg.Code == "23503" && t.op == sink.RowDelete:
		return refuse(field, pg, "rows of %s still refer to this row (%s)", pg.TableName, pg.ConstraintName)
	case pg.Code == "23503":
		return refuse(field, pg, "what it refers to is not there (%s)", pg.ConstraintName)
	case pg.Code == "23502":
		return refuse(field, pg, "the CRM wants a value in the column %s", pg.ColumnName)
	case pg.Code == "23514":
		return refuse(field, pg, "the CRM's rule %s does not allow this value", pg.ConstraintName)
	case pg.Code == "22001":
		return refuse(field, pg, "the text is longer than the CRM's column holds (%s)", pg.Message)
	case pg.Code == "22003":
		return refuse(field, pg, "the number is beyond what the CRM's column holds (%s)", pg.Message)
	case pg.Code == "22P02" && strings.HasPrefix(pg.Message, "invalid input value for enum "):
		enum, option, _ := strings.Cut(strings.TrimPrefix(pg.Message, "invalid input value for enum "), ": ")
		return refuse(field, pg, "the option %s is no value of the CRM's type %s; choose one that is, or add it there (ALTER TYPE … ADD VALUE)", option, enum)
	case strings.HasPrefix(pg.Code, "22"), strings.HasPrefix(pg.Code, "23"):
		return refuse(field, pg, "the CRM's database refuses the value (%s)", pg.Message)
	case pg.Code == "P0001":
		return refuse(field, pg, "a rule of the CRM's database refuses the write: %s", pg.Message)
	case pg.Code == "44000":
		return refuse(field, pg, "the view does not take such a row (%s)", pg.Message)
	}
	return nil
}

// fieldOf finds the field that an error means: by its column, by its constraint's columns, or because there is but one.
func (t *target) fieldOf(pg *pgconn.PgError) string {
	table := pg.SchemaName + "." + pg.TableName
	columns := []string{pg.ColumnName}
	if pg.ConstraintName != "" {
		columns = t.plan.catalog[table].Constraints[pg.ConstraintName]
	}
	var named []string
	for _, name := range t.set.Fields() {
		for _, c := range columns {
			if t.plan.touches(name, table, c) {
				named = append(named, name)
				break
			}
		}
	}
	if len(named) == 0 && len(t.set) == 1 && pg.ColumnName == "" {
		return t.set.Fields()[0]
	}
	return strings.Join(named, ", ")
}
