package notion

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// Foresee is told of each step that making sure of the schema would take. Where it is given nothing is done in Notion: what would be made is taken for
// made, with ids that nobody has.
type Foresee func(SchemaStep)

// SchemaStep is one thing that is made in Notion beside pages.
type SchemaStep struct {
	Entity   string
	Database string
	Property string // "" for the database itself
	Type     string // of the property
}

// String is the step in words.
func (s SchemaStep) String() string {
	if s.Property == "" {
		return fmt.Sprintf("database %q is made", s.Database)
	}
	return fmt.Sprintf("database %q gets the property %q (%s)", s.Database, s.Property, s.Type)
}

// foreseeDatabase takes a database for made.
func (s *Schema) foreseeDatabase(ctx context.Context, e *mapping.Entity) error {
	live := notionapi.DataSource{Title: e.Document.Notion.Database, Properties: map[string]notionapi.SchemaProperty{}}
	live.Properties["title"] = notionapi.SchemaProperty{ID: "title", Name: e.Title().Property, Type: notionapi.TypeTitle}
	s.live[e.Name] = live
	s.Foresee(SchemaStep{Entity: e.Name, Database: live.Title})
	return s.save(ctx, e, ledger.Schema{})
}

// foreseeProperties takes properties for added.
func (s *Schema) foreseeProperties(e *mapping.Entity, add []notionapi.PropertySpec) {
	live := s.live[e.Name]
	live.Properties = maps.Clone(live.Properties)
	for _, spec := range add {
		id := notionapi.CanonicalID("new-" + spec.Name)
		if spec.Type == notionapi.TypeStatus && len(spec.Options) == 0 { // Notion's own
			spec.Options = []notionapi.Option{{Name: "Not started"}, {Name: "In progress"}, {Name: "Done"}}
		}
		live.Properties[id] = notionapi.SchemaProperty{ID: id, Name: spec.Name, Type: spec.Type, Relation: spec.Relation, Options: spec.Options}
		s.Foresee(SchemaStep{Entity: e.Name, Database: e.Document.Notion.Database, Property: spec.Name, Type: spec.Type})
	}
	s.live[e.Name] = live
}

// Aside keeps what a foreseeing schema would store, in memory, over what the ledger knows.
type Aside struct {
	SchemaLedger

	mu    sync.Mutex
	known map[string]ledger.Schema
}

// Schema gives what was foreseen, else what the ledger knows.
func (a *Aside) Schema(ctx context.Context, sync, entity string) (ledger.Schema, bool, error) {
	a.mu.Lock()
	s, ok := a.known[entity]
	a.mu.Unlock()
	if ok {
		return s, true, nil
	}
	return a.SchemaLedger.Schema(ctx, sync, entity)
}

// SaveSchema keeps a schema in memory.
func (a *Aside) SaveSchema(_ context.Context, _, entity string, s ledger.Schema) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil {
		a.known = map[string]ledger.Schema{}
	}
	a.known[entity] = s
	return nil
}

// Lead leads nobody: nothing is done that somebody else could do too.
func (a *Aside) Lead(context.Context, string, string, time.Time, time.Duration) (ledger.Fence, bool, error) {
	return 0, true, nil
}
