package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/config"
)

// document is a connector's configuration with the file that it came from.
type document struct {
	config.Document
	file string
	said []string // keys of which reading the file has complained
}

// readDocuments reads connector files. Paths in them are relative to the file that names them. All problems of all files come at once.
func readDocuments(files []string) ([]document, config.Problems) {
	var docs []document
	var problems config.Problems
	named := map[string]string{}
	for _, file := range files {
		doc, err := config.ReadFile(file)
		found, _ := err.(config.Problems) //nolint:errorlint // ReadFile's documented form
		problems = append(problems, found...)
		if doc.Config == nil {
			continue
		}
		var said []string
		for _, p := range found {
			said = append(said, strings.TrimPrefix(strings.TrimPrefix(p.Path, file+": "), "config."))
		}
		if other, taken := named[doc.Name]; taken && doc.Name != "" {
			problems.Errorf(file+": name", "is %q, as in %s: every connector has a name of its own", doc.Name, other)
		} else {
			named[doc.Name] = file
		}
		docs = append(docs, document{fromDebezium(besideFile(doc, filepath.Dir(file))), file, said})
	}
	return docs, problems
}

// fileKeys hold paths of files, some of them several.
var fileKeys = []string{"mapping.files", "plugins.file", "webhook.token.file", "ssl.ca.location", "ssl.certificate.location", "ssl.key.location",
	"schema.registry.ssl.ca.location", "schema.registry.ssl.certificate.location", "schema.registry.ssl.key.location"}

// besideFile makes the paths in a document relative to dir. What is a reference is left alone: its content is not known here.
func besideFile(doc config.Document, dir string) config.Document {
	doc.Config = maps.Clone(doc.Config)
	for _, key := range fileKeys {
		text := doc.Config[key]
		if text == "" || config.HasReference(text) {
			continue
		}
		paths := splitList(text)
		for i, path := range paths {
			if !filepath.IsAbs(path) {
				paths[i] = filepath.Join(dir, path)
			}
		}
		doc.Config[key] = strings.Join(paths, ",")
	}
	return doc
}

// checkDocuments reports everything that is wrong with connectors and the files that they name and can be known without asking anybody.
// What several connectors share is said once.
func (a *app) checkDocuments(docs []document) config.Problems {
	registry := a.registry()
	var problems config.Problems
	for _, doc := range docs {
		shared := splitList(doc.Config["mapping.files"])
		for _, p := range registry.Check(doc.Document) {
			if slices.Contains(doc.said, p.Path) {
				continue
			}
			ofMapping := slices.ContainsFunc(append(shared, compiled), func(file string) bool { return p.Path == file || strings.HasPrefix(p.Path, file+":") })
			if !ofMapping {
				p = config.Problems{p}.In(doc.file)[0]
			}
			if !slices.Contains(problems, p) {
				problems = append(problems, p)
			}
		}
	}
	return append(problems, a.formatProblems(docs)...)
}
