// Command tandem keeps a CRM in PostgreSQL and databases in Notion the same, both ways, through Kafka.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/telemetry"
)

func main() {
	os.Exit(withSignals(func(ctx context.Context) int { return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr) }))
}

// withSignals runs f under a context that the first Ctrl-C or SIGTERM ends. The second one ends the process: what was in flight then
// is taken up by the next start, as after any crash.
func withSignals(f func(context.Context) int) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		<-signals
		cancel(errInterrupted)
		fmt.Fprintln(os.Stderr, "tandem: ending; once more to end at once")
		<-signals
		os.Exit(exitInterrupted)
	}()
	return f(ctx)
}

// errInterrupted is the cancel cause after a signal.
var errInterrupted = fmt.Errorf("interrupted: %w", context.Canceled)

// run is the program without its process: tests call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand(&output{stdin: stdin, stdout: stdout, stderr: stderr})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errSaid) {
		fmt.Fprintln(stderr, "tandem: "+strings.TrimSpace(err.Error()))
	}
	return exitCode(err)
}

// globalOptions are those of every command.
type globalOptions struct {
	out       *output
	LogFormat string
	LogLevel  string
}

func (g *globalOptions) addFlags(c *cobra.Command) {
	c.PersistentFlags().StringVar(&g.LogFormat, "log-format", "text", "how logs look: text or json")
	c.PersistentFlags().StringVar(&g.LogLevel, "log-level", "info", "the least severe lines to log: debug, info, warn or error")
}

// logger makes the process's logger, on stderr.
func (g *globalOptions) logger() (*slog.Logger, error) {
	level, err := telemetry.ParseLevel(g.LogLevel)
	if err != nil {
		return nil, usageError{err}
	}
	c := telemetry.LogConfig{Format: g.LogFormat, Level: level}
	if err := c.Validate(); err != nil {
		return nil, usageError{err}
	}
	log, _ := telemetry.NewLogger(g.out.stderr, c)
	return log, nil
}

// app makes what commands share.
func (g *globalOptions) app() (*app, error) {
	log, err := g.logger()
	if err != nil {
		return nil, err
	}
	return newApp(log), nil
}

func newRootCommand(out *output) *cobra.Command {
	g := &globalOptions{out: out}
	root := &cobra.Command{
		Use:           "tandem",
		Short:         "Keeps a CRM in PostgreSQL and databases in Notion the same, both ways, through Kafka",
		Long:          "Tandem keeps the rows of a CRM in PostgreSQL and the pages of Notion databases the same, both ways, through Kafka.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there is no command %q; tandem --help lists them", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(out.stdin)
	root.SetOut(out.stdout)
	root.SetErr(out.stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpTemplate("{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}\n\n{{end}}{{.UsageString}}\n" + exitTable())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	g.addFlags(root)
	root.AddCommand(commands(g)...)
	root.AddCommand(recordCommands(g)...)
	asUsage(root)
	return root
}

// commands are all of them, one file each.
func commands(g *globalOptions) []*cobra.Command {
	return []*cobra.Command{
		newPlanCommand(g), newApplyCommand(g), newLinkCommand(g), newLinksCommand(g), newShadowCommand(g),
		newRunCommand(g), newCheckCommand(g), newStatusCommand(g), newSnapshotCommand(g), newExplainCommand(g), newSyncCommand(g), newHoldsCommand(g), newApproveCommand(g), newRejectCommand(g), newPauseCommand(g), newResumeCommand(g), newDriftCommand(g), newGrantsCommand(g), newOptionsCommand(g),
		newConflictsCommand(g), newRestoreCommand(g), newOverwrittenCommand(g), newIssuesCommand(g), newRetryCommand(g),
		newDemoCommand(g), newEmulatorCommand(g), newSimulateCommand(g), newVersionCommand(g.out),
	}
}

// asUsage makes a wrong number of arguments an error of usage, of this command's and of those below it.
func asUsage(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			given := fmt.Sprintf("%d arguments", len(args))
			if len(args) == 1 {
				given = "one"
			}
			switch takes := strings.TrimSpace(strings.TrimPrefix(c.Use, c.Name())); {
			case err == nil:
				return nil
			case c.HasParent() && takes == "":
				err = fmt.Errorf("%s takes no arguments, and got %s", c.CommandPath(), given)
			case c.HasParent():
				err = fmt.Errorf("%s takes %s, and got %s", c.CommandPath(), takes, given)
			}
			return usageError{fmt.Errorf("%w\nusage: %s", err, c.UseLine())}
		}
	}
	for _, sub := range c.Commands() {
		asUsage(sub)
	}
}
