package cdc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/config"
)

// Values of publish.generated.columns, which are PostgreSQL's of publish_generated_columns.
const (
	generatedNone   = "none"
	generatedStored = "stored"
)

// generatedSince is the first PostgreSQL that publishes stored generated columns. Virtual ones it publishes never.
const generatedSince = 180000

func (c *Config) definePublishing(s *config.Set) {
	s.Bool(&c.ViaRoot, config.Key{Name: "publish.via.partition.root", Default: "true", Group: "Capture",
		Doc: "Whether a partitioned table is captured as one table. false captures each partition under its own name, with a topic of its own; table.include.list then has to match partitions, and " +
			"those that are made later are captured from the next start on."})
	config.Enum(s, &c.Generated, config.Key{Name: "publish.generated.columns", Default: generatedNone, Group: "Capture",
		Doc: "stored: generated columns that are stored are captured like others, in the stream and in snapshots (PostgreSQL 18). none leaves the publication as it is: one that is made here is without."},
		generatedNone, generatedStored)
}

// publishing is how the publication is made.
func (c *Config) publishing() string {
	with := fmt.Sprintf(" WITH (publish_via_partition_root = %t", c.ViaRoot)
	if c.Generated == generatedStored {
		with += ", publish_generated_columns = stored"
	}
	return with + ")"
}

// sends tells whether a column is in the stream where no list says so.
func (f *facts) sends(c Config, one field) bool {
	return one.generated == "" || one.generated == "s" && f.version >= generatedSince && (c.Generated == generatedStored || f.publication != nil && f.publication.generated)
}

// generatedProblems finds out whether generated columns can be published, and where PostgreSQL 18 refuses updates because they are not.
func (f *facts) generatedProblems(c Config, problems *config.Problems) {
	const path = "publish.generated.columns"
	p := f.publication
	alter := fmt.Sprintf("ALTER PUBLICATION %s SET (publish_generated_columns = stored)", c.Publication)
	switch {
	case c.Generated == generatedStored && f.version < generatedSince:
		problems.Errorf(path, "PostgreSQL %d publishes no generated columns: they came with 18", f.version/10000)
		return
	case !f.lacksGenerated(c):
	case f.standby:
		problems.Errorf(path, "publication %s does not publish them, which cannot be changed on a standby: run on the primary %s", c.Publication, alter)
	case c.AutoCreate == autoCreateDisabled || !p.owned:
		problems.Errorf(path, "publication %s does not publish them, and we may not change it: let its owner run %s", c.Publication, alter)
	}
	if f.version < generatedSince || p != nil && !strings.ContainsAny(p.operations, "ud") {
		return
	}
	for i := range f.tables {
		t := &f.tables[i]
		if unsent := f.unsentIdentity(c, t); len(unsent) > 0 {
			problems.Warnf("table "+t.String(), "its replica identity has generated columns that are not published (%s), for which PostgreSQL 18 refuses updates and deletes of a published table: "+
				"set publish.generated.columns=stored where they are stored, or give it another identity", strings.Join(unsent, ", "))
		}
	}
}

// lacksGenerated reports that the publication has to be altered.
func (f *facts) lacksGenerated(c Config) bool {
	return c.Generated == generatedStored && f.version >= generatedSince && f.publication != nil && !f.publication.generated
}

// unsentIdentity are the generated columns of the identity that are not sent.
func (f *facts) unsentIdentity(c Config, t *table) (names []string) {
	sent := f.sent(c, t)
	for _, one := range t.fields {
		identifies := t.identity == pgoutput.IdentityFull || slices.Contains(t.indexed, one.name)
		if one.generated != "" && identifies && !slices.Contains(sent, one.name) {
			names = append(names, one.name)
		}
	}
	return names
}
