package connector

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// Kind is what a connector is to Kafka.
type Kind string

// The kinds, with the names of Kafka Connect's REST API.
const (
	Source Kind = "source"
	Sink   Kind = "sink"
)

// Class is a kind of connector that can be configured.
type Class struct {
	Name        string // as in connector.class: "cdc.PostgresSource"
	Kind        Kind
	Version     string
	Definitions []config.Definition // its keys, for documentation

	// Check reports everything that is wrong with a configuration and can be known without asking another system.
	Check func(config.Document) config.Problems

	// New builds a connector that is not started. It does no I/O and starts nothing; it is called before every start, so
	// that a connector that failed leaves no state behind.
	New func(config.Document) (lifecycle.Watched, error)
}

// Registry is the classes that a binary knows. It is filled before it is used and not changed afterwards.
type Registry struct {
	classes map[string]Class
}

// NewRegistry makes a registry. Two classes of one name, and a class without a name, kind or factory, are mistakes in the program and panic.
func NewRegistry(classes ...Class) *Registry {
	r := &Registry{classes: map[string]Class{}}
	for _, c := range classes {
		if _, twice := r.classes[c.Name]; twice || c.Name == "" || c.New == nil || (c.Kind != Source && c.Kind != Sink) {
			panic(fmt.Sprintf("connector: class %q is registered twice or incomplete", c.Name))
		}
		r.classes[c.Name] = c
	}
	return r
}

// Classes lists all, by name.
func (r *Registry) Classes() []Class {
	return slices.SortedFunc(maps.Values(r.classes), func(a, b Class) int { return strings.Compare(a.Name, b.Name) })
}

// Lookup finds a class by its name, or by the part behind the last dot where that is unambiguous, as Kafka Connect does.
func (r *Registry) Lookup(name string) (Class, bool) {
	if c, ok := r.classes[name]; ok {
		return c, true
	}
	var found []Class
	for _, c := range r.classes {
		if simple := c.Name[strings.LastIndexByte(c.Name, '.')+1:]; simple == name {
			found = append(found, c)
		}
	}
	if len(found) == 1 {
		return found[0], true
	}
	return Class{}, false
}

// Check reports everything that is wrong with a configuration, an unknown class first of all.
func (r *Registry) Check(doc config.Document) config.Problems {
	name := doc.Config["connector.class"]
	class, ok := r.Lookup(name)
	if !ok {
		var names []string
		for _, c := range r.Classes() {
			names = append(names, c.Name)
		}
		return config.Problems{{Path: "connector.class", Severity: config.SeverityError,
			Summary: fmt.Sprintf("there is no connector class %q", name), Detail: "there are " + strings.Join(names, ", ")}}
	}
	if class.Check == nil {
		return nil
	}
	return class.Check(doc)
}
