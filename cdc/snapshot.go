package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// snapshot reads all captured tables as they were at one moment and gives their rows as events of op r. It reads ranges of pages on many connections,
// all under one snapshot of PostgreSQL's, and notes which ranges Kafka has, so that another life can go on. See the package comment.
//
// With a slot that was just made, the moment is the slot's own: its exported snapshot holds exactly the transactions that the
// stream does not send. With a slot that was there before, the moment is now, and the transactions that it saw are told, so
// that the stream can leave them out (see visibility).
type snapshot struct {
	*session
	conn    *pgx.Conn         // in whose transaction the moment is fixed
	adopts  string            // the exported snapshot that is taken; "": one of its own
	wanted  []*table          // that are to be read, in their order
	asked   map[string]string // their filters, where a signal asked for them; nil: it is the snapshot of the start
	earlier reading           // what an earlier life has read, and what this one has stored since
	types   *postgres.Types   // as they were when it began
	emitter *emitter          // whose forks write the rows
	at      change.LSN        // where the stream stands while it is taken
	source  change.Source     // of every row
	name    string            // of PostgreSQL's snapshot
	visible *visibility       // what it shows
	tables  []*tableRead
	queue   *rangeQueue
	marks   marks
	rows    atomic.Uint64
	planned atomic.Bool     // tables is complete
	large   sync.Mutex      // held while a row of megabytes is worked on: one at a time
	life    context.Context // ends when the source is stopped
	fail    context.CancelCauseFunc
}

// tableRead is one table that is read.
type tableRead struct {
	*table
	columns    []change.Column // those that are published
	sql        string          // COPY's query without a WHERE
	overridden bool            // sql is around a statement of the user's
	statedIn   string          // … which stands there
	filter     string          // the publication's; "" for none
	id         string          // see tableReading
	pages      int64           // of the largest partition
	extent     int64           // of all
	skipped    float64         // the share that an earlier life has read
	passed     atomic.Int64    // pages that were read, by this life and earlier ones
	ranges     []*rangeRead    // that are not stored as read; the keeper's, once the reading has begun
	left       int             // ranges that have not ended; under the queue's lock
	marks      tableMarks
	rows       atomic.Uint64
	began      atomic.Int64 // when its first range was begun, in Unix nanoseconds
	ended      atomic.Int64 // when its last range had ended
}

// rangeRead is one range of it.
type rangeRead struct {
	part
	table   *tableRead
	flight  *flight
	tracker tracker // of its one flight
}

// rangeSealed is where a range's tracker stands once Kafka has all rows of it.
const rangeSealed change.LSN = 1

// seal says that no more rows of the range will come.
func (r *rangeRead) seal() {
	r.flight.seal(progress{lsn: rangeSealed, next: change.Position{Commit: rangeSealed}})
}

// acknowledged reports that Kafka has all of it.
func (r *rangeRead) acknowledged() bool { return r.tracker.safe().lsn == rangeSealed }

// run returns when every row was handed over, with what a transaction of the stream must be checked against if the slot was there before.
func (s *snapshot) run(ctx context.Context) error {
	// The transaction outlives every limit of the session: tables take as long as they take.
	tx, err := s.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return postgres.Explain(fmt.Errorf("begin the snapshot: %w", err))
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing was written
	if err := s.settle(ctx); err != nil {
		return postgres.Explain(fmt.Errorf("begin the snapshot: %w", err))
	}
	if err := s.cut(ctx); err != nil {
		return err
	}
	if err := s.storeReading(ctx); err != nil {
		return err
	}
	defer s.keep(ctx)()
	return s.readAll(ctx)
}

// readAll reads the ranges, on as many connections as may be.
func (s *snapshot) readAll(ctx context.Context) error {
	readers := []*rangeReader{newRangeReader(s, s.conn.PgConn())}
	for len(readers) < min(s.config.threads(), len(s.queue.waiting)) {
		conn, err := s.join(ctx)
		if err != nil {
			return err
		}
		if conn == nil {
			break
		}
		defer closeSoon(ctx, conn)
		readers = append(readers, newRangeReader(s, conn.PgConn()))
	}
	group, reading := errgroup.WithContext(ctx)
	for _, r := range readers {
		group.Go(func() error { return r.run(reading) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := s.marks.end(readers[0].emit(ctx)); err != nil {
		return err
	}
	return s.emitter.flush(ctx)
}

func closeSoon(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

// unlimited lifts the session's limits for one transaction.
const unlimited = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"

// adopt makes the open transaction see what the named snapshot shows, without limits.
func adopt(ctx context.Context, conn *pgx.Conn, name string) error {
	set := unlimited
	if name != "" {
		set = "SET TRANSACTION SNAPSHOT '" + strings.ReplaceAll(name, "'", "''") + "'; " + set
	}
	if _, err := conn.Exec(ctx, set); err != nil {
		return err
	}
	// PostgreSQL 17 has one more; after the snapshot was fixed, a look at a view no longer hurts.
	_, err := conn.Exec(ctx, "SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'")
	return err
}

// settle fixes the moment and keeps tables from being altered until all is read. Who reads later rows of a table that was truncated or
// rewritten after the moment finds it empty (mvcc-caveats), so that is looked at after the locks were taken.
func (s *snapshot) settle(ctx context.Context) error {
	if err := adopt(ctx, s.conn, s.adopts); err != nil {
		return err
	}
	var seen, end string
	if err := s.conn.QueryRow(ctx, "SELECT pg_current_snapshot()::text").Scan(&seen); err != nil {
		return err
	}
	if err := s.conn.QueryRow(ctx, "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END)::text, now()").Scan(&end, &s.source.Time); err != nil {
		return err
	}
	until, err := change.ParseLSN(end)
	if err != nil {
		return err
	}
	if s.visible, err = parseVisibility(seen, until); err != nil {
		return err
	}
	// The newest transaction that the rows can come from. Debezium has the id of its own, which no reader can see as done.
	s.source.TxID = int64(uint32(s.visible.XMax - 1))
	s.source.LSN = s.at
	if s.facts.standby { // it does not list the transactions that are open (xip is empty in recovery): what may be one of them is not left out of the stream
		s.visible.XMax = s.visible.XMin
	}
	if s.name = s.adopts; s.name == "" {
		err = s.conn.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&s.name)
	}
	if err != nil {
		return err
	}
	return s.lock(ctx, s.conn)
}

// lock holds every table with the weakest lock there is, which lets all be read and written, but not altered, dropped or truncated. A look at
// no row takes it, also for roles that may not LOCK.
func (s *snapshot) lock(ctx context.Context, conn *pgx.Conn) error {
	for batch := range slices.Chunk(s.wanted, 100) {
		var sql strings.Builder
		for _, t := range batch {
			fmt.Fprintf(&sql, "SELECT FROM %s LIMIT 0;", t.source())
		}
		if _, err := conn.Exec(ctx, sql.String()); err != nil {
			return fmt.Errorf("keep the tables as they are: %w", alteredOr(err))
		}
	}
	return nil
}

// source names the table in FROM: not what inherits from it, but for partitions, since the root itself is empty.
func (t *table) source() string {
	if t.partitioned {
		return t.quoted()
	}
	return "ONLY " + t.quoted()
}

// joinLockTimeout is how long a connection more waits for the tables. Who waits for longer stands behind somebody's ALTER TABLE, which waits for the first
// connection, which waits for this one: nobody but us could see that.
const joinLockTimeout = "5s"

// join opens one connection more that sees the same. nil: the server has none left, and those that are there go on without it.
func (s *snapshot) join(ctx context.Context) (*pgx.Conn, error) {
	conn, err := postgres.Connect(ctx, s.config.Database)
	if server := (*pgconn.PgError)(nil); errors.As(err, &server) && server.Code == "53300" {
		s.log.Warn("the server has no connection left; the tables are read with fewer", "snapshot.max.threads", s.config.threads())
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = func() error {
		if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
			return err
		}
		if err := adopt(ctx, conn, s.name); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "SET LOCAL lock_timeout = '"+joinLockTimeout+"'"); err != nil {
			return err
		}
		return s.lock(ctx, conn)
	}()
	if err != nil {
		closeSoon(ctx, conn)
		return nil, postgres.Explain(fmt.Errorf("join the snapshot: %w", err))
	}
	return conn, nil
}

// cut makes ranges of the tables, but for what an earlier life has read.
func (s *snapshot) cut(ctx context.Context) error {
	sizes, err := loadSizes(ctx, s.conn, s.wanted)
	if err != nil {
		return err
	}
	s.queue = &rangeQueue{}
	for _, wanted := range s.wanted {
		t := &tableRead{table: wanted}
		if err := s.describe(ctx, t, sizes[t.oid]); err != nil {
			return &tableError{t.String(), explain(err)}
		}
		parts, begun := s.parts(t, sizes[t.oid].heap)
		if s.marks.lead == nil {
			s.marks.lead = &t.marks
			s.marks.opened = t.pages == 0 && !t.overridden // known to be empty, also to the reader of another table
		}
		s.marks.opened = s.marks.opened || begun
		t.marks.opened.Store(begun)
		for _, p := range parts {
			r := &rangeRead{part: p, table: t}
			r.tracker.failed = func(err error) { s.fail(fmt.Errorf("write a row of the snapshot: %w", err)) }
			r.flight = r.tracker.begin()
			t.ranges = append(t.ranges, r)
		}
		if t.left = len(t.ranges); t.left == 0 {
			t.began.Store(s.source.Time.UnixNano())
			t.ended.Store(s.source.Time.UnixNano())
		}
		t.passed.Store(t.pages - t.remaining())
		t.skipped = float64(t.passed.Load()) / float64(max(t.pages, 1))
		s.queue.waiting = append(s.queue.waiting, t.ranges...)
		s.tables = append(s.tables, t)
	}
	s.planned.Store(true)
	return nil
}

// parts are the ranges of t that are left to read; begun: an earlier life has read some. Where there are no pages to go by, as with other access methods and with a statement of the
// user's, the table is one range, which is read again from its start, and not again once it was read: the stream has what came after.
func (s *snapshot) parts(t *tableRead, heap bool) (parts []part, begun bool) {
	before := s.earlier[t.String()]
	switch {
	case before.ID != t.id || !heap && !t.overridden:
		before = tableReading{}
	case t.overridden && len(before.Done) > 0:
		return nil, true
	}
	size := int64(pageEnd)
	if heap && !t.overridden {
		size = max(s.config.rangePages()*t.pages/max(t.extent, 1), 1)
	}
	return partsOf(t.pages, size, before.Done), len(before.Done) > 0
}

// length is how many of the table's pages are in the range, as far as that was known.
func (r *rangeRead) length() int64 { return max(min(r.To, r.table.pages)-r.From, 0) }

func (t *tableRead) remaining() (pages int64) {
	for _, r := range t.ranges {
		pages += r.length()
	}
	return pages
}

// describe finds out what of t is published, and how it is read.
func (s *snapshot) describe(ctx context.Context, t *tableRead, size tableSize) error {
	if size.rewritten {
		return &alteredError{errors.New("it was truncated or rewritten while the snapshot began")}
	}
	if err := loadColumns(ctx, s.conn, t.table, s.types, s.facts.version >= generatedSince); err != nil {
		return err
	}
	var err error
	if t.columns, t.filter, err = s.published(ctx, s.conn, t.table); err != nil {
		return err
	}
	t.columns = slices.DeleteFunc(t.columns, func(c change.Column) bool {
		return !s.columns.writes(t.tableName, c.Name) && !slices.Contains(t.key, c.Name)
	})
	quoted := make([]string, len(t.columns))
	for i, c := range t.columns {
		quoted[i] = pgx.Identifier{c.Name}.Sanitize()
	}
	t.sql = fmt.Sprintf("SELECT %s FROM %s", strings.Join(quoted, ", "), t.source())
	statement := s.config.override(t.tableName)
	t.statedIn = overridesKey + "." + t.String()
	if s.asked != nil {
		statement, t.statedIn = asSelect(s.asked[t.String()]), "the signal"
	}
	if statement != "" {
		names := make([]string, len(t.columns))
		for i, c := range t.columns {
			names[i] = c.Name
		}
		t.overridden = true
		if t.sql, _, err = overriding(ctx, s.conn, t.table, names, statement); err != nil {
			return fmt.Errorf("with the statement of %s: %w", t.statedIn, err)
		}
	}
	if s.asked != nil {
		if err := s.narrow(ctx, t); err != nil {
			return err
		}
	}
	t.pages, t.extent = size.pages, size.extent
	t.id = shortHash(size.files, t.sql, t.filter)
	return nil
}

// published gives the columns and the condition under which the publication sends t's rows (PostgreSQL 15 and later), so
// that a snapshot shows no more than the stream.
func (s *session) published(ctx context.Context, conn *pgx.Conn, t *table) ([]change.Column, string, error) {
	if s.plan.ends { // nobody has to publish what nobody streams
		sent := s.facts.sent(s.config, s.facts.captured(t.tableName))
		return slices.DeleteFunc(slices.Clone(t.columns), func(c change.Column) bool { return !slices.Contains(sent, c.Name) }), s.config.RowFilters[t.String()], nil
	}
	if s.facts.version < columnListsSince {
		return t.columns, "", nil
	}
	var names []string
	var condition *string
	err := conn.QueryRow(ctx, `SELECT attnames::text[], rowfilter FROM pg_publication_tables WHERE pubname = $1 AND schemaname = $2 AND tablename = $3`,
		s.config.Publication, t.schema, t.name).Scan(&names, &condition)
	if err != nil {
		return nil, "", fmt.Errorf("look at what the publication sends: %w", err)
	}
	columns := slices.DeleteFunc(slices.Clone(t.columns), func(c change.Column) bool { return !slices.Contains(names, c.Name) })
	if condition == nil {
		return columns, "", nil
	}
	return columns, *condition, nil
}

// copySQL is the statement that reads a range.
func (r *rangeRead) copySQL() string {
	where := r.condition()
	if r.table.filter != "" {
		where = append(where, "("+r.table.filter+")")
	}
	sql := r.table.sql
	if len(where) > 0 {
		sql += " WHERE " + strings.Join(where, " AND ")
	}
	return "COPY (" + sql + ") TO STDOUT"
}

// tableError is a table that could not be read.
type tableError struct {
	table string
	err   error
}

func (e *tableError) Error() string { return "read table " + e.table + ": " + e.err.Error() }
func (e *tableError) Unwrap() error { return e.err }

// explain leaves what is explained here.
func explain(err error) error {
	if already := (*alteredError)(nil); errors.As(err, &already) {
		return err
	}
	return postgres.Explain(err)
}

// alteredOr finds errors that mean that a table is not as it was when it was looked at.
func alteredOr(err error) error {
	if server := (*pgconn.PgError)(nil); errors.As(err, &server) && strings.HasPrefix(server.Code, "42") && server.Code != "42501" {
		return &alteredError{err}
	}
	return err
}

// alteredError is a table that was altered or dropped between the look at its columns and the reading: look again.
type alteredError struct{ err error }

func (e *alteredError) Error() string   { return "the table changed while it was read: " + e.err.Error() }
func (e *alteredError) Unwrap() error   { return e.err }
func (e *alteredError) Retryable() bool { return true }

// readSoFar gives what is stored and what Kafka has acknowledged since, and whether that is news.
func (s *snapshot) readSoFar() (done reading, news bool) {
	done = reading{}
	for _, t := range s.tables { // what is stored of other tables, or of these as they were before, is worth nothing
		if before := s.earlier[t.String()]; before.ID == t.id {
			done[t.String()] = before
		}
		for _, r := range t.ranges {
			if r.acknowledged() {
				done.add(t.String(), t.id, r.part, uint32(s.visible.XMin))
				news = true
			}
		}
	}
	return done, news
}

// forget lets go of ranges that are stored as read under this snapshot.
func (t *tableRead) forget(xmin uint32, done []span) {
	t.ranges = slices.DeleteFunc(t.ranges, func(r *rangeRead) bool {
		return slices.ContainsFunc(done, func(s span) bool { return s.XMin == xmin && s.From <= r.From && r.To <= s.To })
	})
}
