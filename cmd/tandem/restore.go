package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/sink"
)

type restoreOptions struct {
	sessionOptions
	By, Reason string
	Force      bool
}

func newRestoreCommand(g *globalOptions) *cobra.Command {
	o := &restoreOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "restore CONFLICT --config FILE",
		Short: "Put the value that lost a conflict back on both sides",
		Long: `Restore takes a conflict by its id, or by how its id begins, as tandem conflicts lists it, and puts the value that lost in the place of the one that
won: the row at once, in one transaction with its entry in the conflict history, and the page as soon as the connectors that run have seen it. It
refuses where somebody has edited the field since; --force puts the value there all the same, and what it replaces stands in the history.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0]) },
	}
	o.addFlags(c)
	c.Flags().StringVar(&o.By, "by", "", "who asks, for the history (default: the user of this process)")
	c.Flags().StringVar(&o.Reason, "reason", "", "why, for the history")
	c.Flags().BoolVar(&o.Force, "force", false, "also over newer edits")
	return c
}

// restoreAnswer is what restore prints as JSON.
type restoreAnswer struct {
	Conflict string `json:"conflict"`
	Entry    string `json:"entry,omitempty"` // of the restoration in the history
	Entity   string `json:"entity"`
	Key      string `json:"key"`
	Page     string `json:"page"`
	Field    string `json:"field"`
	Put      string `json:"put"`
	Replaced string `json:"replaced"`
	Stands   bool   `json:"stood_already"`
}

// restoreWait is how long another worker's turn on the record is waited for; a turn takes a request or two.
const restoreWait = 20 * time.Second

func (o *restoreOptions) run(ctx context.Context, id string) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	s, err := a.openSession(ctx, o.Config)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.writable(ctx, a, o.Config); err != nil {
		return err
	}
	past, err := s.conflict(ctx, id)
	if err != nil {
		return err
	}
	w, err := s.worker(ctx, a)
	if err != nil {
		return err
	}
	w.Holder, w.Lease = "tandem restore "+a.holder, time.Minute
	re := sink.Restoration{Link: past.Link, Conflict: past.Conflict, ID: newID(), By: byWhom(o.By), Reason: o.Reason, Force: o.Force}
	out, err := s.restoreSoon(ctx, w, ledger.Link{Entity: past.Entity, Key: past.Key, Page: past.Page}, re)
	var not *sink.NotRestoredError
	if errors.As(err, &not) {
		return fmt.Errorf("nothing was restored: %s", not.Reason)
	}
	if err != nil {
		return err
	}
	if o.JSON {
		answer := restoreAnswer{Conflict: past.ID, Entity: out.Entity, Key: out.Key, Page: out.Page, Field: out.Field, Put: out.Put.String(), Replaced: out.Replaced.String(), Stands: out.Stands}
		if !out.Stands {
			answer.Entry = re.ID
		}
		return o.out.json(answer)
	}
	if out.Stands {
		o.out.printf("%s of %s %s is %s on both sides already\n", out.Field, out.Entity, printable(out.Key), valueWords(out.Put))
		return nil
	}
	o.out.printf("%s of %s %s is %s in the CRM again, in the place of %s; the connectors that run bring it to Notion\n",
		out.Field, out.Entity, printable(out.Key), valueWords(out.Put), valueWords(out.Replaced))
	o.out.printf("this stands in the conflict history as %.8s, and can be taken back: tandem restore %.8s\n", re.ID, re.ID)
	return nil
}

// turn asks again while another worker has the record. What somebody paused is not waited for: nobody has it, and nobody gets it.
func (s *session) turn(ctx context.Context, w *sink.Worker, side ledger.Side, l ledger.Link, ask func() error) error {
	for end := time.Now().Add(restoreWait); ; {
		err := ask()
		if !errors.Is(err, sink.ErrBusy) || time.Now().After(end) {
			return err
		}
		pauses, err := s.store.Pauses(ctx, s.sync)
		if err != nil {
			return fmt.Errorf("look what is paused: %w", err)
		}
		if _, whole := ledger.Fields(pauses, ledger.Way{Sync: s.sync, Side: side, Connector: w.Connector}, l); whole {
			return &sink.NotRestoredError{Reason: "it is paused; tandem status says by whom: tandem resume, then ask again"}
		}
		if err := lifecycle.Pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// restoreSoon puts a value back as soon as no other worker has the record.
func (s *session) restoreSoon(ctx context.Context, w *sink.Worker, l ledger.Link, re sink.Restoration) (out sink.Restored, err error) {
	err = s.turn(ctx, w, ledger.CRM, l, func() (err error) {
		out, err = w.Restore(ctx, re)
		return err
	})
	return out, err
}

// conflict finds one entry of the history by its id, or by how it begins.
func (s *session) conflict(ctx context.Context, id string) (pgledger.PastConflict, error) {
	const enough = 6
	if len(id) < enough {
		return pgledger.PastConflict{}, usagef("%q is too short for a conflict's id: give %d characters of it at least", id, enough)
	}
	found, err := s.store.History(ctx, s.sync, pgledger.Which{ID: id}, 2)
	switch {
	case err != nil:
		return pgledger.PastConflict{}, err
	case len(found) == 0:
		return pgledger.PastConflict{}, fmt.Errorf("no conflict of sync %s has the id %s; tandem conflicts lists them", s.sync, id)
	case len(found) > 1:
		return pgledger.PastConflict{}, usagef("more than one conflict has an id that begins with %s: give more of it", id)
	}
	return found[0], nil
}

// byWhom is who asks for something, for the ledger's history.
func byWhom(given string) string {
	if given != "" {
		return given
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return os.Getenv("USER")
}
