package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/cdc"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// doctrineAdvice keeps Doctrine's schema tools from wanting to drop the ledger.
const doctrineAdvice = `If the CRM uses Doctrine, hide the ledger from its schema tools (config/packages/doctrine.yaml):
    doctrine: { dbal: { schema_filter: '~^(?!tandem\.)~' } }
    that is: schema_filter: ~^(?!tandem\.)~`

type checkOptions struct {
	*globalOptions
	JSON    bool
	Timeout time.Duration
}

func newCheckCommand(g *globalOptions) *cobra.Command {
	o := &checkOptions{globalOptions: g}
	c := &cobra.Command{
		Use:   "check FILE…",
		Short: "Find out, without writing anything, whether connectors would work",
		Long: `Check reads connector files and what they name, and asks PostgreSQL, Kafka and Notion everything that can be known without writing:
privileges, replica identities, slots, types that will not round-trip, triggers on the tables, whether brokers answer and pages are shared.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error { return o.run(c.Context(), files) },
	}
	c.Flags().BoolVar(&o.JSON, "json", false, "print JSON")
	c.Flags().DurationVar(&o.Timeout, "timeout", 10*time.Second, "how long each system may take to answer")
	return c
}

// finding is one thing that check found out.
type finding struct {
	Severity string `json:"severity"` // ok, warning, error, unreachable
	Path     string `json:"path"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
}

// The severities of findings; "error" and "warning" are those of configurations.
const (
	isWell        = "ok"
	isUnreachable = "unreachable"
)

// checkup gathers findings. What several connectors have in common is looked at once.
type checkup struct {
	app      *app
	timeout  time.Duration
	findings []finding
	done     map[string]bool
	ledger   bool // some connector keeps one
}

func (o *checkOptions) run(ctx context.Context, files []string) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	docs, problems := readDocuments(files)
	problems = append(problems, a.checkDocuments(docs)...)
	c := &checkup{app: a, timeout: o.Timeout, done: map[string]bool{}}
	c.problems("", problems)
	wrong := problems.Err() != nil
	if !wrong {
		for _, doc := range docs {
			c.connector(ctx, doc.Document)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := o.show(c); err != nil {
		return err
	}
	switch {
	case wrong:
		return usageError{errSaid}
	case c.has(isUnreachable):
		return &unreachableError{"check", errSaid}
	case c.has(string(config.SeverityError)):
		return errSaid
	}
	return nil
}

func (o *checkOptions) show(c *checkup) error {
	if o.JSON {
		return o.out.json(map[string]any{"findings": c.findings, "doctrine_schema_filter": `~^(?!tandem\.)~`})
	}
	count := map[string]int{}
	for _, f := range c.findings {
		count[f.Severity]++
		o.out.printf("%-11s %s: %s\n", f.Severity, f.Path, f.Summary)
		if f.Detail != "" {
			o.out.printf("%12s%s\n", "", strings.ReplaceAll(f.Detail, "\n", "\n            "))
		}
	}
	o.out.printf("\n%s, %s\n", several(count["error"]+count[isUnreachable], "error"), several(count["warning"], "warning"))
	if c.ledger {
		o.out.printf("\n%s\n", doctrineAdvice)
	}
	return nil
}

func (c *checkup) add(severity, path, detail, format string, args ...any) {
	f := finding{severity, path, fmt.Sprintf(format, args...), detail}
	if !slices.Contains(c.findings, f) {
		c.findings = append(c.findings, f)
	}
}

func (c *checkup) problems(where string, problems config.Problems) {
	for _, p := range problems {
		path := p.Path
		if where != "" {
			path = strings.TrimSuffix(where+": "+path, ": ")
		}
		c.add(string(p.Severity), path, p.Detail, "%s", p.Summary)
	}
}

func (c *checkup) has(severity string) bool {
	return slices.ContainsFunc(c.findings, func(f finding) bool { return f.Severity == severity })
}

// first reports whether this is the first look at something.
func (c *checkup) first(what string) bool {
	if c.done[what] {
		return false
	}
	c.done[what] = true
	return true
}

// connector looks at everything that one connector stands on.
func (c *checkup) connector(ctx context.Context, doc config.Document) {
	switch class, _ := c.app.registry().Lookup(doc.Config["connector.class"]); class.Name {
	case "cdc.PostgresSource":
		k := &cdcKeys{}
		_ = c.app.decode(doc, k) // checkDocuments has said what is wrong
		c.capture(ctx, doc.Name, k)
		c.broker(ctx, &k.Kafka)
	case "sink.NotionSink":
		k := &notionSinkKeys{}
		_ = c.app.decode(doc, k)
		c.database(ctx, doc.Name, k.Database, &k.Sync, k.Common.Sync)
		c.broker(ctx, &k.Kafka)
		c.age(ctx, &k.sinkKeys)
		c.notion(ctx, doc.Name, k.Notion, k.ParentPage)
		c.plugins(ctx, &k.Sync, k.Common.Sync)
	case "source.NotionSource":
		k := &pollKeys{}
		_ = c.app.decode(doc, k)
		c.database(ctx, doc.Name, k.Database, &k.Sync, k.Common.Sync)
		c.broker(ctx, &k.Kafka)
		c.notion(ctx, doc.Name, k.Notion, "")
	case "sink.PostgresSink":
		k := &crmSinkKeys{}
		_ = c.app.decode(doc, k)
		c.database(ctx, doc.Name, k.Database, &k.Sync, k.Common.Sync)
		c.broker(ctx, &k.Kafka)
		c.age(ctx, &k.sinkKeys)
		c.plugins(ctx, &k.Sync, k.Common.Sync)
	}
}

// capture looks at what the cdc needs of the server.
func (c *checkup) capture(ctx context.Context, name string, k *cdcKeys) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	k.Config.Database.ApplicationName = "tandem " + name // as when it runs: it knows itself by that at its slot
	problems, err := cdc.Check(ctx, k.Config)
	if err != nil {
		c.add(isUnreachable, name, "", "%v", err)
		return
	}
	c.problems(name, problems)
	if len(problems) == 0 {
		c.add(isWell, name, "", "the server, its slot and publication, and the tables are fit for capture")
	}
}

// database looks at the CRM's tables as the mappings use them, and at the ledger.
func (c *checkup) database(ctx context.Context, name string, db postgres.Config, k *syncKeys, sync string) {
	key := fmt.Sprintf("database %s/%s@%s:%d/%s %s %v", db.DSN.Reveal(), db.User, db.Host, db.Port, db.Database, sync, k.Mappings)
	if !c.first(key) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	db.ApplicationName, db.ConnectionsMax = "tandem check", 2
	pool, err := postgres.OpenPool(ctx, db)
	if err != nil {
		c.add(isUnreachable, name, "", "%v", err)
		return
	}
	defer pool.Close()
	entities, _ := mappings(k.Mappings, sync)
	for _, e := range entities {
		found := e.Check(ctx, pool)
		for _, d := range found {
			c.add(string(d.Severity), "mapping "+d.Path, d.Detail, "%s", d.Summary)
		}
		if !found.HasErrors() {
			c.add(isWell, "mapping "+e.Name, "", "fits %s; %d fields", e.Document.CRM.Table, len(e.Fields))
		}
	}
	c.privileges(ctx, pool, entities, k)
	c.lookAtLedger(ctx, name, pool, entities)
}

// ledger looks at the ledger's schema, or whether it can be made.
func (c *checkup) lookAtLedger(ctx context.Context, name string, pool *pgxpool.Pool, entities []*mapping.Entity) {
	c.ledger = true
	var there, mayCreate bool
	const ask = `SELECT to_regnamespace('tandem') IS NOT NULL, has_database_privilege(current_database(), 'CREATE')`
	if err := pool.QueryRow(ctx, ask).Scan(&there, &mayCreate); err != nil {
		c.add(isUnreachable, name, "", "look at the ledger's schema: %v", err)
		return
	}
	if !there && !mayCreate {
		c.add("error", "ledger", "CREATE SCHEMA tandem AUTHORIZATION …;", "there is no schema tandem, and the role may not make it")
		return
	}
	store := pgledger.New(pool)
	if err := store.Check(ctx); err != nil {
		c.add("warning", "ledger", "", "%v", err)
		return
	}
	if sides, err := rows(entities, pool, store, recalled{store}); err == nil {
		c.drift(ctx, sides, entities)
	}
	for _, e := range entities {
		c.properties(ctx, store, e)
		if hash, err := store.Mapping(ctx, e.Sync, e.Name); err == nil && hash != "" && hash != e.Hash {
			c.add("warning", "mapping "+e.Name, "the next start of the sink.NotionSink puts it in force; all connectors need the same file", "it differs from the one that the sync runs under")
		}
	}
	c.add(isWell, "ledger", "", "its schema is there and as this program needs it")
}

// broker asks whether Kafka answers.
func (c *checkup) broker(ctx context.Context, k *kafkaKeys) {
	where := "kafka " + strings.Join(k.Servers, ",")
	if !c.first(where) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	admin, err := kafka.OpenAdmin(k.config("tandem-check"))
	if err != nil {
		c.add("error", where, "", "%v", err)
		return
	}
	defer admin.Close()
	if err := admin.Ping(ctx); err != nil {
		c.add(isUnreachable, where, "", "no broker answers: %v", err)
		return
	}
	c.add(isWell, where, "", "a broker answers")
}

// notion asks whether the token is good and the parent page shared. It only reads.
func (c *checkup) notion(ctx context.Context, name string, n notionKeys, parent string) {
	if !c.first("notion "+n.Token.Reveal()+" "+parent) || parent == "" && c.done["notion token "+n.Token.Reveal()] {
		return
	}
	c.done["notion token "+n.Token.Reveal()] = true
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	client, err := notionapi.New(notionapi.Config{Token: notionapi.Token(n.Token.Reveal()), BaseURL: n.BaseURL, Version: n.Version, AttemptsMax: 2, Logger: c.app.log})
	if err != nil {
		c.add("error", name+": notion", "", "%v", err)
		return
	}
	defer client.Close()
	me, err := client.Me(ctx)
	switch {
	case notionapi.IsUnauthorized(err):
		c.add(isUnreachable, name+": notion.token", "make a connection at notion.so/profile/integrations and give its secret", "Notion refuses the token")
		return
	case err != nil:
		c.add(isUnreachable, name+": notion", "", "%v", err)
		return
	}
	c.add(isWell, "notion", "", "the token is that of %q", me.Name)
	if parent == "" {
		return
	}
	children, err := client.ChildDatabases(ctx, parent)
	switch {
	case notionapi.IsNotFound(err):
		c.add("error", name+": notion.parent.page", "in Notion open the page, menu, Connections, and add the connection", "page %s is not shared with the connection", parent)
	case err != nil:
		c.add(isUnreachable, name+": notion.parent.page", "", "%v", err)
	default:
		c.add(isWell, "notion", "", "the parent page is shared; %d databases stand on it", len(children))
	}
}

// plugins starts the plugins for a moment and asks whether they offer what the mappings name.
func (c *checkup) plugins(ctx context.Context, k *syncKeys, sync string) {
	if !c.first("plugins " + k.Plugins + " " + strings.Join(k.Mappings, ",")) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*c.timeout) // a process has to start
	defer cancel()
	registry, err := c.app.plugins(k.Plugins)
	if err != nil {
		c.add("error", "plugins", "", "%v", err)
		return
	}
	defer func() { _ = registry.Close() }() // they were asked, and have nothing to lose
	if err := registry.Start(ctx); err != nil {
		c.add("error", "plugins", "", "%v", err)
		return
	}
	entities, _ := mappings(k.Mappings, sync)
	found := checkRules(ctx, registry, entities)
	c.problems("mapping", found)
	if found.Err() == nil {
		c.add(isWell, "plugins", "", "everything that the mappings name is there")
	}
}

// several is "1 error", "2 errors".
func several(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprint(n, " ", word, "s")
}
