package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// pauseOptions are those of pause and of resume.
type pauseOptions struct {
	sessionOptions
	ledger.Pausing

	All          bool
	ID           int64
	AfterRestore bool
}

func newPauseCommand(g *globalOptions) *cobra.Command {
	o := &pauseOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "pause --config FILE",
		Short: "Stop writing: all of a sync, or one direction, connector, entity, record or field",
		Long: `Pause stops writes at once, in all processes: a write that has not been recorded is not made. Work waits and is not lost; resume lets it go on.
With no narrowing the whole sync is paused. Changes are still read from the CRM and kept, so that its replication slot holds nothing back; the Notion
source stops polling where the whole way to the CRM, or it itself, is paused. Without this program, in SQL:

  INSERT INTO tandem.pause (direction, reason) VALUES ('to_notion', 'stop');   -- '' or nothing is both
  DELETE FROM tandem.pause;`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.pause(c.Context()) },
	}
	o.addFlags(c)
	c.Flags().StringVar(&o.By, "by", "", "who says so (default: the user of this system)")
	c.Flags().StringVar(&o.Reason, "reason", "", "why, for those who wonder")
	return c
}

func newResumeCommand(g *globalOptions) *cobra.Command {
	o := &pauseOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "resume --config FILE",
		Short: "Let go on what was paused",
		Long: `Resume takes away the pause that was made with the same options; --id one that status lists, --all every pause that concerns this sync, those made in
SQL for all syncs among them.

The pause that stands because the database was restored from a backup is ended by tandem apply, with a plan of all entities. Without one, only --after-restore
ends it: the connectors then do by themselves what such a plan would show. Records that were linked after the backup was made are new to them: a row among them
gets a second page, and a page a second row, where the mapping has no keys to match them by.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.resume(c.Context()) },
	}
	o.addFlags(c)
	c.Flags().BoolVar(&o.All, "all", false, "every pause that concerns this sync")
	c.Flags().Int64Var(&o.ID, "id", 0, "the pause of this number")
	c.Flags().BoolVar(&o.AfterRestore, "after-restore", false, "the pause after a restore of the database, without a plan")
	return c
}

func (o *pauseOptions) addFlags(c *cobra.Command) {
	o.sessionOptions.addFlags(c)
	c.Flags().StringVar(&o.Direction, "direction", "", "only what goes to_notion, or to_crm")
	c.Flags().StringVar(&o.Connector, "connector", "", "only this connector")
	c.Flags().StringVar(&o.Entity, "entity", "", "only this entity")
	c.Flags().StringVar(&o.Key, "key", "", "only this record: the row's key or the page's id; needs --entity")
	c.Flags().StringVar(&o.Field, "field", "", "only this field; needs --entity")
}

func (o *pauseOptions) open(ctx context.Context) (*app, *session, error) {
	switch {
	case o.Direction != "" && o.Direction != "to_notion" && o.Direction != "to_crm":
		return nil, nil, usagef("--direction must be to_notion or to_crm")
	case (o.Key != "" || o.Field != "") && o.Entity == "":
		return nil, nil, usagef("--key and --field need --entity")
	}
	a, err := o.app()
	if err != nil {
		return nil, nil, err
	}
	s, err := a.openSession(ctx, o.Config)
	if err != nil {
		return nil, nil, err
	}
	o.Pausing.Sync = s.sync
	return a, s, nil
}

func (o *pauseOptions) pause(ctx context.Context) error {
	if err := o.refuseCDC(); err != nil {
		return err
	}
	_, s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if o.Field != "" {
		e, err := s.entity(o.Entity)
		if err != nil {
			return err
		}
		if _, ok := e.Field(o.Field); !ok && !strings.HasPrefix(o.Field, "custom.") {
			return usagef("%s has no field %q", o.Entity, o.Field)
		}
	}
	o.Since = time.Now()
	if o.By == "" {
		o.By = whoami()
	}
	if err := s.store.Suspend(ctx, o.Pausing); err != nil {
		return err
	}
	if o.JSON {
		return o.out.json(o.Pausing)
	}
	o.out.printf("paused: %s; tandem resume with the same options lets it go on\n", pausedWhat(o.Pausing))
	return nil
}

// refuseCDC says that the reader of the CRM's changes is not paused like the others: it would have the database keep all that it has not read.
func (o *pauseOptions) refuseCDC() error {
	if o.Connector == "" {
		return nil
	}
	docs, _ := readDocuments(o.Config)
	for _, doc := range docs {
		if doc.Name == o.Connector && doc.Config["connector.class"] == "cdc.PostgresSource" {
			return usagef("%s reads the CRM's changes into Kafka and writes nowhere else: while it stood still, PostgreSQL would keep all its WAL. "+
				"Pause --direction to_notion; to stop reading, end its process", o.Connector)
		}
	}
	return nil
}

func (o *pauseOptions) resume(ctx context.Context) error {
	a, s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	pauses, err := s.store.Pauses(ctx, s.sync)
	if err != nil {
		return err
	}
	same := func(p ledger.Pausing) bool {
		switch {
		case o.AfterRestore:
			return p.Kind == ledger.PauseRestored
		case o.All:
			return true
		case o.ID != 0:
			return p.ID == o.ID
		}
		w := o.Pausing
		return p.Sync == w.Sync && p.Direction == w.Direction && p.Connector == w.Connector && p.Entity == w.Entity && p.Key == w.Key && p.Field == w.Field
	}
	var ids []int64
	var what []string
	for _, p := range pauses {
		if same(p) {
			ids, what = append(ids, p.ID), append(what, pausedWhat(p))
		}
	}
	if len(ids) == 0 {
		var there []string
		for _, p := range pauses {
			there = append(there, fmt.Sprintf("--id %d (%s)", p.ID, pausedWhat(p)))
		}
		if len(there) == 0 {
			return fmt.Errorf("nothing is paused")
		}
		return fmt.Errorf("no pause is of just that; there are %s", strings.Join(there, ", "))
	}
	if err := o.end(ctx, a, s, pauses, ids); err != nil {
		return err
	}
	if o.JSON {
		return o.out.json(map[string]any{"resumed": ids})
	}
	o.out.printf("goes on: %s\n", strings.Join(what, "; "))
	return nil
}

// end takes pauses away. That after a restore is not one among others: who says --all need not have it in mind.
func (o *pauseOptions) end(ctx context.Context, a *app, s *session, pauses []ledger.Pausing, ids []int64) error {
	for _, p := range pauses {
		switch {
		case p.Kind != ledger.PauseRestored || !slices.Contains(ids, p.ID):
		case !o.AfterRestore:
			return fmt.Errorf("%s. To go on without a plan: tandem resume --after-restore (its --help says what that risks)", p.Reason)
		default:
			return s.goOn(ctx, a, p, whoami(), "resumed without a plan")
		}
	}
	_, err := s.store.Resume(ctx, ids)
	return err
}

// pausedWhat says in words what a pause covers.
func pausedWhat(p ledger.Pausing) string {
	parts := []string{}
	add := func(text, name string) {
		if name != "" {
			parts = append(parts, text+name)
		}
	}
	add("field ", p.Field)
	add("record ", p.Key)
	add("entity ", p.Entity)
	add("connector ", p.Connector)
	add("", map[string]string{"to_notion": "writes to Notion", "to_crm": "writes to the CRM"}[p.Direction])
	if len(parts) == 0 {
		if p.Sync == "" {
			return "everything, in all syncs of this database"
		}
		return "everything"
	}
	return strings.Join(parts, ", ")
}
