package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// SlotOptions say how the replication slot is made, kept and left. Names are Debezium's, but for the alert.
type SlotOptions struct {
	Failover     bool   // standbys have a copy of it, which goes on after a promotion (PostgreSQL 17)
	DropOnStop   bool   // an orderly stop removes it
	StreamParams string // more arguments of pgoutput: name=value;…
	RetriesMax   int    // how often a slot that somebody else reads is looked at again before that is an error; -1: for ever
	AlertPercent int    // of max_slot_wal_keep_size, from which on it is warned of; 0: never
}

// failoverSince is the first PostgreSQL that copies slots to standbys, originSince the first whose pgoutput filters by origin, standbySince the first
// that decodes on a standby.
const (
	failoverSince = 170000
	originSince   = 160000
	standbySince  = 160000
)

func (o *SlotOptions) define(s *config.Set) {
	const group = "Capture"
	s.Bool(&o.Failover, config.Key{Name: "slot.failover", Default: "false", Group: group,
		Doc: "Whether standbys keep a copy of the slot that goes on after a promotion (PostgreSQL 17; see docs/operations.md for what the servers need). A slot that is there already is altered."})
	s.Bool(&o.DropOnStop, config.Key{Name: "slot.drop.on.stop", Default: "false", Importance: config.Low, Group: group,
		Doc: "Whether an orderly stop drops the slot. Changes that are made while the connector is stopped are lost then: for tests, and with snapshot.mode=when_needed or always."})
	s.String(&o.StreamParams, config.Key{Name: "slot.stream.params", Default: "", Importance: config.Low, Group: group,
		Doc: "More arguments for pgoutput, name=value with semicolons between them: origin=none leaves out what came to the database by replication (PostgreSQL 16).",
		Validate: func(text string) error {
			_, err := streamParams(text)
			return err
		}})
	s.Int(&o.RetriesMax, config.Key{Name: "slot.max.retries", Default: "-1", Importance: config.Low, Group: group, Validate: config.Between(-1, 1_000_000),
		Doc: "How often in a row a slot that somebody else reads is looked at again, every slot.retry.delay.ms, before the connector fails. -1 for ever: of two copies of a connector one waits for the other's end."})
	s.Int(&o.AlertPercent, config.Key{Name: "slot.wal.alert.percent", Default: "75", Importance: config.Low, Group: group, Validate: config.Between(0, 100),
		Doc: "From which share of max_slot_wal_keep_size on it is warned that the slot will be lost. 0 for never."})
}

// ownParams are arguments that other options set, or that would change what we understand.
var ownParams = map[string]string{
	"proto_version": "set protocol.version", "publication_names": "set publication.name", "messages": "set logical.messages",
	"streaming": "set protocol.version to 2 or more", "binary": "values are read as text", "two_phase": "set protocol.version to 3 and make the slot with two_phase",
}

// streamParams gives slot.stream.params as pgoutput's arguments.
func streamParams(text string) ([]string, error) {
	var arguments []string
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, "\"' ") {
			return nil, fmt.Errorf("%q is not name=value", part)
		}
		if instead, ours := ownParams[strings.ToLower(name)]; ours {
			return nil, fmt.Errorf("%s is not to be given here: %s", name, instead)
		}
		arguments = append(arguments, name+" '"+strings.ReplaceAll(strings.TrimSpace(value), "'", "''")+"'")
	}
	return arguments, nil
}

// optionProblems says which of the options this server cannot do, and which are likely to be meant otherwise.
func (f *facts) optionProblems(c Config, problems *config.Problems) {
	o := c.SlotOptions
	if o.Failover && f.version < failoverSince {
		problems.Errorf("slot.failover", "PostgreSQL %d has no failover slots: they came with 17", f.version/10000)
	}
	if o.Failover && f.standby {
		problems.Errorf("slot.failover", "a slot on a standby cannot be copied to others: capture from the primary, or set it to false")
	}
	arguments, _ := streamParams(o.StreamParams) // looked at before
	if f.version < originSince && slices.ContainsFunc(arguments, func(a string) bool { return strings.HasPrefix(a, "origin ") }) {
		problems.Errorf("slot.stream.params", "PostgreSQL %d cannot filter by origin: it came with 16", f.version/10000)
	}
	if o.DropOnStop && c.SnapshotMode != SnapshotWhenNeeded && c.SnapshotMode != SnapshotAlways {
		problems.Warnf("slot.drop.on.stop", "after a stop the next start finds that changes were lost, and with snapshot.mode=%s refuses to go on: set when_needed", c.SnapshotMode)
	}
}

// createSlot makes the slot with an exported snapshot. pglogrepl does not know FAILOVER.
func (s *session) createSlot(ctx context.Context) (pglogrepl.CreateReplicationSlotResult, error) {
	if !s.config.SlotOptions.Failover {
		return pglogrepl.CreateReplicationSlot(ctx, s.stream, s.config.Slot, "pgoutput",
			pglogrepl.CreateReplicationSlotOptions{Mode: pglogrepl.LogicalReplication, SnapshotAction: "EXPORT_SNAPSHOT"})
	}
	return pglogrepl.ParseCreateReplicationSlot(s.stream.Exec(ctx, "CREATE_REPLICATION_SLOT "+s.config.Slot+" LOGICAL pgoutput (SNAPSHOT 'export', FAILOVER true)"))
}

// adoptSlot gives a slot that is there the failover property that the options ask for. One that has it although they do not is left as it is: somebody
// else set it.
func (s *session) adoptSlot(ctx context.Context) error {
	if !s.config.SlotOptions.Failover || s.facts.slot == nil || s.facts.slot.failover || s.plan.dropSlot || s.plan.createSlot {
		return nil
	}
	if err := run(ctx, s.stream, "ALTER_REPLICATION_SLOT "+s.config.Slot+" (FAILOVER true)"); err != nil {
		return postgres.Explain(fmt.Errorf("have the replication slot copied to standbys (slot.failover): %w", err))
	}
	s.log.Info("the replication slot is copied to standbys from now on", "slot", s.config.Slot)
	return nil
}

func run(ctx context.Context, conn *pgconn.PgConn, sql string) error {
	_, err := conn.Exec(ctx, sql).ReadAll()
	return err
}

// leave drops the slot after an orderly stop, where that is asked for.
func (s *session) leave(ctx context.Context) {
	if !s.config.SlotOptions.DropOnStop || s.stored == nil {
		return
	}
	if err := s.dropSlot(ctx); err != nil {
		s.log.Warn("the replication slot could not be dropped (slot.drop.on.stop); it keeps WAL until somebody does", "slot", s.config.Slot, "err", err)
		return
	}
	s.log.Info("dropped the replication slot, as slot.drop.on.stop asks", "slot", s.config.Slot)
}

// dropTimeout is how long the server may take to notice that we have ended the stream: a slot that is read cannot be dropped.
const dropTimeout = 30 * time.Second

// dropSlot has a connection of its own: the session's may have been given up when it was waited for.
func (s *session) dropSlot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	conn, err := postgres.Connect(ctx, s.config.Database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for {
		_, err := conn.Exec(ctx, "SELECT pg_drop_replication_slot($1)", s.config.Slot)
		if refused := (*pgconn.PgError)(nil); !errors.As(err, &refused) || refused.Code != "55006" { // it is read
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// syncedProblems warns where a failover slot would not survive a promotion: a standby takes it over only once it was copied, and the primary waits for
// no standby unless it is told to.
func syncedProblems(ctx context.Context, conn *pgx.Conn, c Config, problems *config.Problems) error {
	if !c.SlotOptions.Failover {
		return nil
	}
	var standbys string
	err := conn.QueryRow(ctx, "SELECT coalesce(current_setting('synchronized_standby_slots', true), '-')").Scan(&standbys)
	if err != nil {
		return postgres.Explain(fmt.Errorf("ask for synchronized_standby_slots: %w", err))
	}
	if standbys == "" {
		problems.Warnf("slot.failover", "synchronized_standby_slots is empty on the server, so Kafka may get changes that a promoted standby has not: "+
			"set it to the physical slot of the standby that takes over (and there hot_standby_feedback, primary_slot_name, dbname in primary_conninfo and sync_replication_slots)")
	}
	return nil
}
