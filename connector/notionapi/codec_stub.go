package notionapi

import (
	"encoding/json"

	"github.com/tandem-sync/tandem/connector/change"
)

// DecodeProperty reads one property value object of a page. It never fails: what it does not understand is absent, with its JSON in Raw.
func DecodeProperty(name string, raw json.RawMessage) Property { return Property{} }

// EncodeProperty gives the wire form of a value for a property of the type; Null clears. A value that Notion cannot hold is a [ValueError].
func EncodeProperty(propertyType string, v change.Value, opts EncodeOptions) (PropertyWrite, error) {
	return PropertyWrite{}, nil
}

// Canon gives the value that a read will find after v was written to a property of the type.
func Canon(propertyType string, v change.Value) (change.Value, error) { return v, nil }

// ContentHash sums up what a page says for the properties: two reads with equal hashes need no second look.
func ContentHash(page Page, propertyIDs []string) string { return "" }
