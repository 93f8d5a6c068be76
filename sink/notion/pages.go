package notion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
)

var _ sink.Pages = (*Pages)(nil)

// Client is what pages are read and written through: [notionapi.Client], or a Notion without a wire.
type Client interface {
	Page(ctx context.Context, id string) (notionapi.Page, error)
	Complete(ctx context.Context, page *notionapi.Page, ids ...string) error
	CreatePage(ctx context.Context, page notionapi.NewPage) (notionapi.Page, error)
	UpdatePage(ctx context.Context, id string, update notionapi.PageUpdate) (notionapi.Page, error)
	QueryDataSource(ctx context.Context, dataSourceID string, query notionapi.Query) (notionapi.List, error)
}

// Pages are one entity's pages. Its methods may be called from any goroutine.
type Pages struct {
	Client Client
	Entity *mapping.Entity
	Schema *Schema // makes sure of properties that appear later
}

// Read gives the page as it is now, with every mapped property complete.
func (p *Pages) Read(ctx context.Context, schema ledger.Schema, page string) (ledger.Observation, error) {
	got, err := p.Client.Page(ctx, page)
	switch {
	case notionapi.IsNotFound(err) || notionapi.IsRestricted(err) && !isToken(err):
		return ledger.Observation{Gone: true, Via: "read"}, nil
	case err != nil:
		return ledger.Observation{}, classify(err)
	}
	if got.InTrash && p.Schema != nil {
		buried, err := p.Schema.buried(ctx, p.Entity)
		if err != nil {
			return ledger.Observation{}, err
		}
		if buried { // the page is in the trash with its database: nobody has deleted it
			return ledger.Observation{Gone: true, Via: "read"}, nil
		}
	}
	if err := p.Client.Complete(ctx, &got, schema.IDs()...); err != nil {
		return ledger.Observation{}, classify(err)
	}
	seen, err := observe(got, schema)
	if err != nil || seen.Moved || !p.strange(got, schema) {
		return seen, err
	}
	return seen, p.drifted(ctx, schema, nil)
}

// strange reports that a page lacks a property of the schema, or has it under another type.
func (p *Pages) strange(page notionapi.Page, schema ledger.Schema) bool {
	for field, id := range schema.Properties {
		if schema.Parked[field] != "" {
			continue
		}
		if have, ok := page.Property(id); !ok || have.Type != PropertyType(mapping.Type(schema.Types[field])) {
			return true
		}
	}
	_, ok := page.Property(schema.External)
	return !ok && schema.External != ""
}

// drifted has the schema looked at, and gives errDrifted if it is not any more what the turn went by, else the cause.
func (p *Pages) drifted(ctx context.Context, schema ledger.Schema, cause error) error {
	if p.Schema == nil {
		return cause
	}
	changed, err := p.Schema.Changed(ctx, p.Entity, schema)
	switch {
	case err != nil:
		return err
	case changed:
		return errDrifted
	}
	return cause
}

// Create makes a page that carries the external id.
func (p *Pages) Create(ctx context.Context, schema ledger.Schema, external string, values change.Image) (string, ledger.Observation, error) {
	writes, err := p.encode(schema, values, nil)
	if err != nil {
		return "", ledger.Observation{}, err
	}
	for id, w := range writes {
		if w.Value.IsNull() {
			delete(writes, id) // a new page has nothing there anyway
		}
	}
	if err := putExternal(writes, schema, external); err != nil {
		return "", ledger.Observation{}, err
	}
	if err := putStatus(writes, schema, ledger.InSync); err != nil {
		return "", ledger.Observation{}, err
	}
	made, err := p.Client.CreatePage(ctx, notionapi.NewPage{DataSourceID: schema.DataSource, Properties: writes})
	if err != nil {
		var known *notionapi.Error
		if errors.As(err, &known) {
			if id, ok := known.Applied(); ok {
				return id, ledger.Observation{}, err
			}
		}
		if related := relatedMissing(err, ""); related != nil {
			return "", ledger.Observation{}, related
		}
		if notionapi.IsNotFound(err) {
			return "", ledger.Observation{}, &fatal{fmt.Errorf("the database of %s cannot be reached: share it with the connection again, or take its id out of the mapping: %w", p.Entity.Name, err)}
		}
		return "", ledger.Observation{}, p.refusal(ctx, schema, err)
	}
	seen, err := p.completed(ctx, made, schema)
	return made.ID, seen, err
}

// Update writes what it is given and gives the page as the answer shows it.
func (p *Pages) Update(ctx context.Context, schema ledger.Schema, page string, u sink.PageUpdate) (ledger.Observation, error) {
	writes, err := p.encode(schema, u.Values, u.Current)
	if err != nil {
		return ledger.Observation{}, err
	}
	if u.External != "" {
		if err := putExternal(writes, schema, u.External); err != nil {
			return ledger.Observation{}, err
		}
	}
	update := notionapi.PageUpdate{Properties: writes}
	if u.Trash || u.Restore {
		update.InTrash = &u.Trash
	}
	got, err := p.Client.UpdatePage(ctx, page, update)
	if related := relatedMissing(err, page); related != nil {
		return ledger.Observation{}, related
	}
	if err != nil {
		return ledger.Observation{}, p.refusal(ctx, schema, err)
	}
	return p.completed(ctx, got, schema)
}

// refusal says what a write's error means. One that Notion finds invalid may be the schema's doing.
func (p *Pages) refusal(ctx context.Context, schema ledger.Schema, err error) error {
	if !notionapi.IsValidation(err) {
		return classify(err)
	}
	return p.drifted(ctx, schema, classify(err))
}

// relatedMissing tells a 404 that is about a page that a relation names from one about the page itself or its database: it concerns this record
// alone, and the database can be reached.
func relatedMissing(err error, page string) error {
	var answer *notionapi.Error
	if !notionapi.IsNotFound(err) || !errors.As(err, &answer) {
		return nil
	}
	_, id, found := strings.Cut(answer.Message, "page with ID: ")
	if !found || page != "" && strings.HasPrefix(id, page) {
		return nil
	}
	return &sink.DataError{Reason: "a page that it is related to cannot be found; is it shared with the connection? " + answer.Message}
}

// completed reads what an answer cut. The write itself is done: what fails here only leaves its evidence unread.
func (p *Pages) completed(ctx context.Context, page notionapi.Page, schema ledger.Schema) (ledger.Observation, error) {
	if err := p.Client.Complete(ctx, &page, schema.IDs()...); err != nil {
		return ledger.Observation{}, &unread{err}
	}
	return observe(page, schema)
}

// Find looks pages up by external id, oldest first.
func (p *Pages) Find(ctx context.Context, schema ledger.Schema, external string) ([]string, error) {
	list, err := p.Client.QueryDataSource(ctx, schema.DataSource, notionapi.Query{
		Filter:           notionapi.Equals(schema.External, notionapi.TypeRichText, external),
		Sorts:            []notionapi.Sort{{Timestamp: "created_time"}},
		FilterProperties: []string{schema.External},
	})
	if err != nil {
		return nil, classify(err)
	}
	var ids []string
	for _, page := range list.Pages {
		ids = append(ids, page.ID)
	}
	return ids, nil
}

// Extend makes sure that the fields have properties.
func (p *Pages) Extend(ctx context.Context, _ ledger.Schema, fields []mapping.Field) (ledger.Schema, error) {
	return p.Schema.Extend(ctx, p.Entity, fields)
}

// encode gives the wire form of field values, by property id. Fields without a property are no field of this entity: they are refused, for
// nothing outside the allow-list is ever written.
func (p *Pages) encode(schema ledger.Schema, values change.Image, current json.RawMessage) (map[string]notionapi.PropertyWrite, error) {
	keep := map[string]json.RawMessage{}
	if len(current) > 0 {
		if err := change.Members(current, func(id, raw []byte) { keep[string(id)] = raw }); err != nil {
			return nil, fmt.Errorf("read the page's properties: %w", err)
		}
	}
	writes := map[string]notionapi.PropertyWrite{}
	for _, name := range values.Fields() {
		id, typ := schema.Properties[name], mapping.Type(schema.Types[name])
		if id == "" {
			return nil, &sink.DataError{Field: name, Reason: "there is no property for it in Notion"}
		}
		var options notionapi.EncodeOptions
		if raw, ok := keep[notionapi.CanonicalID(id)]; ok {
			property := notionapi.DecodeProperty(name, raw)
			options.Keep = &property
		}
		value := values[name]
		if f, ok := p.Entity.Field(name); ok && options.Keep != nil {
			value = f.KeepOnPage(value, options.Keep.Value)
		}
		w, err := notionapi.EncodeProperty(PropertyType(typ), value, options)
		if err != nil {
			return nil, &sink.DataError{Field: name, Reason: err.Error()}
		}
		writes[id] = w
	}
	return writes, nil
}

func putExternal(writes map[string]notionapi.PropertyWrite, schema ledger.Schema, external string) error {
	w, err := notionapi.EncodeProperty(notionapi.TypeRichText, change.TextValue(external), notionapi.EncodeOptions{})
	if err != nil {
		return fmt.Errorf("encode the external id: %w", err)
	}
	writes[schema.External] = w
	return nil
}

// observe keeps of a page what the mapping may see.
func observe(page notionapi.Page, schema ledger.Schema) (ledger.Observation, error) {
	ids := schema.IDs()
	properties, err := page.Pick(ids)
	if err != nil {
		return ledger.Observation{}, fmt.Errorf("keep the page's properties: %w", err)
	}
	seen := ledger.Observation{
		ReadFrom: page.ReadFrom, ReadTo: page.ReadTo, Edited: page.Edited, EditedBy: page.LastEditedBy, Created: page.Created,
		InTrash: page.InTrash, Moved: page.Parent.DataSourceID != "" && page.Parent.DataSourceID != schema.DataSource,
		Hash: notionapi.ContentHash(page, ids), Properties: properties,
	}
	if external, ok := page.Property(schema.External); ok {
		seen.External = external.Value.Text()
	}
	return seen, nil
}

// PropertyType is the type of property that holds a field type.
func PropertyType(t mapping.Type) string { return sink.PropertyType(t) }

// classify turns Notion's errors into what the sink asks of an error: parked with the record, met by every record, or try again.
func classify(err error) error {
	var value *notionapi.ValueError
	var answer *notionapi.Error
	switch {
	case errors.As(err, &value):
		return &sink.DataError{Field: value.Property, Reason: value.Reason}
	case isToken(err):
		return &fatal{fmt.Errorf("Notion refuses the token: renew it in the connector's configuration: %w", err)}
	case notionapi.IsValidation(err) && errors.As(err, &answer):
		return &sink.DataError{Reason: "Notion refuses it: " + answer.Message}
	}
	return err
}

func isToken(err error) bool { return notionapi.IsUnauthorized(err) }

// fatal is an error that every record would meet.
type fatal struct{ error }

// Fatal says so.
func (*fatal) Fatal() bool { return true }

// Unwrap gives the cause.
func (f *fatal) Unwrap() error { return f.error }

// unread is a write that was made and whose evidence could not be read: unknown, not failed.
type unread struct{ error }

// Unknown says so.
func (*unread) Unknown() bool { return true }

// Unwrap gives the cause.
func (u *unread) Unwrap() error { return u.error }
