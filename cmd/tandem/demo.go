package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/cmd/tandem/demo"
	"github.com/tandem-sync/tandem/connector/telemetry"
)

type demoOptions struct {
	*globalOptions
	Dir      string
	Once     bool
	Postgres string
	Counts   demo.Counts
}

func newDemoCommand(g *globalOptions) *cobra.Command {
	o := &demoOptions{globalOptions: g}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole thing running on this machine: PostgreSQL, Kafka and Notion, synced both ways",
		Long: `Demo starts a private PostgreSQL with an example CRM, a broker, and a local Notion, runs the four connectors between them, makes edits on
both sides, shows what became of each, and stays up for playing until Ctrl-C. Nothing of this machine is changed but the demo's folder.

It needs a PostgreSQL server's binaries. Where none are installed it fetches them once with npm or Maven.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	c.PersistentFlags().StringVar(&o.Dir, "dir", demo.DefaultDir(), "the demo's folder: files, log, and how edit and show find it")
	f := c.Flags()
	f.BoolVar(&o.Once, "once", false, "end after the show; exit code 0 only if both sides are equal")
	f.StringVar(&o.Postgres, "postgres", "", "the folder of PostgreSQL's initdb and postgres, or npm or maven to fetch them")
	f.IntVar(&o.Counts.Contacts, "contacts", demo.CountsDefault.Contacts, "contacts in the CRM")
	f.IntVar(&o.Counts.Opportunities, "opportunities", demo.CountsDefault.Opportunities, "opportunities in the CRM")
	f.IntVar(&o.Counts.Tasks, "tasks", demo.CountsDefault.Tasks, "tasks in the CRM")
	c.AddCommand(o.newEditCommand(), o.newShowCommand())
	return c
}

func (o *demoOptions) newEditCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "edit crm|notion KEY FIELD VALUE",
		Short: "Change a field on one side of the running demo, and see what the other side makes of it",
		Long: `Edit changes one field on one side of the running demo, as a user of the CRM or as a person in Notion would, and waits for the other side.

KEY is a contact's number, or opportunity/NUMBER or task/NUMBER. FIELD is a field's, a column's or a property's name. An empty VALUE clears it.`,
		Example: `  tandem demo edit crm 7 job_title "Chief of Staff"
  tandem demo edit notion 7 phone "06 11 22 33 44"
  tandem demo edit notion task/9 status Done`,
		Args: cobra.ExactArgs(4),
		RunE: func(c *cobra.Command, args []string) error {
			return asked(demo.Edit(c.Context(), o.Dir, args[0], args[1], args[2], args[3], o.out.stdout))
		},
	}
}

func (o *demoOptions) newShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show KEY",
		Short: "Print what both sides of the running demo say of a record",
		Long:  "Show prints what both sides of the running demo say of a record. KEY is a contact's number, or opportunity/NUMBER or task/NUMBER.",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return asked(demo.Show(c.Context(), o.Dir, args[0], o.out.stdout))
		},
	}
}

// asked gives what was typed wrong the code for that.
func asked(err error) error {
	var bad *demo.BadEdit
	if errors.As(err, &bad) {
		return usageError{err}
	}
	return err
}

func (o *demoOptions) run(ctx context.Context) error {
	level, err := telemetry.ParseLevel(o.LogLevel)
	if err != nil {
		return usageError{err}
	}
	format := telemetry.LogConfig{Format: o.LogFormat, Level: level}
	if err := format.Validate(); err != nil {
		return usageError{err}
	}
	if err := o.Counts.Validate(); err != nil {
		return usageError{err}
	}
	err = demo.Run(ctx, demo.Config{
		Dir: o.Dir, Postgres: o.Postgres, Counts: o.Counts, Once: o.Once, Out: o.out.stdout, Pipeline: runPipeline,
		Logger: func(w io.Writer) *slog.Logger { log, _ := telemetry.NewLogger(w, format); return log },
	})
	if errors.Is(err, context.Canceled) {
		return errors.Join(errSaid, err) // who pressed Ctrl-C knows
	}
	return err
}

// runPipeline is `tandem run` on files, in this process and with a logger of its own.
func runPipeline(ctx context.Context, files []string, log *slog.Logger, ready func()) error {
	a := newApp(log)
	docs, problems := readDocuments(files)
	problems = append(problems, a.checkDocuments(docs)...)
	if err := problems.Err(); err != nil {
		return err
	}
	a.onAddress = func(string) { ready() }
	return a.serve(ctx, docs, telemetry.ServerConfig{Address: "127.0.0.1:0"})
}
