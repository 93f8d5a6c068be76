package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka/embedded"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	"github.com/tandem-sync/tandem/connector/postgres"
	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
)

// Config is one demo.
type Config struct {
	Dir      string // of its files; "" is DefaultDir
	Postgres string // a folder of server binaries, or npm or maven; "" looks
	Counts   Counts
	Once     bool // end after the show instead of staying up
	Out      io.Writer

	// Pipeline runs connectors from their files, as `tandem run` does, until ctx ends. ready is called when they are started.
	Pipeline func(ctx context.Context, files []string, log *slog.Logger, ready func()) error
	// Logger makes the logger that writes to the demo's log file.
	Logger func(io.Writer) *slog.Logger
}

// ErrDiffers is returned by a demo at whose end the two sides were not equal.
var ErrDiffers = errors.New("the two sides are not equal")

// Run shows everything, and returns when ctx ends, or after the show if it is to run once. Whatever it started has ended then.
func Run(ctx context.Context, c Config) (err error) {
	if err := c.Counts.Validate(); err != nil {
		return err
	}
	if c.Dir == "" {
		c.Dir = DefaultDir()
	}
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return fmt.Errorf("resolve the demo's folder: %w", err)
	}
	release, err := openFolder(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer release()
	file, err := os.OpenFile(filepath.Join(c.Dir, logFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("open the demo's log: %w", err)
	}
	defer file.Close()
	s := &show{Config: c, screen: &screen{out: c.Out}, log: c.Logger(file), began: time.Now()}
	defer s.end()
	return s.run(ctx)
}

// show is a demo while it runs.
type show struct {
	Config
	*screen

	log    *slog.Logger
	began  time.Time
	closes []func()

	places  places
	state   State
	server  *pgserver.Server
	notion  *emulator.Emulator
	version string // of PostgreSQL
	plugin  string // why there is no plugin
	alerts  *alerts
	script  *script
	late    []outcome // edits whose effect takes its time
	unequal comparison
}

// onEnd runs f when the show ends, last first.
func (s *show) onEnd(f func()) { s.closes = append(s.closes, f) }

func (s *show) end() {
	for i := len(s.closes) - 1; i >= 0; i-- {
		s.closes[i]()
	}
	// What nobody can use any more; the files that people may want to read stay.
	os.RemoveAll(filepath.Join(s.Dir, "kafka"))
	s.say("The log and the connectors' files stay in %s", s.Dir)
}

func (s *show) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.say("Tandem demo: a CRM in PostgreSQL and a local Notion, the same through Kafka.\n")
	if err := s.prepare(ctx); err != nil {
		return ended(ctx, err)
	}
	s.introduce()
	stop, err := s.startPipeline(ctx, cancel)
	if err != nil {
		return ended(ctx, err)
	}
	defer stop()
	if err := s.perform(ctx); err != nil {
		return ended(ctx, err)
	}
	if s.Once {
		if s.unequal.Differs > 0 {
			return ErrDiffers
		}
		return nil
	}
	return s.play(ctx)
}

// isInterrupt tells an end that was asked for from one that was not.
func isInterrupt(cause error) bool { return errors.Is(cause, context.Canceled) }

// ended gives the reason for which ctx ended, if it did: what fails after that fails because of it.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// prepare starts the three systems and writes the files.
func (s *show) prepare(ctx context.Context) error {
	s.places = places{dir: s.Dir, token: "ntn_" + rand.Text(), crmPassword: rand.Text(), webhookToken: "secret_" + rand.Text()}
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		s.places.plugin, s.plugin = buildPlugin(gctx, s.Dir)
		return nil
	})
	group.Go(func() error { return s.startCRM(gctx) })
	err := group.Wait()
	if err == nil {
		err = s.startKafka(ctx)
	}
	if err == nil {
		err = s.startNotion(ctx)
	}
	if err != nil {
		return err
	}
	return s.openSides(ctx)
}

func (s *show) startCRM(ctx context.Context) error {
	// The server must not end with the group's context: it ends last of all.
	server, err := startPostgres(ctx, s.Postgres, s.say, s.log)
	if err != nil {
		return err
	}
	s.server = server
	s.onEnd(server.Stop)
	s.places.crmPort = server.Port
	s.state.CRM = server.DSN(database)
	return makeCRM(ctx, server.DSN("postgres"), s.state.CRM, s.places.crmPassword, s.Counts)
}

func (s *show) startKafka(ctx context.Context) error {
	broker, err := embedded.New(embedded.Config{Dir: filepath.Join(s.Dir, "kafka"), Logger: s.log})
	if err != nil {
		return err
	}
	if err := broker.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the embedded broker: %w", err)
	}
	s.onEnd(broker.Stop)
	s.places.kafka = broker.Bootstrap()
	return nil
}

// webhookWindow is how long the emulator gathers changes of a page before it tells of them; Notion takes longer.
const webhookWindow = 100 * time.Millisecond

func (s *show) startNotion(ctx context.Context) error {
	port, err := pgserver.FreePort(ctx)
	if err != nil {
		return err
	}
	s.places.webhookPort = port
	s.notion, err = emulator.Open(emulator.Config{
		Token: s.places.token, Limit: -1, RootPageTitle: "Tandem demo", Logger: s.log,
		Webhook: emulator.WebhookConfig{URL: fmt.Sprintf("http://127.0.0.1:%d/notion/webhook", port), Secret: s.places.webhookToken,
			Window: webhookWindow, RetryBase: time.Second},
	})
	if err != nil {
		return fmt.Errorf("start the local Notion: %w", err)
	}
	server := &emulator.Server{Emulator: s.notion, Every: webhookWindow / 2}
	if err := server.Start(ctx); err != nil {
		return fmt.Errorf("start the local Notion: %w", err)
	}
	s.onEnd(func() { _ = server.Stop() }) // nothing of it is kept
	s.places.notion, s.places.parentPage = server.URL(), s.notion.RootPageID()
	return nil
}

// openSides writes the files and opens the demo's own look at both sides.
func (s *show) openSides(ctx context.Context) error {
	_, mappings, err := s.places.writeFiles()
	if err != nil {
		return err
	}
	s.state.PID, s.state.Started, s.state.Mappings = os.Getpid(), s.began, mappings
	s.state.Kafka, s.state.Notion, s.state.Token = s.places.kafka, s.places.notion, s.places.token
	r, closeReader, err := openReader(ctx, s.state)
	if err != nil {
		return err
	}
	s.onEnd(closeReader)
	if err := r.pool.QueryRow(ctx, "SELECT split_part(current_setting('server_version'), ' ', 1)").Scan(&s.version); err != nil {
		return fmt.Errorf("ask PostgreSQL for its version: %w", err)
	}
	s.script = &script{reader: *r, person: s.notion.Person(s.notion.PersonID(editor)), counts: s.Counts}
	if err := s.places.write(dsnFile, []byte(s.state.CRM+"\n")); err != nil {
		return err
	}
	return s.state.write(s.Dir)
}

// openReader opens what reads both sides; the caller closes it.
func openReader(ctx context.Context, state State) (*reader, func(), error) {
	es, err := readEntities(state.Mappings)
	if err != nil {
		return nil, nil, err
	}
	pool, err := postgres.OpenPool(ctx, postgres.Config{ApplicationName: "tandem demo", DSN: config.NewSecret(state.CRM)})
	if err != nil {
		return nil, nil, err
	}
	client, err := openNotion(state)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	r := &reader{pool: pool, entities: es, crm: &crmReader{pool, es}, notion: &notionReader{client, pool, es}}
	return r, func() { client.Close(); pool.Close() }, nil
}

func (s *show) introduce() {
	s.say("  PostgreSQL  127.0.0.1:%d, database %s, version %s", s.server.Port, database, s.version)
	s.say("              %d contacts, %d opportunities, %d tasks", s.Counts.Contacts, s.Counts.Opportunities, s.Counts.Tasks)
	s.say("  Kafka       %s", s.places.kafka)
	s.say("  Notion      %s", s.places.notion)
	s.say("  Files       %s\n", s.Dir)
	s.say("%s", wrap("What is special here: Notion is a local emulator without its limit of 180 requests a minute, polled every second or two and with quick "+
		"webhooks; PostgreSQL does not wait for its disk (fsync off); the broker is built in, for trying out only; a page that people make becomes a row "+
		"without resting for another minute. Everything else is what `tandem run` does with these files.", "  "))
	if !s.places.plugin {
		s.say("%s", wrap("The example plugin for phone numbers was not built ("+s.plugin+"): phone numbers travel as they are written.", "  "))
	}
	s.say("")
}

// startPipeline runs the connectors in the background; the context is cancelled if they end by themselves. stop waits for their end.
func (s *show) startPipeline(ctx context.Context, cancel context.CancelCauseFunc) (stop func(), err error) {
	var files []string
	for _, name := range connectorNames {
		files = append(files, filepath.Join(s.Dir, name+".json"))
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Pipeline(life, files, s.log, func() { close(ready) }); err != nil && life.Err() == nil {
			cancel(fmt.Errorf("the connectors ended: %w", err))
		}
	}()
	stop = func() { end(); <-done }
	select {
	case <-ready:
		return stop, nil
	case <-done:
	case <-ctx.Done():
	}
	stop()
	return nil, context.Cause(ctx)
}
