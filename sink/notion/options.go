package notion

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
)

var _ sink.Offering = (*Pages)(nil)

// Offer implements [sink.Offering]. Selects and multi-selects make the options that a page write names, beside those that are there; a status does not,
// and where the mapping wants none made nothing is written that the property does not offer.
func (p *Pages) Offer(ctx context.Context, f mapping.Field, options []string, only bool) (string, error) {
	if p.Schema == nil || f.Type != mapping.TypeStatus && f.Unknown != mapping.OptionsPark {
		return "", nil
	}
	return p.Schema.offer(ctx, p.Entity, f, options, only)
}

func (s *Schema) offer(ctx context.Context, e *mapping.Entity, f mapping.Field, options []string, only bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	prop, missing := s.unoffered(e, f, options)
	if len(missing) == 0 {
		return "", nil
	}
	if s.Foresee == nil { // somebody may have added it since the last look
		if _, err := s.look(ctx, e, recheckPause); err != nil {
			return "", err
		}
		if prop, missing = s.unoffered(e, f, options); len(missing) == 0 {
			return "", nil
		}
	}
	todo := "add it there, and the field goes on"
	switch {
	case f.Unknown == mapping.OptionsCreate && (only || s.Foresee != nil):
		return "", nil // it will be made
	case f.Unknown == mapping.OptionsCreate && len(prop.Options)+len(missing) > notionapi.OptionsMax:
		todo = fmt.Sprintf("the property has %d options, and Notion takes no more than %d in one request, which has to name them all: %s", len(prop.Options), notionapi.OptionsMax, todo)
	case f.Unknown == mapping.OptionsCreate:
		refused, err := s.addOptions(ctx, e, f, prop, missing)
		if refused == "" || err != nil {
			return "", err
		}
		todo = "Notion refuses it (" + refused + "); " + todo
	case f.Type == mapping.TypeStatus:
		todo += `; with "unknown_options": "create" in the mapping it is added by itself`
	}
	return sink.NotOffered(missing[0].Name, prop.Name, todo), nil
}

// unoffered gives those options that a field's property does not offer, as it was read last; none if it is not known. Needs mu.
func (s *Schema) unoffered(e *mapping.Entity, f mapping.Field, options []string) (prop notionapi.SchemaProperty, missing []notionapi.Option) {
	prop, ok := s.live[e.Name].Property(s.known[e.Name].Properties[f.Name])
	if !ok {
		return prop, nil // whoever writes finds out
	}
	for _, name := range options {
		if slices.ContainsFunc(prop.Options, func(o notionapi.Option) bool { return strings.EqualFold(o.Name, name) }) {
			continue
		}
		declared, known := f.Declared(name)
		if known && f.Type != mapping.TypeStatus {
			continue // the mapping's author wants it: the page's write makes it
		}
		missing = append(missing, notionapi.Option{Name: name, Color: declared.Color, Group: declared.Group})
	}
	return prop, missing
}

// addOptions adds options to a status. Notion takes the list as a whole, so that an option is dropped that a person adds between our read of the list and
// our write: no client can prevent it, and the list says nothing of it. That moment is told, with its beginning and end. Needs mu.
func (s *Schema) addOptions(ctx context.Context, e *mapping.Entity, f mapping.Field, prop notionapi.SchemaProperty, missing []notionapi.Option) (refused string, err error) {
	began := s.Now()
	live, err := s.Client.AddOptions(ctx, s.known[e.Name].DataSource, prop.ID, missing...)
	var value *notionapi.ValueError
	var answer *notionapi.Error
	switch {
	case errors.As(err, &value):
		return value.Reason, nil
	case notionapi.IsValidation(err) && errors.As(err, &answer):
		return answer.Message, nil
	case err != nil:
		return "", classify(err)
	}
	s.mark(e, live)
	var names []string
	for _, o := range missing {
		names = append(names, o.Name)
	}
	s.Log.InfoContext(ctx, "options added", "entity", e.Name, "field", f.Name, "options", names)
	at := s.Now()
	return "", s.Ledger.Raise(ctx, []ledger.Alert{{
		ID: sink.StableID("options", s.Sync, e.Name, f.Name, names, began), At: at, Kind: "schema", Sync: s.Sync, Entity: e.Name, Field: f.Name,
		Summary: fmt.Sprintf("%q was added to the options of %q (%s) in Notion, which takes all options of a status at once: if somebody else added one between %s and %s, add it again",
			strings.Join(names, ", "), prop.Name, e.Document.Notion.Database, began.UTC().Format(time.TimeOnly+".000"), at.UTC().Format(time.TimeOnly+".000 MST")),
	}})
}
