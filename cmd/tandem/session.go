package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/postgres"
	"github.com/tandem-sync/tandem/sink"
	"github.com/tandem-sync/tandem/sink/crm"
	sinknotion "github.com/tandem-sync/tandem/sink/notion"
)

// sessionOptions are those of the commands that look at a sync from beside.
type sessionOptions struct {
	*globalOptions
	Config []string
	JSON   bool
}

func (o *sessionOptions) addFlags(c *cobra.Command) {
	c.Flags().StringSliceVar(&o.Config, "config", nil, "a connector file of the sync, or several: they say where the database, the mappings and Notion are (required)")
	c.Flags().BoolVar(&o.JSON, "json", false, "print JSON")
}

// open is the session of a command that needs nothing else of the program.
func (o *sessionOptions) open(ctx context.Context) (*session, error) {
	a, err := o.app()
	if err != nil {
		return nil, err
	}
	return a.openSession(ctx, o.Config)
}

// sessionKeys are what these commands need of the connectors' configuration, whichever class it is of.
type sessionKeys struct {
	Name     string
	SyncName string
	Database postgres.Config
	Mappings []string
	Plugins  string
	Notion   notionKeys
	Skew     time.Duration

	ParentPage string
}

func (k *sessionKeys) Define(s *config.Set) {
	s.String(&k.Name, config.Key{Name: "name"})
	s.String(&k.SyncName, config.Key{Name: "sync", Default: "tandem"})
	k.Database.Define(s)
	s.List(&k.Mappings, config.Key{Name: "mapping.files"})
	s.String(&k.Plugins, config.Key{Name: "plugins.file"})
	k.Notion.optional = true
	k.Notion.Define(s)
	s.Duration(&k.Skew, config.Key{Name: "clock.skew.ms", Default: "1000"})
	s.String(&k.ParentPage, config.Key{Name: "notion.parent.page"})
}

// sessionKeysOf takes each key from the first file that has it.
func (a *app) sessionKeysOf(files []string) (*sessionKeys, error) {
	if len(files) == 0 {
		return nil, usagef("--config is missing: name a connector file of the sync")
	}
	docs, problems := readDocuments(files)
	merged := config.Map{}
	for _, doc := range docs {
		for key, value := range doc.Config {
			if _, has := merged[key]; !has {
				merged[key] = value
			}
		}
		if name := merged["sync"]; name != "" && doc.Config["sync"] != "" && doc.Config["sync"] != name {
			problems.Errorf(doc.Name+": sync", "is %q, and that of the files before it is %q: give files of one sync", doc.Config["sync"], name)
		}
	}
	k := &sessionKeys{}
	problems = append(problems, config.Decode(merged, a.resolver, k).Errors()...) // keys that only connectors know are no matter here
	return k, problems.Err()
}

// session is a look at one sync from beside its connectors. Close it.
type session struct {
	parts
	keys     *sessionKeys
	sync     string
	entities []*mapping.Entity
	pool     *pgxpool.Pool
	store    *pgledger.Store
	client   *notionapi.Client // nil without a token
	log      *slog.Logger
}

// errNoLedger is met where no connector that keeps a ledger has run, and where the role may not see it.
var errNoLedger = errors.New("it is not there in this version: has a sync begun in this database?")

// openSession reads the files and connects to the database; nothing is written.
func (a *app) openSession(ctx context.Context, files []string) (*session, error) {
	k, err := a.sessionKeysOf(files)
	if err != nil {
		return nil, err
	}
	s := &session{keys: k, sync: k.SyncName, log: a.log}
	if len(k.Mappings) > 0 {
		entities, problems := mappings(k.Mappings, k.SyncName)
		if err := problems.Err(); err != nil {
			return nil, err
		}
		s.entities = entities
	}
	if err := s.connect(ctx, a); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) connect(ctx context.Context, a *app) (err error) {
	c := s.keys.Database
	c.ApplicationName, c.ConnectionsMax = "tandem command", 2
	if s.pool, err = postgres.OpenPool(ctx, c); err != nil {
		return unreachable("the CRM's database", err)
	}
	s.onClose(s.pool.Close)
	s.store = pgledger.New(s.pool)
	if err := s.store.Check(ctx); err != nil {
		return unreachable("the ledger", fmt.Errorf("%w (%w)", errNoLedger, err))
	}
	if !s.keys.Notion.Token.IsZero() {
		if s.client, err = a.client(s.keys.Notion, s.keys.Name, s.sync, s.store, &s.parts); err != nil {
			return usageError{err}
		}
	}
	return nil
}

// entity finds an entity by its name.
func (s *session) entity(name string) (*mapping.Entity, error) {
	var names []string
	for _, e := range s.entities {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	if len(names) == 0 {
		return nil, usagef("none of the files names mappings (mapping.files): give the file of a sink or of the Notion source")
	}
	return nil, usagef("there is no entity %q; the mappings have %s", name, strings.Join(names, ", "))
}

// link finds a link by its row's key or its page's id.
func (s *session) link(ctx context.Context, entity, key string) (ledger.Link, bool, error) {
	found, err := s.store.ByKey(ctx, s.sync, entity, []string{key})
	if err != nil {
		return ledger.Link{}, false, err
	}
	if l, ok := found[key]; ok {
		return l, true, nil
	}
	page, isPage := notionapi.ObjectID(key)
	if !isPage {
		return ledger.Link{}, false, nil
	}
	byPage, err := s.store.ByPage(ctx, s.sync, []string{page})
	if err != nil {
		return ledger.Link{}, false, err
	}
	l, ok := byPage[page]
	return l, ok && l.Entity == entity, nil
}

// worker makes a worker that is only asked to explain.
func (s *session) worker(ctx context.Context, a *app) (*sink.Worker, error) {
	rows, err := rows(s.entities, s.pool, s.store, recalled{s.store})
	if err != nil {
		return nil, err
	}
	w := &sink.Worker{Side: ledger.CRM, Sync: s.sync, Holder: "explain", Entities: map[string]*sink.Entity{}, Ledger: s.store, Now: time.Now, Log: s.log, Skew: s.keys.Skew}
	var schema *sinknotion.Schema
	if s.client != nil {
		w.Side = ledger.Notion
		schema = &sinknotion.Schema{Client: s.client, Ledger: s.store, Sync: s.sync, Entities: s.entities, Now: time.Now, Log: s.log}
		if err := schema.Recall(ctx); err != nil {
			return nil, err
		}
	}
	for _, e := range s.entities {
		w.Entities[e.Name] = &sink.Entity{Mapping: e, Rows: rows[e.Name], Pages: pagesOf(schema, s.client, e)}
	}
	w.Functions, err = s.functions(ctx, a)
	return w, err
}

func pagesOf(schema *sinknotion.Schema, client *notionapi.Client, e *mapping.Entity) sink.Pages {
	if schema == nil {
		return nil
	}
	return &sinknotion.Pages{Client: client, Entity: e, Schema: schema}
}

// functions starts the plugins, if any are named, until the session is closed.
func (s *session) functions(ctx context.Context, a *app) (*functions, error) {
	registry, err := a.plugins(s.keys.Plugins)
	if err != nil {
		return nil, err
	}
	s.onClose(func() {
		if err := registry.Close(); err != nil {
			s.log.Warn("plugins did not end well", "err", err)
		}
	})
	if err := registry.Start(ctx); err != nil {
		return nil, err
	}
	return newFunctions(registry), nil
}

var _ sink.Rows = (*crm.Rows)(nil)
