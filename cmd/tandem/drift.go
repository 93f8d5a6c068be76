package main

import (
	"context"
	"fmt"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink/crm"
)

type driftOptions struct {
	sessionOptions
	Accept string
}

func newDriftCommand(g *globalOptions) *cobra.Command {
	o := &driftOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "drift --config FILE",
		Short: "Show which fields are left out because a table or a database has changed",
		Long: `Drift compares the CRM's tables with the columns that the mapping was put on, and shows what the connectors found out about Notion's properties.
A field whose column or property was dropped, renamed or given another type is left out, and everything else goes on. It is taken up by itself when
its cause is mended. A column that was dropped and made again under its name is not: its values are no edits of the former ones. --accept says that it
is right so. Then what was agreed on before counts for nothing: a value that one side lost is given back by the other, and where two differ the field's
initial authority decides, with the other value in the conflict history. The command fails (1) while something is left out.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.addFlags(c)
	c.Flags().StringVar(&o.Accept, "accept", "", "ENTITY.FIELD: take its column as it is now")
	return c
}

// driftStatus is one field that is left out.
type driftStatus struct {
	Entity string    `json:"entity"`
	Field  string    `json:"field,omitempty"` // none: the entity as a whole
	Side   string    `json:"side"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since,omitzero"` // none: no connector has met it yet
}

func (o *driftOptions) run(ctx context.Context) error {
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if o.Accept != "" {
		if err := s.accept(ctx, o.Accept); err != nil {
			return err
		}
		o.out.printf("%s: its column is taken as it is now, the connectors take it up within some seconds\n", o.Accept)
		return nil
	}
	left, err := s.drifts(ctx)
	if err != nil {
		return err
	}
	if o.JSON {
		err = o.out.json(map[string]any{"left_out": left})
	} else {
		o.show(left)
	}
	if err == nil && len(left) > 0 {
		return errSaid
	}
	return err
}

func (o *driftOptions) show(left []driftStatus) {
	if len(left) == 0 {
		o.out.printf("nothing is left out\n")
		return
	}
	now := time.Now()
	for _, d := range left {
		name, since := d.Entity, "not met by a connector yet"
		if d.Field != "" {
			name += "." + d.Field
		}
		if !d.Since.IsZero() {
			since = "since " + ago(now, d.Since)
		}
		o.out.printf("%s  left out by %s, %s: %s\n", printable(name), d.Side, since, printable(d.Reason))
	}
}

// drifts is what the ledger has of all entities, with the CRM's side as the tables are at this moment.
func (s *session) drifts(ctx context.Context) ([]driftStatus, error) {
	out := []driftStatus{}
	sides, err := rows(s.entities, s.pool, s.store, recalled{s.store})
	if err != nil {
		return nil, err
	}
	for _, e := range s.entities {
		state, err := s.store.Drift(ctx, s.sync, e.Name)
		if err != nil {
			return nil, err
		}
		drift, err := sides[e.Name].Drifted(ctx)
		if err != nil {
			return nil, err
		}
		if drift.Stopped != "" {
			drift.Parked = map[string]string{"": drift.Stopped}
		}
		out = append(out, driftOf(e, state, drift)...)
	}
	return out, nil
}

func driftOf(e *mapping.Entity, state ledger.DriftState, now mapping.Drift) []driftStatus {
	current, _ := ledger.DriftState{Fields: state.Fields}.Park(e.Sync, e.Name, ledger.CRM, now.Parked, time.Time{}, func(...any) string { return "" })
	var out []driftStatus
	for _, f := range current.Fields {
		out = append(out, driftStatus{e.Name, strings.TrimSuffix(f.Field, "."), string(f.Side), f.Reason, f.Since})
	}
	return out
}

func (s *session) accept(ctx context.Context, what string) error {
	entity, field, ok := strings.Cut(what, ".")
	if !ok || field == "" {
		return usagef("--accept takes ENTITY.FIELD, and got %q", what)
	}
	if _, err := s.entity(entity); err != nil {
		return err
	}
	if field == strings.TrimSuffix(mapping.CustomPrefix, ".") {
		field = mapping.CustomPrefix
	}
	sides, err := rows(s.entities, s.pool, s.store, s.store)
	if err != nil {
		return err
	}
	if err := sides[entity].Accept(ctx, field); err != nil {
		return err
	}
	who := "unknown"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	s.log.Info("a column was accepted", "entity", entity, "field", field, "by", who)
	return nil
}

// recalled is the memory of columns for those who only look: nothing is kept of what they see.
type recalled struct{ *pgledger.Store }

// Add makes no work.
func (recalled) Add(context.Context, time.Time, []ledger.Reason) error { return nil }

// ChangeDrift keeps nothing.
func (recalled) ChangeDrift(context.Context, string, string, func(ledger.DriftState) (ledger.DriftState, []ledger.Alert)) error {
	return nil
}

// drift tells check's reader which columns are not those that the mapping was put on.
func (c *checkup) drift(ctx context.Context, sides map[string]*crm.Rows, entities []*mapping.Entity) {
	for _, e := range entities {
		drift, err := sides[e.Name].Drifted(ctx)
		if err != nil {
			c.add("warning", "mapping "+e.Name, "", "what is known of its columns cannot be read: %v", err)
			continue
		}
		if drift.Stopped != "" {
			c.add("error", "mapping "+e.Name, "", "%s", drift.Stopped)
		}
		for _, f := range e.Fields {
			if reason := drift.Parked[f.Name]; reason != "" {
				c.add("error", "mapping "+e.Name+"."+f.Name, "the field is left out until it is mended; everything else goes on", "%s", reason)
			}
		}
		if reason := drift.Parked[mapping.CustomPrefix]; reason != "" {
			c.add("error", "mapping "+e.Name+".custom", "custom fields are left out until it is mended; everything else goes on", "%s", reason)
		}
	}
}

// properties tells which fields the connectors leave out because of Notion's properties.
func (c *checkup) properties(ctx context.Context, store *pgledger.Store, e *mapping.Entity) {
	state, err := store.Drift(ctx, e.Sync, e.Name)
	if err != nil {
		return // said of the columns already
	}
	for _, f := range state.Fields {
		switch {
		case f.Side == ledger.Notion && f.Field == "":
			c.add("error", "mapping "+e.Name, "nothing of it is read or written until it is mended; other entities go on", "%s", f.Reason)
		case f.Side == ledger.Notion:
			c.add("error", fmt.Sprintf("mapping %s.%s", e.Name, f.Field), "the field is left out until it is mended; everything else goes on", "%s", f.Reason)
		}
	}
}
