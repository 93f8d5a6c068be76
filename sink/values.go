package sink

import (
	"encoding/json"
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// PropertyType is the type of property that holds a field type.
func PropertyType(t mapping.Type) string {
	switch t {
	case mapping.TypeText:
		return notionapi.TypeRichText
	case mapping.TypeDate, mapping.TypeDateTime:
		return notionapi.TypeDate
	case mapping.TypePhone:
		return notionapi.TypePhoneNumber
	}
	return string(t) // the others share their names
}

// PageValues decodes the stored properties of a page, {id: property}, into values by field name. A property that changed its type, or
// that was cut and not completed, is missing from the answer: it was not read.
func PageValues(schema ledger.Schema, properties json.RawMessage) (change.Image, error) {
	raw := make(map[string]json.RawMessage, len(schema.Properties)+1)
	if err := change.Members(properties, func(id, property []byte) { raw[string(id)] = property }); err != nil {
		return nil, fmt.Errorf("read the page's properties: %w", err)
	}
	values := make(change.Image, len(schema.Properties))
	for field, id := range schema.Properties {
		data, ok := raw[notionapi.CanonicalID(id)]
		if !ok {
			continue
		}
		p := notionapi.DecodeProperty(field, data)
		if t := schema.Types[field]; t != "" && p.Type != PropertyType(mapping.Type(t)) {
			continue
		}
		if !p.HasMore && !p.Value.IsAbsent() {
			values[field] = p.Value
		}
	}
	return values, nil
}

// Truncated reports that a query showed only the beginning of one of a page's properties.
func Truncated(properties json.RawMessage) bool {
	var all map[string]struct {
		HasMore bool `json:"has_more"`
	}
	if json.Unmarshal(properties, &all) != nil {
		return false
	}
	for _, p := range all {
		if p.HasMore {
			return true
		}
	}
	return false
}
