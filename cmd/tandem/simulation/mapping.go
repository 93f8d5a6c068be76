package simulation

import (
	"fmt"
	"strings"
	"sync"

	"github.com/tandem-sync/tandem/connector/mapping"
)

// The mappings of the simulated sync: a parent and a child, every policy that decides differently.
var documents = []string{`{
  "sync": "sim", "entity": "contact",
  "crm": {"table": "public.contact", "key": "id", "new_key": "sequence:public.contact_id_seq"},
  "notion": {"database": "Contacts"},
  "fields": [
    {"name": "name", "column": "name", "property": "Name", "type": "title", "tie": "TIE"},
    {"name": "email", "column": "email", "property": "Email", "type": "email", "critical": true, "tie": "TIE"},
    {"name": "note", "column": "note", "property": "Note", "type": "text", "tie": "EIT"},
    {"name": "tags", "column": "tags", "property": "Tags", "type": "multi_select", "tie": "TIE"},
    {"name": "score", "column": "score", "property": "Score", "type": "text", "direction": "to_notion"}
  ],
  "creates": {"to_notion": true, "to_crm": true, "quiet_seconds": 5},
  "deletes": {"to_notion": "trash", "to_crm": "hold"},
  "mode": {"to_notion": "write", "to_crm": "write"},
  "brakes": {BRAKES}
}`, `{
  "sync": "sim", "entity": "deal",
  "crm": {"table": "public.deal", "key": "id", "new_key": "sequence:public.deal_id_seq"},
  "notion": {"database": "Pipeline"},
  "fields": [
    {"name": "title", "column": "title", "property": "Title", "type": "title", "tie": "TIE"},
    {"name": "stage", "column": "stage", "property": "Stage", "type": "select", "tie": "TIE"},
    {"name": "contact", "relation": {"entity": "contact", "column": "contact_id", "reverse": "Deals"}, "property": "Contact", "type": "relation", "tie": "TIE"}
  ],
  "creates": {"to_notion": true, "to_crm": true, "quiet_seconds": 5},
  "deletes": {"to_notion": "trash", "to_crm": "delete"},
  "mode": {"to_notion": "write", "to_crm": "write"},
  "brakes": {BRAKES}
}`}

// rules are the mappings of one kind of run. They are compiled once: nothing changes them.
type rules struct {
	tie string // who wins what the clocks cannot tell; the note's tie is the other side's
	limits
}

var compiled = struct {
	sync.Mutex
	by map[rules][]*mapping.Entity
}{by: map[rules][]*mapping.Entity{}}

// brakes are the limits as a mapping has them.
func (r rules) brakes() string {
	out := fmt.Sprintf(`"max": %d, "window": %q`, r.deletes, r.window)
	for _, of := range []struct {
		name string
		max  int
	}{{"updates", r.updates}, {"blanks", r.blanks}, {"creates", r.creates}} {
		if of.max > 0 {
			out += fmt.Sprintf(`, %q: {"max": %d, "share": 0}`, of.name, of.max)
		}
	}
	return out
}

// entities compiles the documents.
func (r rules) entities() ([]*mapping.Entity, error) {
	compiled.Lock()
	defer compiled.Unlock()
	if es, ok := compiled.by[r]; ok {
		return es, nil
	}
	other := map[string]string{"crm": "notion", "notion": "crm"}[r.tie]
	fill := strings.NewReplacer("TIE", r.tie, "EIT", other, "BRAKES", r.brakes())
	var docs []mapping.Document
	for _, text := range documents {
		doc, found := mapping.Parse([]byte(fill.Replace(text)))
		if found.HasErrors() {
			return nil, fmt.Errorf("the simulation's mapping: %w", found.Err())
		}
		docs = append(docs, doc)
	}
	es, found := mapping.Compile(docs)
	if found.HasErrors() {
		return nil, fmt.Errorf("the simulation's mappings: %w", found.Err())
	}
	compiled.by[r] = es
	return es, nil
}
