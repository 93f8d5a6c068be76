package cdc

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// openAside connects, beside the stream.
func (r *reader) openAside(now time.Time, failed func(error, time.Time)) error {
	x := &r.aside
	if x.opening == nil {
		x.opening = make(chan opened, 1)
		opening := x.opening
		x.wait.Go(func() {
			ctx, cancel := context.WithTimeout(r.life, controlTimeout)
			defer cancel()
			conn, err := r.connectAside(ctx)
			opening <- opened{conn, err}
		})
		return nil
	}
	select {
	case o := <-x.opening:
		x.conn, x.opening = o.conn, nil
		if o.err != nil {
			failed(o.err, now)
		}
	default:
	}
	return nil
}

// connectAside connects to the server that streams, and not to another of those that are named.
func (s *session) connectAside(ctx context.Context) (*pgx.Conn, error) {
	conn, err := postgres.Connect(ctx, s.config.Database)
	if err != nil {
		return nil, err
	}
	var started string
	if err := conn.QueryRow(ctx, askStart).Scan(&started); err == nil && started == s.started {
		return conn, nil
	} else if err == nil {
		err = &apartError{}
	}
	closeSoon(ctx, conn)
	return nil, err
}

// snapshotAside begins the chunk's transaction. fresh: its snapshot sees all that the stream has sent.
//
// On a primary the snapshot says which transactions it sees. A standby's does not say which it lacks; there, sessions see transactions in the order of the WAL, and
// what was replayed before the snapshot is seen. What was replayed while it was taken counts as not seen, which is harmless: its rows come a change early.
func (r *reader) snapshotAside(ctx context.Context) (fresh bool, err error) {
	x := &r.aside
	const begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " + chunkLimits
	if r.facts.standby {
		var standby bool
		var before, after string
		if err := x.conn.QueryRow(ctx, "SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn()::text, '')").Scan(&standby, &before); err != nil {
			return false, err
		}
		if !standby { // from here on a transaction may reach the slot before other sessions see it
			return false, &promotedError{}
		}
		if _, err := x.conn.Exec(ctx, begin); err != nil {
			return false, err
		}
		if err := x.conn.QueryRow(ctx, "SELECT greatest(pg_last_wal_replay_lsn(), $1::pg_lsn)::text", before).Scan(&after); err != nil {
			return false, err
		}
		x.shows = &visibility{XMax: math.MaxUint64}
		if x.shows.Until, err = change.ParseLSN(before); err != nil {
			return false, err
		}
		x.until, err = change.ParseLSN(after)
		return true, err
	}
	if _, err := x.conn.Exec(ctx, begin); err != nil {
		return false, err
	}
	var seen, end string
	if err := x.conn.QueryRow(ctx, "SELECT pg_current_snapshot()::text, pg_current_wal_insert_lsn()::text").Scan(&seen, &end); err != nil {
		return false, err
	}
	if x.until, err = change.ParseLSN(end); err != nil {
		return false, err
	}
	if x.shows, err = parseVisibility(seen, math.MaxInt64); err != nil {
		return false, err
	}
	x.recent = slices.DeleteFunc(x.recent, func(id uint32) bool { return x.shows.contains(int64(id), 0) })
	return len(x.recent) == 0, nil
}

// freshAside begins a transaction that sees all that the stream has sent, beside the stream. Where that is not to be had now, or there is no connection yet, it is tried again later.
func (r *reader) freshAside(now time.Time, failed func(error, time.Time)) (fresh bool, err error) {
	x := &r.aside
	if x.conn == nil || x.conn.IsClosed() {
		return false, r.openAside(now, failed)
	}
	ctx, cancel := context.WithTimeout(r.life, controlTimeout)
	defer cancel()
	fresh, err = r.snapshotAside(ctx)
	if promoted := (*promotedError)(nil); errors.As(err, &promoted) {
		return false, err
	}
	if err == nil && !fresh { // a commit reaches the slot before other sessions see it
		x.retry = now.Add(incrementalTick)
		_, err = x.conn.Exec(ctx, "ROLLBACK")
	}
	if err != nil {
		failed(err, now)
		return false, nil
	}
	return fresh, nil
}

// leaveAside gives the connection up: the next one is another.
func (r *reader) leaveAside() {
	if x := &r.aside; x.conn != nil {
		closeSoon(r.life, x.conn)
		x.conn = nil
	}
}
