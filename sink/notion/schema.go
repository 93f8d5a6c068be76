package notion

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
)

// SchemaLedger is what the schema's owner asks of the ledger.
type SchemaLedger interface {
	Schema(ctx context.Context, sync, entity string) (ledger.Schema, bool, error)
	SaveSchema(ctx context.Context, sync, entity string, s ledger.Schema) error
	Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error)
	Raise(ctx context.Context, alerts []ledger.Alert) error
	sink.DriftLedger
}

// CustomNames lists the custom fields that an entity's rows have now, each with samples of its values.
type CustomNames func(ctx context.Context) ([]mapping.CustomName, error)

// Schema owns the databases and properties in Notion: it makes what is missing, adopts what is there under the name, and remembers
// everything by id. It never removes, renames or retypes anything.
type Schema struct {
	Client     *notionapi.Client
	Ledger     SchemaLedger
	Sync       string
	Holder     string
	ParentPage string // where databases that are missing are made
	Entities   []*mapping.Entity
	Custom     map[string]CustomNames // by entity; may be nil
	Now        func() time.Time
	Log        *slog.Logger
	LeadFor    time.Duration // how long one process may take over it before another tries; 0 is schemaLead
	Foresee    Foresee       // nil does what is needed

	mu        sync.Mutex
	known     map[string]ledger.Schema
	live      map[string]notionapi.DataSource
	checked   map[string]time.Time // when the database was read last
	looksOnly bool                 // nothing is kept of what is seen
}

// schemaLead is how long one process may take to make databases before another tries.
const schemaLead = 2 * time.Minute

// ErrElsewhere is returned while another process makes sure of the schema.
type ErrElsewhere struct{ Sync string }

// Error says who waits for what.
func (e *ErrElsewhere) Error() string {
	return fmt.Sprintf("another process is making sure of the databases of sync %s in Notion", e.Sync)
}

// Waiting reports that nothing is wrong: it is another process's turn.
func (*ErrElsewhere) Waiting() bool { return true }

// Ensure makes sure of all databases and properties: databases first, then relations between them.
func (s *Schema) Ensure(ctx context.Context) error {
	if _, ok, err := s.Ledger.Lead(ctx, "schema/"+s.Sync, s.Holder, s.Now(), cmp.Or(s.LeadFor, schemaLead)); err != nil {
		return fmt.Errorf("take the lead over the schema: %w", err)
	} else if !ok {
		return &ErrElsewhere{s.Sync}
	}
	defer s.letGo(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.live, s.looksOnly = map[string]ledger.Schema{}, map[string]notionapi.DataSource{}, false
	for _, e := range s.Entities {
		if err := s.ensureEntity(ctx, e); err != nil {
			return fmt.Errorf("make sure of database %q: %w", e.Document.Notion.Database, err)
		}
	}
	for _, e := range s.Entities {
		if err := s.ensureFields(ctx, e, s.fields(e)); err != nil {
			return fmt.Errorf("make sure of the properties of %q: %w", e.Document.Notion.Database, err)
		}
		if err := s.ensureCustom(ctx, e); err != nil {
			return fmt.Errorf("make sure of the custom fields of %q: %w", e.Document.Notion.Database, err)
		}
	}
	return nil
}

// letGo gives the lead back: the next process to start, which may be this one again, need not wait for its end. If that fails it does.
func (s *Schema) letGo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, _, err := s.Ledger.Lead(ctx, "schema/"+s.Sync, s.Holder, s.Now(), 0); err != nil {
		s.Log.Debug("the lead over the schema is not given back", "err", err)
	}
}

func (s *Schema) ensureEntity(ctx context.Context, e *mapping.Entity) error {
	known, ok, err := s.Ledger.Schema(ctx, s.Sync, e.Name)
	if err != nil {
		return err
	}
	source := e.Document.Notion.DataSource
	if ok && (source == "" || sameID(source, known.DataSource)) {
		source = known.DataSource
	} else {
		known = ledger.Schema{}
	}
	if source == "" {
		if source, err = s.findDatabase(ctx, e); err != nil {
			return err
		}
	}
	if source == "" && s.Foresee != nil {
		return s.foreseeDatabase(ctx, e)
	}
	if source == "" && s.observes(e) {
		s.Log.InfoContext(ctx, "the database is not there, and writing to Notion is off: it waits", "entity", e.Name, "database", e.Document.Notion.Database)
		s.known[e.Name] = ledger.Schema{}
		return nil
	}
	if source == "" {
		if source, err = s.makeDatabase(ctx, e); err != nil {
			return err
		}
	}
	live, err := s.Client.DataSource(ctx, source)
	if notionapi.IsNotFound(err) {
		return &fatal{fmt.Errorf("data source %s is not shared with the connection: in Notion open the database, menu, Connections, and add it: %w", source, err)}
	}
	if err != nil {
		return classify(err)
	}
	if live.InTrash {
		return &fatal{fmt.Errorf("the database is in Notion's trash: restore it, or name another one in the mapping")}
	}
	known.Database, known.DataSource = live.DatabaseID, live.ID
	s.mark(e, live)
	return s.save(ctx, e, known)
}

func sameID(a, b string) bool {
	x, _ := notionapi.ObjectID(a)
	y, _ := notionapi.ObjectID(b)
	return x == y
}

// findDatabase looks for a database of that title on the parent page.
func (s *Schema) findDatabase(ctx context.Context, e *mapping.Entity) (string, error) {
	if s.ParentPage == "" {
		return "", &fatal{fmt.Errorf("neither the mapping (notion.data_source) nor the connector (notion.parent.page) says where the database is or should be made")}
	}
	children, err := s.Client.ChildDatabases(ctx, s.ParentPage)
	if notionapi.IsNotFound(err) {
		return "", &fatal{fmt.Errorf("page %s is not shared with the connection: in Notion open it, menu, Connections, and add it: %w", s.ParentPage, err)}
	}
	if err != nil {
		return "", classify(err)
	}
	for _, child := range children {
		if child.Title != e.Document.Notion.Database {
			continue
		}
		db, err := s.Client.Database(ctx, child.ID)
		if err != nil {
			return "", classify(err)
		}
		if db.InTrash {
			continue
		}
		if len(db.DataSources) != 1 {
			return "", &fatal{fmt.Errorf("database %q has %d data sources: say in the mapping (notion.data_source) which one is meant", child.Title, len(db.DataSources))}
		}
		s.Log.InfoContext(ctx, "database adopted", "entity", e.Name, "database", child.Title)
		return db.DataSources[0].ID, nil
	}
	return "", nil
}

func (s *Schema) makeDatabase(ctx context.Context, e *mapping.Entity) (string, error) {
	specs := []notionapi.PropertySpec{{Name: e.Document.Notion.ExternalID, Type: notionapi.TypeRichText, Description: "Ties this page to its record in the CRM. Leave it as it is."}}
	if name := e.Document.Notion.StatusProperty; name != "" {
		specs = append(specs, statusSpec(name))
	}
	for _, f := range e.Fields {
		if f.Type != mapping.TypeRelation {
			specs = append(specs, s.spec(f))
		}
	}
	db, err := s.Client.CreateDatabase(ctx, notionapi.NewDatabase{ParentPageID: s.ParentPage, Title: e.Document.Notion.Database, Properties: specs})
	if err != nil {
		return "", classify(err)
	}
	s.Log.InfoContext(ctx, "database made", "entity", e.Name, "database", db.Title)
	if len(db.DataSources) == 0 {
		return "", fmt.Errorf("Notion made database %s without a data source", db.ID)
	}
	return db.DataSources[0].ID, nil
}

// spec describes the property that a field needs.
func (s *Schema) spec(f mapping.Field) notionapi.PropertySpec {
	spec := notionapi.PropertySpec{Name: f.Property, Type: PropertyType(f.Type), Format: f.Format}
	switch f.Type {
	case mapping.TypeSelect, mapping.TypeStatus, mapping.TypeMultiSelect:
		for _, o := range f.Options {
			if !slices.ContainsFunc(spec.Options, func(have notionapi.Option) bool { return have.Name == o.Notion }) {
				spec.Options = append(spec.Options, notionapi.Option{Name: o.Notion, Color: o.Color, Group: o.Group})
			}
		}
	case mapping.TypeRelation:
		spec.Relation = &notionapi.RelationSchema{DataSourceID: s.known[f.Relation].DataSource, Dual: f.Reverse != "", SyncedName: f.Reverse}
	}
	return spec
}

func (s *Schema) ensureCustom(ctx context.Context, e *mapping.Entity) error {
	names := s.Custom[e.Name]
	if names == nil {
		return nil
	}
	found, err := names(ctx)
	if err != nil {
		return fmt.Errorf("list custom fields: %w", err)
	}
	var fields []mapping.Field
	for _, name := range found {
		if s.known[e.Name].Properties[name.Name] != "" {
			continue
		}
		if f, ok := e.CustomFieldOf(name); ok {
			fields = append(fields, f)
		}
	}
	return s.ensureFields(ctx, e, fields)
}

// Extend makes sure of fields that appeared later.
func (s *Schema) Extend(ctx context.Context, e *mapping.Entity, fields []mapping.Field) (ledger.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	live, err := s.Client.DataSource(ctx, s.known[e.Name].DataSource)
	if err != nil {
		return ledger.Schema{}, classify(err)
	}
	s.mark(e, live)
	// Another process may have added them: its ids are in the ledger.
	if known, ok, err := s.Ledger.Schema(ctx, s.Sync, e.Name); err != nil {
		return ledger.Schema{}, err
	} else if ok {
		s.known[e.Name] = known
	}
	if err := s.ensureFields(ctx, e, fields); err != nil {
		return ledger.Schema{}, err
	}
	return s.known[e.Name], nil
}

// ensureFields finds each field's property by id, else by name, else adds it. Needs mu.
func (s *Schema) ensureFields(ctx context.Context, e *mapping.Entity, fields []mapping.Field) error {
	before := s.known[e.Name]
	if before.DataSource == "" && s.observes(e) {
		return nil
	}
	known := before
	known.Properties, known.Types, known.Names = clone(known.Properties), clone(known.Types), clone(known.Names)
	known.Parked, known.Kinds, known.Generations = clone(known.Parked), clone(known.Kinds), clone(known.Generations)
	var add []notionapi.PropertySpec
	external, err := s.external(e, &known)
	if err != nil {
		return err
	}
	add = append(add, external...)
	add = append(add, s.status(e, &known)...)
	for _, f := range fields {
		spec := s.spec(f)
		delete(known.Parked, f.Name)
		switch {
		case s.find(e, f, spec, &known):
		case s.observes(e):
			known.Parked[f.Name] = notYet
		case spec.Relation != nil && spec.Relation.DataSourceID == "" && s.Foresee == nil:
			known.Parked[f.Name] = notYet // its target's database
		case slices.ContainsFunc(add, func(other notionapi.PropertySpec) bool { return other.Name == spec.Name }):
			known.Parked[f.Name] = fmt.Sprintf("another field has the property %q already", spec.Name)
		default:
			add = append(add, spec)
		}
	}
	if len(add) > 0 && !s.observes(e) {
		if err := s.add(ctx, e, &known, add, fields); err != nil {
			return err
		}
		s.bindAdded(&known, e, fields)
	}
	if err := s.save(ctx, e, known); err != nil {
		return err
	}
	return s.tell(ctx, e, before, known)
}

// observes reports that nothing may be made in Notion for an entity: its mapping only observes that side.
func (s *Schema) observes(e *mapping.Entity) bool { return !e.WriteNotion && s.Foresee == nil }

// notYet is why a field is left out while its mapping only observes.
const notYet = "its property is not there yet: it is made once mode.to_notion is write"

// ownerOf names the field that has a property, "" if none has.
func ownerOf(known ledger.Schema, id string) string {
	for field, have := range known.Properties {
		if have == id {
			return field
		}
	}
	return ""
}

// add adds properties, all at once. If Notion refuses them they are added one by one, so that a custom field with a name that cannot be a
// property's hurts only itself. What the mapping names must be had: there the refusal is an error.
func (s *Schema) add(ctx context.Context, e *mapping.Entity, known *ledger.Schema, add []notionapi.PropertySpec, fields []mapping.Field) error {
	if s.Foresee != nil {
		s.foreseeProperties(e, add)
		return nil
	}
	live, err := s.Client.UpdateDataSource(ctx, known.DataSource, notionapi.SchemaChange{Add: add})
	if err == nil {
		s.live[e.Name] = live
		s.Log.InfoContext(ctx, "properties added", "entity", e.Name, "count", len(add))
		return nil
	}
	if !notionapi.IsValidation(err) {
		return classify(err)
	}
	for _, spec := range add {
		live, err := s.Client.UpdateDataSource(ctx, known.DataSource, notionapi.SchemaChange{Add: []notionapi.PropertySpec{spec}})
		if err == nil {
			s.live[e.Name] = live
			continue
		}
		i := slices.IndexFunc(fields, func(f mapping.Field) bool { return f.Custom && f.Property == spec.Name })
		if i < 0 || !notionapi.IsValidation(err) {
			return classify(err)
		}
		refused := classify(err)
		known.Parked[fields[i].Name] = "Notion refuses its property: " + refused.Error()
		s.Log.WarnContext(ctx, "a custom field gets no property", "entity", e.Name, "field", fields[i].Name, "reason", refused.Error())
	}
	return nil
}

// external finds the property that ties pages to rows, or says that it has to be added: it comes back when somebody deletes it. Nothing can be
// done without it, so where it cannot be had everything stops.
func (s *Schema) external(e *mapping.Entity, known *ledger.Schema) (add []notionapi.PropertySpec, err error) {
	spec := notionapi.PropertySpec{Name: e.Document.Notion.ExternalID, Type: notionapi.TypeRichText}
	if _, ok := s.live[e.Name].Property(known.External); !ok {
		known.External = ""
	}
	refused := ""
	if !s.match(e, spec, known.External, func(id string) { known.External = id }, func(why string) { refused = why }) {
		return []notionapi.PropertySpec{spec}, nil
	}
	if refused != "" {
		return nil, &fatal{fmt.Errorf("the property %q, which ties pages to rows, cannot be used: %s; rename it in Notion, or give notion.external_id another name", spec.Name, refused)}
	}
	return nil, nil
}

// status finds the property in which pages say their state, or says that it has to be added.
func (s *Schema) status(e *mapping.Entity, known *ledger.Schema) (add []notionapi.PropertySpec) {
	name := e.Document.Notion.StatusProperty
	delete(known.Parked, statusField)
	if _, ok := s.live[e.Name].Property(known.Status); !ok || name == "" {
		known.Status = ""
	}
	if name == "" {
		return nil
	}
	id := known.Status
	known.Status = ""
	if !s.match(e, statusSpec(name), id, func(id string) { known.Status = id }, func(why string) { known.Parked[statusField] = why }) {
		return []notionapi.PropertySpec{statusSpec(name)}
	}
	return nil
}

func statusSpec(name string) notionapi.PropertySpec {
	return notionapi.PropertySpec{Name: name, Type: notionapi.TypeRichText, Description: "Whether this record is in sync, or what keeps it back. Tandem writes it."}
}

func clone[V any](m map[string]V) map[string]V {
	out := map[string]V{}
	maps.Copy(out, m)
	return out
}

// match finds the property; false if it has to be added.
func (s *Schema) match(e *mapping.Entity, spec notionapi.PropertySpec, id string, bind, parked func(string)) bool {
	live := s.live[e.Name]
	if id != "" {
		have, ok := live.Property(id)
		switch {
		case !ok:
			parked("its property was deleted in Notion: give it back, or take the field out of the mapping")
		case have.Type != spec.Type:
			parked(fmt.Sprintf("its property %q is of type %s now, and %s in the mapping", have.Name, have.Type, spec.Type))
		default:
			bind(id)
		}
		return true
	}
	if spec.Type == notionapi.TypeTitle {
		bind(live.TitleProperty().ID)
		return true
	}
	have, ok := live.ByName(spec.Name)
	switch {
	case !ok:
		return false
	case have.Type != spec.Type:
		parked(fmt.Sprintf("the database has a property %q of type %s, and the mapping says %s", have.Name, have.Type, spec.Type))
	case spec.Relation != nil && have.Relation != nil && !sameID(have.Relation.DataSourceID, spec.Relation.DataSourceID):
		parked(fmt.Sprintf("the database's relation %q points elsewhere", have.Name))
	default:
		bind(have.ID)
	}
	return true
}

func (s *Schema) bindAdded(known *ledger.Schema, e *mapping.Entity, fields []mapping.Field) {
	live := s.live[e.Name]
	if p, ok := live.ByName(e.Document.Notion.ExternalID); ok && known.External == "" {
		known.External = p.ID
	}
	if p, ok := live.ByName(e.Document.Notion.StatusProperty); ok && known.Status == "" && known.Parked[statusField] == "" {
		known.Status = p.ID
	}
	for _, f := range fields {
		if p, ok := live.ByName(f.Property); ok && known.Properties[f.Name] == "" && known.Parked[f.Name] == "" {
			known.Properties[f.Name], known.Types[f.Name], known.Names[f.Name] = p.ID, string(f.Type), f.Property
		}
	}
}

func (s *Schema) save(ctx context.Context, e *mapping.Entity, known ledger.Schema) error {
	s.known[e.Name] = known
	if known.External == "" && !s.observes(e) {
		return nil // not whole yet: others wait
	}
	if err := s.Ledger.SaveSchema(ctx, s.Sync, e.Name, known); err != nil {
		return fmt.Errorf("remember the schema: %w", err)
	}
	return nil
}
