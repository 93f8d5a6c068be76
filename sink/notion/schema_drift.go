package notion

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
)

// How often Notion is asked for a database's properties: one request each.
const (
	schemaLook     = 5 * time.Minute  // while all is well: what was deleted or retyped shows in pages and refusals sooner
	driftLook      = 30 * time.Second // while a field is left out: somebody may have mended it
	recheckPause   = 3 * time.Second  // between looks that pages give cause for
	schemaLoopIdle = 5 * time.Second
)

// errDrifted is returned when a database's properties are not what the turn went by. It is played again, by what they are now.
var errDrifted = errors.New("the database's properties have changed; looking again")

// RunOnce looks at the databases that are due, and takes up what people changed about their properties.
func (s *Schema) RunOnce(ctx context.Context) (int, error) {
	looked := 0
	for _, e := range s.Entities {
		known, ok, err := s.Ledger.Schema(ctx, s.Sync, e.Name)
		if err != nil {
			return looked, fmt.Errorf("recall the database of %s: %w", e.Name, err)
		}
		pause := schemaLook
		s.mu.Lock()
		if len(known.Parked) > 0 || s.live[e.Name].InTrash {
			pause = driftLook
		}
		due := ok && s.Now().Sub(s.checked[e.Name]) >= pause
		s.mu.Unlock()
		if !due {
			continue
		}
		looked++
		if _, err := s.recheck(ctx, e, pause); err != nil {
			return looked, fmt.Errorf("look at the properties of %q: %w", e.Document.Notion.Database, err)
		}
	}
	return 0, nil // the next look is due later, however many were made
}

// Changed looks at the database again, because a page or a refusal says that it is not as known, and reports whether the turn that met
// it went by another schema. A look is not repeated at once: what stays odd then is not the schema's doing.
func (s *Schema) Changed(ctx context.Context, e *mapping.Entity, went ledger.Schema) (bool, error) {
	known, err := s.recheck(ctx, e, recheckPause)
	if err != nil {
		return false, err
	}
	return !maps.Equal(known.Parked, went.Parked) || !maps.Equal(known.Properties, went.Properties) || known.External != went.External, nil
}

// recheck finds every field's property again unless that was done a moment ago.
func (s *Schema) recheck(ctx context.Context, e *mapping.Entity, pause time.Duration) (ledger.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.look(ctx, e, pause)
}

// look is recheck. Needs mu.
func (s *Schema) look(ctx context.Context, e *mapping.Entity, pause time.Duration) (ledger.Schema, error) {
	if s.looksOnly || s.Now().Sub(s.checked[e.Name]) < pause {
		return s.known[e.Name], nil
	}
	known, ok, err := s.Ledger.Schema(ctx, s.Sync, e.Name)
	if err != nil || !ok {
		return known, err
	}
	live, err := s.Client.DataSource(ctx, known.DataSource)
	if err != nil {
		return known, classify(err)
	}
	s.mark(e, live)
	s.known[e.Name] = known
	if live.InTrash {
		return known, s.tellBuried(ctx, e, known)
	}
	if err := s.ensureFields(ctx, e, s.fields(e)); err != nil {
		return known, err
	}
	return s.known[e.Name], nil
}

// buried reports that an entity's database is in the trash, as it is now: its pages read as trashed, and nobody has deleted one of them.
func (s *Schema) buried(ctx context.Context, e *mapping.Entity) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil || s.looksOnly {
		return false, nil
	}
	if _, err := s.look(ctx, e, 0); err != nil {
		return false, err
	}
	return s.live[e.Name].InTrash, nil
}

// tellBuried tells people once that a database is in the trash; that it is back is told, and looked at, as any other drift. Needs mu.
func (s *Schema) tellBuried(ctx context.Context, e *mapping.Entity, known ledger.Schema) error {
	const why = "the database is in Notion's trash, and its pages with it: restore it there; no row is deleted for it"
	state, err := s.Ledger.Drift(ctx, s.Sync, e.Name)
	if err != nil || state.Parked(ledger.Notion)[""] != "" {
		return err
	}
	parked := clone(known.Parked)
	parked[""] = why
	s.Log.WarnContext(ctx, "a database is in the trash", "entity", e.Name)
	return s.Ledger.ChangeDrift(ctx, s.Sync, e.Name, func(was ledger.DriftState) (ledger.DriftState, []ledger.Alert) {
		return was.Park(s.Sync, e.Name, ledger.Notion, parked, s.Now(), sink.StableID)
	})
}

// mark keeps a database as it was read.
func (s *Schema) mark(e *mapping.Entity, live notionapi.DataSource) {
	if s.checked == nil {
		s.checked = map[string]time.Time{}
	}
	s.live[e.Name], s.checked[e.Name] = live, s.Now()
}

// fields are the mapping's and the custom ones that have a property. Needs mu.
func (s *Schema) fields(e *mapping.Entity) []mapping.Field {
	fields := slices.Clone(e.Fields)
	known := s.known[e.Name]
	for _, name := range slices.Sorted(maps.Keys(known.Properties)) {
		if !mapping.IsCustom(name) {
			continue
		}
		if f, ok := e.CustomField(name, mapping.Type(known.Types[name])); ok {
			fields = append(fields, f)
		}
	}
	return fields
}

// find finds a field's property: by its id, or by its name if it has none yet, or if the author of the mapping gave the field another one, or if
// its own is gone. It reports false if a property has to be added.
func (s *Schema) find(e *mapping.Entity, f mapping.Field, spec notionapi.PropertySpec, known *ledger.Schema) bool {
	live := s.live[e.Name]
	id := known.Properties[f.Name]
	have, there := live.Property(id)
	if id == "" {
		return s.match(e, spec, "", func(id string) { bind(known, f, id) }, func(why string) { known.Parked[f.Name] = why })
	}
	renamed := !f.Custom && known.Names[f.Name] != "" && known.Names[f.Name] != f.Property
	if spec.Type != notionapi.TypeTitle && (!there || renamed) {
		if other, ok := live.ByName(f.Property); ok && other.ID != id && fits(other, spec) && ownerOf(*known, other.ID) == "" {
			// Another property: what was agreed on in the former one is no base for it.
			known.Generations[f.Name]++
			delete(known.Kinds, f.Name)
			bind(known, f, other.ID)
			return true
		}
	}
	switch {
	case !there:
		known.Parked[f.Name] = deleted(f)
	case !fits(have, spec):
		known.Kinds[f.Name] = have.Type
		known.Parked[f.Name] = misfit(have, spec)
	default:
		if known.Kinds[f.Name] != "" {
			// It was of another type for a while, and Notion converted its values there and back, with losses: they are no edits.
			known.Generations[f.Name]++
			delete(known.Kinds, f.Name)
		}
		bind(known, f, id)
	}
	return true
}

func deleted(f mapping.Field) string {
	out := "take the field out of the mapping"
	if f.Custom {
		out = "exclude it in the mapping (custom.exclude)"
	}
	return fmt.Sprintf("its property was deleted in Notion: restore it there, make one named %q, or %s", f.Property, out)
}

// fits reports that a property can hold the field: it has the type, and a relation points where it should.
func fits(have notionapi.SchemaProperty, spec notionapi.PropertySpec) bool {
	return have.Type == spec.Type && (spec.Relation == nil || have.Relation == nil || sameID(have.Relation.DataSourceID, spec.Relation.DataSourceID))
}

func misfit(have notionapi.SchemaProperty, spec notionapi.PropertySpec) string {
	if have.Type == spec.Type {
		return fmt.Sprintf("its relation %q points to another database now", have.Name)
	}
	return fmt.Sprintf("its property %q is of type %s now, and %s in the mapping: give it its type back", have.Name, have.Type, spec.Type)
}

// bind gives a field its property, unless another field has it.
func bind(known *ledger.Schema, f mapping.Field, id string) {
	if owner := ownerOf(*known, id); owner != "" && owner != f.Name {
		known.Parked[f.Name] = fmt.Sprintf("its property %q belongs to the field %s already", f.Property, owner)
		return
	}
	known.Properties[f.Name], known.Types[f.Name], known.Names[f.Name] = id, string(f.Type), f.Property
}

// tell keeps what is left out, alerts people once for each change, and has every record looked at in which a field goes on or has another
// property. That comes before what was left out is forgotten: dying in between makes the work twice. Needs mu.
func (s *Schema) tell(ctx context.Context, e *mapping.Entity, before, known ledger.Schema) error {
	state, err := s.Ledger.Drift(ctx, s.Sync, e.Name)
	if err != nil {
		return fmt.Errorf("recall what is left out of %s: %w", e.Name, err)
	}
	parked := maps.Clone(known.Parked)
	maps.DeleteFunc(parked, func(_, reason string) bool { return reason == notYet }) // nobody's trouble
	again := len(state.Healed(ledger.Notion, parked)) > 0
	for field, n := range known.Generations {
		again = again || n > before.Generations[field]
	}
	if again {
		if err := sink.LookAtAll(ctx, s.Ledger, e, s.Now()); err != nil {
			return err
		}
	}
	if maps.Equal(state.Parked(ledger.Notion), parked) || len(parked) == 0 && len(state.Parked(ledger.Notion)) == 0 {
		return nil
	}
	for field, reason := range parked {
		s.Log.WarnContext(ctx, "a field is left out", "entity", e.Name, "field", field, "reason", reason)
	}
	return s.Ledger.ChangeDrift(ctx, s.Sync, e.Name, func(was ledger.DriftState) (ledger.DriftState, []ledger.Alert) {
		return was.Park(s.Sync, e.Name, ledger.Notion, parked, s.Now(), sink.StableID)
	})
}
