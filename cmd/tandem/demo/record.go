package demo

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/mapping"
)

// record is one record on one side: field name → canonical text, custom fields as custom.<key>. A field that is empty may be missing.
type record map[string]string

// putCustom sets a custom field. One that is empty is as one that is missing, and so is a checkbox that nobody ticked: Notion has no
// third state for it.
func (r record) putCustom(name, text string) {
	if text != "" && text != "false" {
		r[name] = text
	}
}

// entity is one mapping as the demo reads it.
type entity struct {
	mapping.Document
	*mapping.Entity
}

// entities are a demo's mappings by name.
type entities map[string]*entity

// readEntities reads the mappings from files.
func readEntities(files []string) (entities, error) {
	docs, err := parseMappings(files)
	if err != nil {
		return nil, err
	}
	compiled, found := mapping.Compile(docs)
	for _, d := range found {
		if d.Severity == mapping.Error {
			return nil, fmt.Errorf("compile the mappings: %s: %s", d.Path, d.Summary)
		}
	}
	out := entities{}
	for _, e := range compiled {
		out[e.Name] = &entity{Document: e.Document, Entity: e}
	}
	return out, nil
}

// Ref names one record: "42" is contact 42, "task/7" is task 7.
type Ref struct{ Entity, Key string }

// ParseRef reads a record's name as people type it.
func (es entities) ParseRef(text string) (Ref, error) {
	name, key, found := strings.Cut(text, "/")
	if !found {
		name, key = "contact", text
	}
	if _, ok := es[name]; !ok || key == "" {
		return Ref{}, fmt.Errorf("%q names no record: give a contact's number, or one of %s with a number, as in task/7",
			text, strings.Join(slices.Sorted(maps.Keys(es)), ", "))
	}
	for _, r := range key {
		if r < '0' || r > '9' {
			return Ref{}, fmt.Errorf("%q is no number: the keys of the demo's CRM are numbers", key)
		}
	}
	return Ref{name, key}, nil
}

// String is the form that ParseRef reads.
func (r Ref) String() string { return r.Entity + "/" + r.Key }

// rule finds a field by its name, or by the name of its column or property, as people may call it.
func (e *entity) rule(name string) (mapping.Rule, bool) {
	for _, r := range e.Document.Fields {
		if strings.EqualFold(r.Name, name) || strings.EqualFold(r.Column, name) || strings.EqualFold(r.Property, name) {
			return r, true
		}
	}
	return mapping.Rule{}, false
}

// fieldNames lists the fields to compare: the mapping's in their order, then the custom ones that either side has.
func (e *entity) fieldNames(sides ...record) []string {
	var names, custom []string
	for _, r := range e.Document.Fields {
		names = append(names, r.Name)
	}
	for _, side := range sides {
		for name := range side {
			if strings.HasPrefix(name, mapping.CustomPrefix) && !slices.Contains(custom, name) {
				custom = append(custom, name)
			}
		}
	}
	slices.Sort(custom)
	return append(names, custom...)
}

// option turns a CRM's option into Notion's.
func option(r mapping.Rule, crm string) string {
	for _, o := range r.Options {
		if o.CRM != nil && *o.CRM == crm {
			return o.Notion
		}
	}
	return crm
}

// parseMappings reads mapping files.
func parseMappings(files []string) ([]mapping.Document, error) {
	var docs []mapping.Document
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a mapping: %w", err)
		}
		doc, found := mapping.Parse(data)
		for _, d := range found {
			if d.Severity == mapping.Error {
				return nil, fmt.Errorf("read %s: %s: %s", file, d.Path, d.Summary)
			}
		}
		docs = append(docs, doc)
	}
	return docs, nil
}
