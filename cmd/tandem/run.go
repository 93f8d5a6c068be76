package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/telemetry"
	"github.com/tandem-sync/tandem/sink"
)

type runOptions struct {
	*globalOptions
	Listen string
	Remote bool
}

func newRunCommand(g *globalOptions) *cobra.Command {
	o := &runOptions{globalOptions: g}
	c := &cobra.Command{
		Use:   "run FILE…",
		Short: "Run connectors, each configured by a file, in this process",
		Long: `Run runs connectors in one process until Ctrl-C or SIGTERM, and then drains them: sources end before sinks, and what is in flight is finished.

Each FILE is JSON in the form of Kafka Connect's: {"name": …, "config": {…}}. Paths in it are relative to it. All problems of all files are
reported at once. Connectors may as well run in processes of their own, each started with its own file, and each more than once.

Metrics for Prometheus (/metrics) and health (/health, /livez) are served on a loopback port.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error { return o.run(c.Context(), files) },
	}
	o.addFlags(c)
	return c
}

func (o *runOptions) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&o.Listen, "listen", telemetry.DefaultAddress, "host:port for metrics and health; port 0 takes a free one, \"off\" serves none")
	c.Flags().BoolVar(&o.Remote, "listen-remote", false, "let --listen be other than loopback; there is no password")
}

func (o *runOptions) run(ctx context.Context, files []string) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	docs, problems := readDocuments(files)
	problems = append(problems, a.checkDocuments(docs)...)
	for _, p := range problems.Warnings() {
		a.log.Warn("configuration", "path", p.Path, "problem", p.Summary, "detail", p.Detail)
	}
	if err := problems.Err(); err != nil {
		return err
	}
	return a.serve(ctx, docs, telemetry.ServerConfig{Address: o.Listen, AllowRemote: o.Remote})
}

// serve runs connectors until ctx ends, or until none of them runs any more.
func (a *app) serve(ctx context.Context, docs []document, listen telemetry.ServerConfig) error {
	ended := make(chan struct{}, 1)
	failing := a.failing(docs)
	runtime := connector.New(a.registry(), connector.Config{Log: a.log, Observer: &watcher{states: states{a.metrics}, failing: failing, ended: ended}})
	for _, doc := range docs {
		if err := runtime.Add(doc.Document); err != nil {
			return err
		}
		a.watchStates(runtime, doc.Name)
	}
	if listen.Address != "off" {
		server, err := telemetry.NewServer(listen, a.metrics, a.health, a.log)
		if err != nil {
			return usageError{err}
		}
		// It goes on while the connectors drain: their last minute is worth watching.
		if err := server.Start(context.WithoutCancel(ctx)); err != nil {
			return unreachable("metrics", err)
		}
		defer server.Stop()
		a.address(server.Address())
	}
	if err := runtime.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	alerts := sink.NewLoop("connector alerts", nil, failing.RunOnce, failingIdle, a.log)
	if err := alerts.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	began := time.Now()
	waitFor(ctx, runtime, ended)
	alerts.Stop()
	if ctx.Err() == nil { // nothing runs any more: another process may tell it
		if _, err := failing.RunOnce(context.WithoutCancel(ctx)); err != nil {
			a.log.Warn("that connectors failed is not told", "reason", err.Error())
		}
	}
	a.log.Info("ending", "ran", time.Since(began).Round(time.Second))
	runtime.Stop()
	a.log.Info("ended")
	return failures(runtime)
}

// address tells tests where metrics are served.
func (a *app) address(address string) {
	if a.onAddress != nil {
		a.onAddress(address)
	}
}

// waitFor waits for ctx, or until every connector has failed for good.
func waitFor(ctx context.Context, runtime *connector.Runtime, ended <-chan struct{}) {
	isAlive := func(s connector.Status) bool { return s.State != connector.Failed }
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
		}
		if !slices.ContainsFunc(runtime.Status(), isAlive) {
			return
		}
	}
}

// failures are those of all connectors that failed for good, or did not end.
func failures(runtime *connector.Runtime) error {
	var errs []error
	for _, s := range runtime.Status() {
		if s.State == connector.Failed && s.Cause != nil {
			errs = append(errs, failure(s.Name, s.Cause))
		}
	}
	return errors.Join(errs...)
}

// failure says why a connector failed. Only that PostgreSQL or Kafka is away, or refuses us, has an exit code of its own: the command line was right, whatever cause wraps.
func failure(name string, cause error) error {
	var refused *pgconn.ConnectError
	var dial *net.OpError
	if errors.As(cause, &refused) || errors.As(cause, &dial) {
		return unreachable("connector "+name+" failed", cause)
	}
	return fmt.Errorf("connector %s failed: %s", name, cause.Error())
}

// watcher rings when a connector has failed for good.
type watcher struct {
	states
	failing *failing
	ended   chan<- struct{}
}

// StateChanged implements connector.Observer.
func (w *watcher) StateChanged(s connector.Status) {
	w.states.StateChanged(s)
	w.failing.StateChanged(s)
	if s.State == connector.Failed {
		select {
		case w.ended <- struct{}{}:
		default:
		}
	}
}
