package main

import (
	"context"
	"maps"
	"strings"

	"github.com/tandem-sync/tandem/cdc"
	"github.com/tandem-sync/tandem/connector/config"
)

// capture prints what a cdc.PostgresSource needs that serves no mapping.
func (o *grantsOptions) capture(ctx context.Context, docs []document) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	if o.DSN == "" {
		return usagef("none of the files names mappings (mapping.files): give the file of a sink or of the Notion source; or, for the tables of a cdc.PostgresSource alone, --dsn, whose catalogs tell which those are")
	}
	if o.CDCRole == "" {
		o.CDCRole = "tandem_cdc"
	}
	s := &script{options: o}
	s.line("-- What a cdc.PostgresSource needs, for an administrator to review and to run:")
	s.line("--   psql -v ON_ERROR_STOP=1 -d … -f this.sql")
	s.line("-- Passwords are not in it: \\password %s", o.CDCRole)
	s.line("\nBEGIN;\n")
	s.role(o.CDCRole, "REPLICATION")
	found := false
	for _, doc := range docs {
		k, ok, err := a.captureKeys(doc, o.DSN)
		if err != nil {
			return err
		} else if !ok {
			continue
		}
		found = true
		if o.Publication != "" {
			k.Publication = o.Publication
		}
		statements, err := cdc.Grants(ctx, k.Config, o.CDCRole)
		if err != nil {
			return err
		}
		s.line("\n-- %s\n%s", doc.Name, strings.Join(statements, "\n"))
	}
	if !found {
		return usagef("none of the files is a cdc.PostgresSource, and none names mappings (mapping.files)")
	}
	s.line("\nCOMMIT;")
	o.out.printf("%s", s.text.String())
	return nil
}

// captureKeys reads the file of a cdc.PostgresSource, with another database and without what needs the connector's own environment.
func (a *app) captureKeys(doc document, dsn string) (*cdcKeys, bool, error) {
	k := &cdcKeys{}
	given := fromDebezium(config.Document{Name: doc.Name, Config: maps.Clone(doc.Config)})
	if class, ok := a.registry().Lookup(given.Config["connector.class"]); !ok || class.Name != "cdc.PostgresSource" {
		return nil, false, nil
	}
	maps.DeleteFunc(given.Config, func(key, value string) bool {
		return strings.HasPrefix(key, "database.") || strings.Contains(value, "${")
	})
	given.Config["database.dsn"] = dsn
	if given.Config["bootstrap.servers"] == "" {
		given.Config["bootstrap.servers"] = "not-asked:9092"
	}
	return k, true, a.decode(given, k).Err()
}
