package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// serverMin is PostgreSQL 14, as server_version_num has it.
const serverMin = 140000

// Check finds out, without writing, everything about the server, the slot, the publication and the tables that would keep the
// connector from starting, or make it do less than people expect. The error is for what could not be looked at.
func Check(ctx context.Context, c Config) (problems config.Problems, err error) {
	err = inspect(ctx, c, func(conn *pgx.Conn, got *facts, found config.Problems) error {
		problems = found
		if err := syncedProblems(ctx, conn, c, &problems); err != nil {
			return err
		}
		if got.slot == nil || got.slot.activePID == 0 {
			return nil
		}
		if program, other := slotReader(ctx, conn, got.slot.activePID); other {
			problems.Warnf("slot "+c.Slot, "%s reads it now, and this connector would wait until it is free: end that one, or give this one another slot.name", program)
		}
		return nil
	})
	return problems, err
}

// inspect examines the server on a connection of its own, which do may go on with.
func inspect(ctx context.Context, c Config, do func(conn *pgx.Conn, got *facts, problems config.Problems) error) error {
	f, err := newFilter(&c, c.captured())
	if err != nil {
		return err
	}
	conn, err := postgres.Connect(ctx, c.Database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	got, problems, err := examine(ctx, conn, c, f)
	if err != nil {
		return err
	}
	return do(conn, got, problems)
}

// slotReader names the server process that reads our slot, with the program at its other end where we may know it. One that calls itself what
// this connector does is this connector, running: a second copy of it is meant to wait.
func slotReader(ctx context.Context, conn *pgx.Conn, pid int32) (name string, other bool) {
	var program, ours string
	_ = conn.QueryRow(ctx, `SELECT coalesce(max(application_name), ''), current_setting('application_name') FROM pg_stat_activity WHERE pid = $1`, pid).
		Scan(&program, &ours) // else it has no name
	if program == "" {
		return fmt.Sprintf("server process %d", pid), true
	}
	return fmt.Sprintf("server process %d (%s)", pid, program), program != ours
}

// facts is what the server said of itself, in one look.
type facts struct {
	version                  int
	walLevel, database, user string
	standby                  bool
	feedback                 bool // … with hot_standby_feedback
	super                    bool // the role is a superuser
	replication              bool // … may use the replication protocol
	create                   bool // … may create publications
	slotsMax, slots          int
	sendersMax, senders      int
	tables                   []table
	slot                     *slot
	publication              *publication
}

// rds_replication is what Amazon RDS has instead of the attribute.
const factsQuery = `
SELECT current_setting('server_version_num')::int, current_setting('wal_level'), current_database(), current_user, pg_is_in_recovery(), current_setting('hot_standby_feedback')::bool,
       r.rolsuper, r.rolreplication OR r.rolsuper OR EXISTS (SELECT FROM pg_roles g WHERE g.rolname = 'rds_replication' AND pg_has_role(g.oid, 'MEMBER')),
       has_database_privilege(current_database(), 'CREATE'),
       current_setting('max_replication_slots')::int, (SELECT count(*) FROM pg_replication_slots),
       current_setting('max_wal_senders')::int, (SELECT count(*) FROM pg_stat_replication)
FROM pg_roles r WHERE r.rolname = current_user`

// examine collects the facts and the problems that they mean.
func examine(ctx context.Context, conn *pgx.Conn, c Config, f filter) (*facts, config.Problems, error) {
	var got facts
	err := conn.QueryRow(ctx, factsQuery).Scan(&got.version, &got.walLevel, &got.database, &got.user, &got.standby, &got.feedback, &got.super, &got.replication, &got.create,
		&got.slotsMax, &got.slots, &got.sendersMax, &got.senders)
	if err != nil {
		return nil, nil, postgres.Explain(fmt.Errorf("ask the server for its settings: %w", err))
	}
	var errs [3]error
	got.tables, errs[0] = loadTables(ctx, conn, f)
	got.slot, errs[1] = loadSlot(ctx, conn, c.Slot)
	got.publication, errs[2] = loadPublication(ctx, conn, c.Publication)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, nil, err
	}
	if err := got.loadColumns(ctx, conn, c); err != nil {
		return nil, nil, err
	}
	var problems config.Problems
	for _, pattern := range f.missing(got.tables) {
		problems.Errorf("table.include.list", "no table matches %q: create it, or correct the name (schema.table)", pattern)
	}
	got.leaveOut(c, &problems)
	got.serverProblems(&problems)
	if streams := c.SnapshotMode != SnapshotInitialOnly; streams {
		got.slotProblems(c, &problems)
		got.optionProblems(c, &problems)
		got.publicationProblems(c, &problems)
		got.columnListProblems(c, &problems)
		got.generatedProblems(c, &problems)
		if err := got.rowFilterProblems(ctx, conn, c, &problems); err != nil {
			return nil, nil, err
		}
	}
	if spoken := protocolSpoken(got.version); c.Protocol > spoken {
		problems.Errorf("protocol.version", "PostgreSQL %d speaks up to %d: ask for that, or less", got.version/10000, spoken)
	}
	if err := partitionProblems(ctx, conn, f, got.tables, &problems); err != nil {
		return nil, nil, err
	}
	if err := got.snapshotProblems(ctx, conn, c, f, &problems); err != nil {
		return nil, nil, err
	}
	got.messageKeyProblems(c, &problems)
	for i := range got.tables {
		problems = append(problems, got.tableProblems(c, &got.tables[i])...)
	}
	got.topicProblems(c, &problems)
	return &got, problems, nil
}

// loadColumns reads what the tables and the publication have of columns, and finds out how the tables will be once the start has carried out the configuration.
func (f *facts) loadColumns(ctx context.Context, conn *pgx.Conn, c Config) error {
	if err := f.loadFields(ctx, conn); err != nil {
		return err
	}
	if f.publication != nil && f.version >= columnListsSince {
		if err := f.publication.loadLists(ctx, conn, c.Publication); err != nil {
			return err
		}
		if f.version >= generatedSince {
			err := conn.QueryRow(ctx, `SELECT pubgencols = 's' FROM pg_publication WHERE pubname = $1`, c.Publication).Scan(&f.publication.generated)
			if err != nil {
				return postgres.Explain(fmt.Errorf("look at the publication: %w", err))
			}
		}
	}
	rules, _ := parseIdentityRules(c.IdentityRules) // looked at before
	keys, _ := parseMessageKeys(c.MessageKeys)
	for i := range f.tables {
		f.tables[i].keys = keys
		if err := f.foresee(ctx, conn, rules, &f.tables[i]); err != nil {
			return err
		}
	}
	if err := f.chooseLists(c); err != nil {
		return err
	}
	for i := range f.tables {
		f.tables[i].readable = f.mayRead(c, &f.tables[i])
	}
	return nil
}

func (f *facts) serverProblems(problems *config.Problems) {
	if f.version < serverMin {
		problems.Errorf("server", "PostgreSQL %d is too old: 14 or newer is needed", f.version/10000)
	}
	if f.walLevel != "logical" {
		problems.Errorf("server", "wal_level is %s: run ALTER SYSTEM SET wal_level = logical, and restart the server", f.walLevel)
	}
	if f.standby && f.version < standbySince {
		problems.Errorf("server", "it is a standby, and PostgreSQL %d cannot read changes there: connect to the primary, or have 16 or newer", f.version/10000)
	}
	if f.standby && f.version >= standbySince && !f.feedback {
		problems.Warnf("server", "it is a standby without hot_standby_feedback, so vacuum on the primary may invalidate the slot and end the snapshot: "+
			"set it to on, and primary_slot_name to a physical slot")
	}
	if f.super {
		problems.Warnf("role "+f.user, "it is a superuser, where REPLICATION and SELECT on the captured tables are enough: tandem grants --cdc-role prints such a role")
	}
	if !f.replication {
		problems.Errorf("role "+f.user, "it may not replicate: run ALTER ROLE %s REPLICATION (on Amazon RDS: GRANT rds_replication TO it)",
			pgx.Identifier{f.user}.Sanitize())
	}
}

func (f *facts) slotProblems(c Config, problems *config.Problems) {
	path := "slot " + c.Slot
	if f.slot == nil {
		if f.slots >= f.slotsMax {
			problems.Errorf(path, "no replication slot is left (max_replication_slots is %d): raise it and restart the server, or drop one that nobody uses", f.slotsMax)
		}
	} else {
		if f.slot.kind != "logical" || f.slot.plugin != "pgoutput" {
			problems.Errorf(path, "it is a %s slot of plugin %q, not a logical one of pgoutput: use another name", f.slot.kind, f.slot.plugin)
		} else if f.slot.database != f.database {
			problems.Errorf(path, "it belongs to database %s: use another name", f.slot.database)
		}
	}
	if (f.slot == nil || f.slot.activePID == 0) && f.senders >= f.sendersMax {
		problems.Errorf("server", "no connection for replication is left (max_wal_senders is %d): raise it and restart the server", f.sendersMax)
	}
}

// leaveOut takes away tables that cannot be captured and that nobody asked for by name: with a slot, which keeps WAL, a start must not fail because somebody made a
// table that a pattern matches. Tables that are published are not left out, and before there is a slot nothing is: the person who starts it first should know.
func (f *facts) leaveOut(c Config, problems *config.Problems) {
	if f.slot == nil || f.publication == nil {
		return
	}
	f.tables = slices.DeleteFunc(f.tables, func(t table) bool {
		if c.names(t.tableName) || slices.Contains(f.publication.tables, t.tableName) || f.publication.allTables && t.logged {
			return false
		}
		own := f.tableProblems(c, &t).Errors()
		for _, p := range own {
			problems.Warnf(p.Path, "it is left out, since it is not published yet and cannot be captured: %s", p.Summary)
		}
		return len(own) > 0
	})
}

// names reports that the table is listed by its name, and not only matched.
func (c *Config) names(t tableName) bool {
	return slices.ContainsFunc(c.captured(), func(pattern string) bool {
		return strings.ReplaceAll(strings.TrimSpace(pattern), `\`, "") == t.String()
	})
}

func (f *facts) tableProblems(c Config, t *table) (problems config.Problems) {
	t.problems(&problems)
	f.identityProblems(c, t, &problems)
	return problems
}

func (t *table) problems(problems *config.Problems) {
	path := "table " + t.String()
	if !t.readable {
		problems.Errorf(path, "it cannot be read: run GRANT USAGE ON SCHEMA %s and GRANT SELECT ON %s to the connector's role",
			pgx.Identifier{t.schema}.Sanitize(), t.quoted())
	}
	if t.unruly != "" {
		problems.Errorf(path, "%s", t.unruly)
	}
	if !t.logged {
		problems.Errorf(path, "it is unlogged, so its changes are in no WAL: run ALTER TABLE %s SET LOGGED", t.quoted())
	}
	if t.hidden {
		problems.Errorf(path, "row security hides rows of it from the connector's role: run ALTER ROLE … BYPASSRLS, or add a policy that shows all")
	}
	switch {
	case t.identity == pgoutput.IdentityIndex && slices.ContainsFunc(t.primary, func(k string) bool { return !slices.Contains(t.indexed, k) }):
		problems.Warnf(path, "its replica identity is an index without the primary key: deletes carry the index's columns only, so its records have those as their key (as it should be for a table of custom fields, which is mapped by them)")
	case len(t.key) == 0 && !t.rekeyed && (t.identity == pgoutput.IdentityFull || len(t.indexed) > 0):
		problems.Warnf(path, "it has no key: its records have none either, and consumers cannot tell its rows apart")
	}
}

// identityProblems are those of a table whose old rows nothing identifies. PostgreSQL refuses its updates and deletes from the moment on in which it is published: what would bring
// that about is refused, what has come about already is told.
func (f *facts) identityProblems(c Config, t *table, problems *config.Problems) {
	p := f.publication
	published := p != nil && (p.allTables || slices.Contains(p.tables, t.tableName))
	if published && !strings.ContainsAny(p.operations, "ud") || c.SnapshotMode == SnapshotInitialOnly {
		return
	}
	say, refuses := problems.Errorf, "PostgreSQL would refuse updates and deletes once it is published"
	if published || c.AutoCreate == autoCreateAll {
		say, refuses = problems.Warnf, "PostgreSQL refuses updates and deletes, since it is published"
	}
	path := "table " + t.String()
	for _, partition := range t.blind {
		say(path, "its partition %s has nothing that identifies old rows, and %s (partitions do not inherit the setting): run ALTER TABLE %s REPLICA IDENTITY FULL, or add a primary key to the table",
			partition, refuses, partition)
	}
	if t.identity != pgoutput.IdentityFull && len(t.indexed) == 0 {
		say(path, "it has no primary key that identifies old rows, and %s: add a primary key, or run ALTER TABLE %s REPLICA IDENTITY FULL (replica.identity.autoset.values=%s:FULL does)",
			refuses, t.quoted(), t)
	}
}
