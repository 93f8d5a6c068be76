package simulation

import (
	"fmt"

	"github.com/tandem-sync/tandem/connector/mapping"
)

// The mappings of the simulated sync: a parent and a child, every policy that decides differently.
var documents = []string{`{
  "sync": "sim", "entity": "contact",
  "crm": {"table": "public.contact", "key": "id", "new_key": "sequence:public.contact_id_seq"},
  "notion": {"database": "Contacts"},
  "fields": [
    {"name": "name", "column": "name", "property": "Name", "type": "title"},
    {"name": "email", "column": "email", "property": "Email", "type": "email", "critical": true},
    {"name": "note", "column": "note", "property": "Note", "type": "text", "tie": "notion"},
    {"name": "tags", "column": "tags", "property": "Tags", "type": "multi_select"},
    {"name": "score", "column": "score", "property": "Score", "type": "text", "direction": "to_notion"}
  ],
  "creates": {"to_notion": true, "to_crm": true, "quiet_seconds": 5},
  "deletes": {"to_notion": "trash", "to_crm": "hold"},
  "mode": {"to_notion": "write", "to_crm": "write"},
  "brakes": {"max": 1000}
}`, `{
  "sync": "sim", "entity": "deal",
  "crm": {"table": "public.deal", "key": "id", "new_key": "sequence:public.deal_id_seq"},
  "notion": {"database": "Pipeline"},
  "fields": [
    {"name": "title", "column": "title", "property": "Title", "type": "title"},
    {"name": "stage", "column": "stage", "property": "Stage", "type": "select"},
    {"name": "contact", "relation": {"entity": "contact", "column": "contact_id", "reverse": "Deals"}, "property": "Contact", "type": "relation"}
  ],
  "creates": {"to_notion": true, "to_crm": true, "quiet_seconds": 5},
  "deletes": {"to_notion": "trash", "to_crm": "delete"},
  "mode": {"to_notion": "write", "to_crm": "write"},
  "brakes": {"max": 1000}
}`}

// entities compiles the documents.
func entities() ([]*mapping.Entity, error) {
	var docs []mapping.Document
	for _, text := range documents {
		doc, found := mapping.Parse([]byte(text))
		if found.HasErrors() {
			return nil, fmt.Errorf("the simulation's mapping: %w", found.Err())
		}
		docs = append(docs, doc)
	}
	compiled, found := mapping.Compile(docs)
	if found.HasErrors() {
		return nil, fmt.Errorf("the simulation's mappings: %w", found.Err())
	}
	return compiled, nil
}
