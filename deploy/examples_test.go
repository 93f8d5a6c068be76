package deploy_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-sync/tandem/connector/config"
)

// connectors are the example files that README names, and their classes.
var connectors = map[string]string{
	"crm-source.json":    "cdc.PostgresSource",
	"notion-sink.json":   "sink.NotionSink",
	"notion-source.json": "source.NotionSource",
	"crm-sink.json":      "sink.PostgresSink",
}

// example reads a connector file. It is a failure in CI that one is missing.
func example(t *testing.T, name string) config.Document {
	t.Helper()
	path := filepath.Join("examples", name)
	if _, err := os.Stat(path); os.IsNotExist(err) && os.Getenv("CI") == "" {
		t.Skip("SKIP: the example connector is not there: ", path)
	}
	doc, err := config.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// People are told to give examples/*.json to the commands: all of these are connectors.
func TestAllExampleFilesAreConnectors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("examples/*.json")
	if err != nil || len(files) != len(connectors) {
		t.Errorf("%q, %v", files, err)
	}
	for _, file := range files {
		if connectors[filepath.Base(file)] == "" {
			t.Errorf("%s is no connector", file)
		}
	}
}

func TestExampleConnectorsAreWhatTheirNamesSay(t *testing.T) {
	t.Parallel()
	syncs := map[string]bool{}
	for name, class := range connectors {
		doc := example(t, name)
		if doc.Name != strings.TrimSuffix(name, ".json") || doc.Config["connector.class"] != class {
			t.Errorf("%s: name %q, class %q; want its own name and %s", name, doc.Name, doc.Config["connector.class"], class)
		}
		syncs[doc.Config["sync"]] = true
		for key, value := range doc.Config {
			secret := strings.Contains(key, "password") || strings.Contains(key, "token") && !strings.HasSuffix(key, ".file")
			if secret && value != "" && !config.HasReference(value) {
				t.Errorf("%s: %s is written down; an example refers: ${env:NAME}", name, key)
			}
		}
	}
	if len(syncs) != 1 {
		t.Errorf("the examples belong to different syncs: %v", slices.Collect(maps.Keys(syncs)))
	}
}

// An example file names other files, relative to itself, and each exists. All connectors of a sync are given the same mappings.
func TestExampleConnectorsNameFilesThatExist(t *testing.T) {
	t.Parallel()
	want := []string{"contact.json", "opportunity.json", "task.json"}
	for name := range connectors {
		doc := example(t, name)
		var mappings []string
		for _, file := range strings.Split(doc.Config["mapping.files"], ",") {
			if file = strings.TrimSpace(file); file == "" {
				continue
			}
			mappings = append(mappings, filepath.Base(file))
			mustExist(t, name, filepath.Join("examples", file))
		}
		slices.Sort(mappings)
		if len(mappings) > 0 && !slices.Equal(mappings, want) {
			t.Errorf("%s: mappings %q, want %q", name, mappings, want)
		}
		if plugins := doc.Config["plugins.file"]; plugins != "" {
			mustExist(t, name, filepath.Join("examples", plugins))
		}
	}
}

// What a file refers to as ${env:NAME} is set by the compose file for its container, and listed in the systemd unit's environment file.
func TestEveryReferenceOfTheExamplesIsSet(t *testing.T) {
	t.Parallel()
	compose := readCompose(t)
	unit := environmentFile(t)
	for name := range connectors {
		service, ok := compose.Services[strings.TrimSuffix(name, ".json")]
		if !ok {
			t.Errorf("the compose file has no service for %s", name)
			continue
		}
		needed := map[string]bool{}
		for _, value := range example(t, name).Config {
			for _, ref := range regexp.MustCompile(`\$\{env:([^}]+)\}`).FindAllStringSubmatch(value, -1) {
				needed[ref[1]] = true
			}
		}
		for key := range needed {
			if _, given := service.Environment[key]; !given {
				t.Errorf("%s refers to %s, which compose.yaml does not give its container", name, key)
			}
			if !unit[key] {
				t.Errorf("%s refers to %s, which systemd/tandem.env does not list", name, key)
			}
		}
		for key := range service.Environment {
			if secret := strings.Contains(key, "PASSWORD") || strings.Contains(key, "TOKEN"); secret && !needed[key] {
				t.Errorf("%s has no use for %s, and its container is given it", name, key)
			}
		}
	}
}

// The publication holds every table of the example mappings, or its changes would never be seen.
func TestEveryTableOfTheMappingsIsPublishedAndGranted(t *testing.T) {
	t.Parallel()
	sql := read(t, "postgres/tandem.sql")
	_, publication, _ := strings.Cut(sql, "CREATE PUBLICATION")
	grants, _, _ := strings.Cut(sql, "CREATE PUBLICATION")
	tables := map[string]bool{}
	sequences := map[string]bool{}
	files, _ := filepath.Glob("examples/mappings/*.json")
	if len(files) != 3 {
		t.Fatalf("example mappings: %q, want three", files)
	}
	for _, file := range files {
		var doc any
		if err := json.Unmarshal([]byte(read(t, file)), &doc); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		walk(doc, func(key, value string) {
			if key == "table" {
				tables[strings.TrimPrefix(value, "public.")] = true
			}
			if sequence, ok := strings.CutPrefix(value, "sequence:"); ok && key == "new_key" {
				sequences[strings.TrimPrefix(sequence, "public.")] = true
			}
		})
	}
	has := func(text, word string) bool { return regexp.MustCompile(`[ ,]` + word + `[ ,\n]`).MatchString(text) }
	for table := range tables {
		if !has(publication, table) || !has(grants, table) {
			t.Errorf("table %s of the mappings: published %v, granted %v", table, has(publication, table), has(grants, table))
		}
	}
	for sequence := range sequences {
		if !has(grants, sequence) {
			t.Errorf("sequence %s of the mappings is not granted", sequence)
		}
	}
}

// walk visits every string of a JSON document with the key that it stands under.
func walk(v any, visit func(key, value string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if s, ok := e.(string); ok {
				visit(k, s)
			}
			walk(e, visit)
		}
	case []any:
		for _, e := range v {
			walk(e, visit)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func mustExist(t *testing.T, who, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("%s names %s: %v", who, path, err)
	}
}
