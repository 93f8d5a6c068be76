package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// Entity is one entity as a sink works on it.
type Entity struct {
	Mapping *mapping.Entity
	Rows    Rows
	Pages   Pages // nil in sink/crm, which touches the CRM only

	run      run
	own      sync.Once
	ownRules ledger.Rules // of the mapping's fields as they are
}

// Pages are the pages of one entity in Notion. sink/notion implements it.
type Pages interface {
	// Read gives the page as it is now, complete. A page that cannot be found or is not shared is an observation that says Gone.
	Read(ctx context.Context, schema ledger.Schema, page string) (ledger.Observation, error)
	// Create makes a page with these field values (relations as sets of page ids) and the external id in it.
	Create(ctx context.Context, schema ledger.Schema, external string, values change.Image) (page string, seen ledger.Observation, err error)
	// Update writes just what it is given.
	Update(ctx context.Context, schema ledger.Schema, page string, update PageUpdate) (ledger.Observation, error)
	// Find looks pages up by external id, oldest first; the index it asks may lag.
	Find(ctx context.Context, schema ledger.Schema, external string) ([]string, error)
	// Extend makes sure that the fields have properties, and gives the schema as it is then.
	Extend(ctx context.Context, schema ledger.Schema, fields []mapping.Field) (ledger.Schema, error)
}

// PageUpdate is one write to one page.
type PageUpdate struct {
	Values   change.Image    // field values, relations as sets of page ids
	Current  json.RawMessage // the properties as they were read before: a date keeps its end
	External string          // writes the external id; "" leaves it
	Trash    bool
	Restore  bool
}

// Functions are the plugins' functions and mappers as the sinks use them.
type Functions interface {
	// Function runs a function over values; an answer stands at its value's place. A [BadValueError] in an answer concerns its value alone;
	// an error of the call means that the plugin cannot answer now.
	Function(ctx context.Context, use mapping.FunctionUse, toNotion bool, values []change.Value) ([]FunctionAnswer, error)
	Mapper(ctx context.Context, use mapping.FunctionUse, toNotion bool, image change.Image) (change.Image, error)
}

// FunctionAnswer is a function's answer for one value.
type FunctionAnswer struct {
	Value change.Value
	Bad   string // why the value cannot be converted, in plain words; "" if it was
}

// fields gives the entity's fields as they stand now: the mapping's, and the custom fields that Notion or the row has.
func (e *Entity) fields(schema ledger.Schema, row change.Image) []mapping.Field {
	fields := slices.Clone(e.Mapping.Fields)
	names := map[string]change.Value{}
	for name := range schema.Properties {
		if strings.HasPrefix(name, mapping.CustomPrefix) {
			names[name] = change.Value{}
		}
	}
	for name, v := range row {
		if strings.HasPrefix(name, mapping.CustomPrefix) {
			names[name] = v
		}
	}
	for _, name := range change.Sorted(names) {
		var f mapping.Field
		var ok bool
		if typ := schema.Types[name]; typ != "" {
			f, ok = e.Mapping.CustomField(name, mapping.Type(typ))
		} else {
			f, ok = e.Mapping.FieldFor(name, names[name])
		}
		if ok {
			fields = append(fields, f)
		}
	}
	return slices.DeleteFunc(fields, func(f mapping.Field) bool { return schema.Parked[f.Name] != "" })
}

// rules gives the ledger's view of the mapping.
func (e *Entity) rules(fields []mapping.Field, skew time.Duration) ledger.Rules {
	m := e.Mapping
	r := ledger.Rules{
		WriteNotion: m.WriteNotion, WriteCRM: m.WriteCRM, CreatePages: m.CreatePages, CreateRows: m.CreateRows, Quiet: m.Quiet,
		DeletesToPages: m.DeletesToPages, DeletesToRows: m.DeletesToRows, Grace: m.Grace, Skew: skew,
	}
	for _, f := range fields {
		p := ledger.Policy{
			Name: f.Name, Rule: f.Rule, ToNotion: f.ToNotion(), ToCRM: f.ToCRM(),
			Tie: ledger.Side(f.Tie), Initial: ledger.Side(f.Initial), Critical: f.Critical,
			Elements: f.Type == mapping.TypeMultiSelect || f.Type == mapping.TypeRelation && f.Many,
			Single:   f.Type == mapping.TypeRelation && !f.Many,
			Conflict: f.Conflict, NeverBlank: f.NeverBlank, WriteOnce: f.WriteOnce, Typing: f.TypingDelay,
		}
		if f.Type == mapping.TypePhone {
			p.Same = f.Same
		}
		r.Fields = append(r.Fields, p)
	}
	return r
}

// limits are the mapping's brakes.
func (e *Entity) limits() ledger.Limits {
	return e.Mapping.Limits
}

// translation turns what one side shows into field values, and field values into what a side takes, for one entity and schema.
type translation struct {
	entity    *Entity
	schema    ledger.Schema
	fields    []mapping.Field
	functions Functions
	links     Links

	base   map[string]ledger.FieldBase // of the link whose turn it is
	crm    change.Image                // its row's values
	raw    change.Image                // its row as the CRM has it
	verify bool                        // removed targets must be known to be there: we would clear references to them
	reread []ledger.Link               // targets that have to be read for that
	masked bool                        // whether a removed target was removed cannot be told while it is in the trash
}

// fromRow gives the CRM's view.
func (t *translation) fromRow(ctx context.Context, row Row) (ledger.View, error) {
	view := ledger.View{Read: true, There: row.Exists, Scope: row.InScope, Deleted: row.Soft, Image: change.Image{}, Bad: map[string]string{}, Waits: map[string]string{}}
	for _, f := range t.fields {
		raw, ok := row.Image[f.Name]
		if reason := row.Problems[f.Name]; reason != "" {
			view.Bad[f.Name] = reason
			continue
		}
		if !ok {
			if !f.Custom {
				continue
			}
			if reason := row.Problems[mapping.CustomPrefix]; reason != "" { // the column as a whole cannot be read: that is not null
				view.Bad[f.Name] = reason
				continue
			}
			raw = change.NullValue() // the column was read, and the name is not in it
		}
		value, bad, waits, err := t.rowValue(ctx, f, raw)
		if err != nil {
			return ledger.View{}, err
		}
		view.Put(f.Name, value, bad, waits)
	}
	return view, t.mapped(ctx, &view, true)
}

func (t *translation) rowValue(ctx context.Context, f mapping.Field, raw change.Value) (value change.Value, bad, waits string, err error) {
	if raw.IsAbsent() {
		return raw, "", "", nil
	}
	if f.Function != nil {
		if raw, bad, err = t.call(ctx, f, true, raw); err != nil || bad != "" {
			return raw, bad, "", err
		}
	}
	if value, bad = inWords(f.FromRow(raw)); bad != "" {
		return value, bad, "", nil
	}
	if f.Relation != "" {
		value, waits, err = t.linksOf(ctx, f, value, ledger.CRM)
	}
	return value, "", waits, err
}

// fromPage gives Notion's view of an observation.
func (t *translation) fromPage(ctx context.Context, seen ledger.Observation) (ledger.View, error) {
	view := ledger.View{
		Read: true, There: !seen.InTrash && !seen.Gone, Scope: !seen.Moved, Deleted: seen.InTrash,
		Lags: seen.Via == "poll" || seen.Via == "sweep",
		At:   seen.ReadFrom, Until: earliest(seen.ReadTo, seen.Edited.Add(time.Minute)), EditedAt: seen.Edited, Editor: seen.EditedBy,
		External: seen.External, Image: change.Image{}, Bad: map[string]string{}, Waits: map[string]string{},
	}
	if seen.Gone || len(seen.Properties) == 0 {
		return view, nil
	}
	values, err := PageValues(t.schema, seen.Properties)
	if err != nil {
		return ledger.View{}, err
	}
	for _, f := range t.fields {
		raw, ok := values[f.Name]
		if !ok {
			continue
		}
		value, bad, waits, err := t.pageValue(ctx, f, raw)
		value = t.spelled(f, value)
		if err == nil && f.Relation != "" && waits == "" {
			value, waits, err = t.unremoved(ctx, f, value, seen.ReadFrom)
		}
		if err != nil {
			return ledger.View{}, err
		}
		view.Put(f.Name, value, bad, waits)
		if f.ToCRM() && bad == "" && waits == "" {
			view.Guard(f.Name, f.Refuses(value))
		}
		id := t.schema.Properties[f.Name]
		if hint, ok := seen.Hints[id]; ok {
			if view.Hints == nil {
				view.Hints = map[string]time.Time{}
			}
			view.Hints[f.Name] = hint.Add(-hintWidth)
		}
		if since, ok := seen.Since[id]; ok && f.TypingDelay > 0 {
			if view.Since == nil {
				view.Since = map[string]time.Time{}
			}
			view.Since[f.Name] = since
		}
	}
	return view, t.mapped(ctx, &view, false)
}

// hintWidth is how long edits of a page are gathered into one webhook, which names all of their properties and carries the time of the last: any
// one of them may have been edited so much earlier (two-way-sync.md 3.3).
const hintWidth = time.Minute

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (t *translation) pageValue(ctx context.Context, f mapping.Field, raw change.Value) (value change.Value, bad, waits string, err error) {
	if raw.IsAbsent() {
		return raw, "", "", nil
	}
	if f.Relation != "" {
		value, waits, err = t.linksOf(ctx, f, raw, ledger.Notion)
		return value, "", waits, err
	}
	if value, bad = inWords(f.FromPage(raw)); bad != "" || f.Function == nil {
		return value, bad, "", nil
	}
	// What a person typed is brought into the function's own form: there and back.
	there, bad := inWords(f.ToRow(value))
	if bad != "" {
		return value, bad, "", nil
	}
	for _, toNotion := range []bool{false, true} {
		if there, bad, err = t.call(ctx, f, toNotion, there); err != nil || bad != "" {
			return value, bad, "", err
		}
	}
	value, bad = inWords(f.FromRow(there))
	return value, bad, "", nil
}

// inWords takes a conversion's error for what it is to the sink: why one value cannot be used.
func inWords(v change.Value, err error) (change.Value, string) {
	if err != nil {
		return v, err.Error()
	}
	return v, ""
}

func (t *translation) call(ctx context.Context, f mapping.Field, toNotion bool, v change.Value) (change.Value, string, error) {
	if t.functions == nil {
		return change.Value{}, "", fmt.Errorf("field %s: function %s is not loaded", f.Name, f.Function.Name)
	}
	answers, err := t.functions.Function(ctx, *f.Function, toNotion, []change.Value{v})
	if err != nil {
		return change.Value{}, "", fmt.Errorf("field %s: call function %s: %w", f.Name, f.Function.Name, err)
	}
	return answers[0].Value, answers[0].Bad, nil
}

// mapped lets the mapper, if the mapping names one, change the image as a whole.
func (t *translation) mapped(ctx context.Context, view *ledger.View, toNotion bool) error {
	use := t.entity.Mapping.Document.Mapper
	if use == nil || !view.There || !toNotion {
		return nil
	}
	image, err := t.callMapper(ctx, *use, toNotion, view.Image)
	if err != nil {
		return fmt.Errorf("call mapper %s: %w", use.Name, err)
	}
	for _, f := range t.fields {
		v, ok := image[f.Name]
		if !ok || v.IsAbsent() {
			continue
		}
		value, cerr := f.Canon(v)
		if cerr != nil {
			view.Bad[f.Name] = cerr.Error()
			delete(view.Image, f.Name)
			continue
		}
		view.Image[f.Name] = value
	}
	return nil
}

func (t *translation) callMapper(ctx context.Context, use mapping.FunctionUse, toNotion bool, image change.Image) (change.Image, error) {
	if t.functions == nil {
		return nil, fmt.Errorf("mapper %s is not loaded", use.Name)
	}
	return t.functions.Mapper(ctx, use, toNotion, image)
}

// toRow gives the row's own values for field values. A relation whose target has no row yet is left out and named.
func (t *translation) toRow(ctx context.Context, values change.Image) (raw change.Image, waits map[string]string, err error) {
	raw, waits = change.Image{}, map[string]string{}
	if use := t.entity.Mapping.Document.Mapper; use != nil {
		if values, err = t.callMapper(ctx, *use, false, values); err != nil {
			return nil, nil, fmt.Errorf("call mapper %s: %w", use.Name, err)
		}
	}
	for _, f := range t.fields {
		v, ok := values[f.Name]
		if !ok {
			continue
		}
		if v, err = t.ends(ctx, f, v, ledger.CRM, waits); err != nil {
			return nil, nil, err
		}
		if waits[f.Name] != "" {
			continue
		}
		out, err := f.ToRow(v)
		if err != nil {
			return nil, nil, &DataError{Field: f.Name, Reason: err.Error()}
		}
		if f.Function != nil {
			converted, bad, err := t.call(ctx, f, false, out)
			if err != nil {
				return nil, nil, err
			}
			if bad != "" {
				return nil, nil, &DataError{Field: f.Name, Reason: bad}
			}
			out = converted
		}
		raw[f.Name] = f.KeepInRow(out, t.raw[f.Name])
	}
	return raw, waits, nil
}

// ends turns a relation's links into what stands at their other ends on a side, or says in waits what it waits for. Other values stay.
func (t *translation) ends(ctx context.Context, f mapping.Field, v change.Value, side ledger.Side, waits map[string]string) (change.Value, error) {
	if f.Relation == "" {
		return v, nil
	}
	ends, missing, err := t.endsOf(ctx, v, side)
	if missing != "" {
		waits[f.Name] = missing
	}
	return ends, err
}

// toPage gives what the page takes for field values: relations as sets of page ids.
func (t *translation) toPage(ctx context.Context, values change.Image) (out change.Image, waits map[string]string, err error) {
	out, waits = change.Image{}, map[string]string{}
	for _, f := range t.fields {
		v, ok := values[f.Name]
		if !ok {
			continue
		}
		if v, err = t.ends(ctx, f, v, ledger.Notion, waits); err != nil {
			return nil, nil, err
		}
		pages, can := t.entity.Pages.(Relating)
		if n := len(v.Items()); f.Relation != "" && n > mapping.RelatedWriteMax && (!can || !pages.CanRelate(f)) {
			waits[f.Name] = tooManyRelated(f, n)
		}
		if waits[f.Name] == "" {
			out[f.Name] = v
		}
	}
	return out, waits, nil
}

// DataError is a value that its target cannot hold: the record is parked, everything else goes on.
type DataError struct {
	Field  string
	Reason string
}

// Error names the field and the reason.
func (e *DataError) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}
