package crm

import (
	"errors"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/sink"
)

// A commit ends applied, not applied, or unknown, and unknown is never taken for failed.
func TestWhatAFailedCommitMeans(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err                  error
		unknown, retry, data bool
	}{
		"the connection broke":            {err: io.ErrUnexpectedEOF, unknown: true},
		"the server was shut down":        {err: &pgconn.PgError{Code: "57P01", SeverityUnlocalized: "FATAL"}, unknown: true},
		"transactions in each others way": {err: &pgconn.PgError{Code: "40001", SeverityUnlocalized: "ERROR"}, retry: true},
		"a deferred constraint":           {err: &pgconn.PgError{Code: "23505", SeverityUnlocalized: "ERROR"}, data: true},
		"rolled back":                     {err: pgx.ErrTxCommitRollback, retry: true},
	} {
		got := committed(&target{plan: &plan{}}, tt.err)
		var failed *Failure
		var data *sink.DataError
		if errors.As(got, &data) != tt.data {
			t.Errorf("%s: data error %v", name, !tt.data)
		}
		if errors.As(got, &failed) && (failed.Unknown() != tt.unknown || failed.Retryable() != tt.retry) {
			t.Errorf("%s: unknown %v, retryable %v", name, failed.Unknown(), failed.Retryable())
		}
	}
}
