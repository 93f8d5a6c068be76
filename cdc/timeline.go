package cdc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// A standby that is promoted begins a timeline, at the end of the WAL that it has. Positions go on from there, so a position behind that place that was
// stored before is no position of the new primary, although it looks like one: what the former primary wrote behind it is gone, and what the new one
// wrote at the same positions would be skipped. https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES

// aheadError is a standby that has not received, or has not replayed after a restart, what we have seen of it or of its primary.
type aheadError struct{ stored, end change.LSN }

func (e *aheadError) Error() string {
	return fmt.Sprintf("the standby is at %s and the stored position is %s: it is waited for", e.end, e.stored)
}
func (e *aheadError) Retryable() bool { return true }

// promotedError ends a session with a standby that became a primary: positions are of a timeline from now on.
type promotedError struct{}

func (*promotedError) Error() string   { return "the standby was promoted" }
func (*promotedError) Retryable() bool { return true }

// apartError is two connections that reached two servers, behind one name or in a list of hosts.
type apartError struct{}

func (*apartError) Error() string {
	return "the connections reached different servers: give database.target.session.attrs where database.hostname names several"
}
func (*apartError) Retryable() bool { return true }

// askStart tells servers apart.
const askStart = "SELECT pg_postmaster_start_time()::text"

// oneServer makes sure that what the catalog says is said of the server that streams.
func (s *session) oneServer(ctx context.Context) error {
	if err := s.control.QueryRow(ctx, askStart).Scan(&s.started); err != nil {
		return postgres.Explain(fmt.Errorf("ask the server when it was started: %w", err))
	}
	other, err := s.stream.Exec(ctx, askStart).ReadAll()
	if err != nil {
		return postgres.Explain(fmt.Errorf("ask the server when it was started: %w", err))
	}
	if len(other) != 1 || len(other[0].Rows) != 1 || string(other[0].Rows[0][0]) != s.started {
		return &apartError{}
	}
	return nil
}

// looksBack compares the stored position with the server that is there now, and marks the slot as useless where the position is not of its history.
func (s *session) looksBack(ctx context.Context, now pglogrepl.IdentifySystemResult) error {
	if s.timeline = now.Timeline; s.facts.standby {
		s.timeline = 0 // it may change at any moment, so that no position can be said to be of one
	}
	o := s.stored
	if o == nil || o.LSN == 0 || o.System != s.system {
		return nil
	}
	if s.facts.standby && o.LSN > change.LSN(now.XLogPos) {
		return &aheadError{stored: o.LSN, end: change.LSN(now.XLogPos)}
	}
	if o.Timeline == 0 || now.Timeline <= o.Timeline {
		return nil
	}
	history, err := pglogrepl.TimelineHistory(ctx, s.stream, now.Timeline)
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) {
		s.log.Warn("the server does not say where its timeline began, so a position that it has not is not noticed", "timeline", now.Timeline, "err", refused.Message)
		return nil
	}
	if err != nil {
		return postgres.Explain(fmt.Errorf("ask for the history of timeline %d: %w", now.Timeline, err))
	}
	end, ok := endOf(string(history.Content), o.Timeline)
	s.promoted = fmt.Sprintf("a standby was promoted (timeline %d, the stored position is of %d)", now.Timeline, o.Timeline)
	if s.facts.slot != nil && (!ok || o.LSN > end) {
		s.facts.slot.lost, s.facts.slot.why = true, fmt.Sprintf("%s which had received everything up to %s, and the stored position is %s: Kafka has changes that the database lost", s.promoted, end, o.LSN)
	}
	s.log.Info(s.promoted, "switched at", end.String())
	return nil
}

// endOf finds where a timeline ended in a history file: lines of number, LSN and reason, oldest first.
func endOf(history string, timeline int32) (change.LSN, bool) {
	for line := range strings.Lines(history) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if n, err := strconv.ParseInt(fields[0], 10, 32); err != nil || int32(n) != timeline {
			continue
		}
		end, err := change.ParseLSN(fields[1])
		return end, err == nil
	}
	return 0, false
}

// explainLoss adds to a loss that a promotion is the likely cause.
func (s *session) explainLoss(err error) error {
	lost := (*LostError)(nil)
	if !errors.As(err, &lost) || s.promoted == "" || s.facts.slot != nil {
		return err
	}
	return &LostError{Reason: lost.Reason + "; " + s.promoted + " that had no copy of the slot (slot.failover=true and PostgreSQL 17 keep one there)"}
}
