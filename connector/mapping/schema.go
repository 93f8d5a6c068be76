package mapping

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/agnivade/levenshtein"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Schema is the published JSON Schema of mapping documents.
//
//go:embed mapping.schema.json
var Schema []byte

const schemaURL = "https://tandem-sync.github.io/mapping.schema.json"

// compiledSchema is the schema ready to judge, and its tree to look names up in. The file is embedded and tested, so a
// fault in it is a programmer's.
var compiledSchema = sync.OnceValues(func() (*jsonschema.Schema, any) {
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		panic(fmt.Sprintf("read mapping.schema.json: %v", err))
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaURL, tree); err != nil {
		panic(fmt.Sprintf("add mapping.schema.json: %v", err))
	}
	return c.MustCompile(schemaURL), tree
})

// judge lists everything in a JSON document that the schema does not allow.
func judge(data []byte) Diagnostics {
	var ds Diagnostics
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		ds.errorf("", syntaxPlace(data, err), "the document is no JSON")
		return ds
	}
	repeatedKeys(data, &ds)
	schema, tree := compiledSchema()
	var invalid *jsonschema.ValidationError
	if errors.As(schema.Validate(instance), &invalid) {
		collect(invalid, tree, &ds)
	}
	slices.SortStableFunc(ds, func(a, b Diagnostic) int { return strings.Compare(a.Path, b.Path) })
	return ds
}

func syntaxPlace(data []byte, err error) string {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err.Error()
	}
	before := data[:min(int(syntax.Offset), len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	return fmt.Sprintf("line %d, column %d: %v", line, len(before)-bytes.LastIndexByte(before, '\n')-1, syntax)
}

// collect turns the leaves of a validation error into diagnostics.
func collect(e *jsonschema.ValidationError, tree any, ds *Diagnostics) {
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			collect(cause, tree, ds)
		}
		return
	}
	path := pathOf(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		known := propertiesAt(tree, e.SchemaURL)
		for _, name := range k.Properties {
			ds.errorf(join(path, name), didYouMean(name, known), "there is no such key")
		}
	case *kind.Required:
		for _, name := range k.Missing {
			ds.errorf(join(path, name), "", "this key is missing")
		}
	case *kind.Enum:
		want := make([]string, len(k.Want))
		for i, w := range k.Want {
			want[i] = fmt.Sprint(w)
		}
		got := fmt.Sprint(k.Got)
		ds.errorf(path, didYouMean(got, want), "%q is not one of %s", got, strings.Join(want, ", "))
	case *kind.Type:
		ds.errorf(path, "", "want %s, got %s", strings.Join(k.Want, " or "), k.Got)
	default:
		ds.errorf(path, "", "%s", e.ErrorKind.LocalizedString(message.NewPrinter(language.English)))
	}
}

// pathOf writes a JSON location as fields[2].type.
func pathOf(location []string) string {
	path := ""
	for _, part := range location {
		if _, err := strconv.Atoi(part); err == nil {
			path += "[" + part + "]"
			continue
		}
		path = join(path, part)
	}
	return path
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// propertiesAt lists the keys that the schema knows at a location (…#/$defs/field).
func propertiesAt(tree any, url string) []string {
	_, pointer, _ := strings.Cut(url, "#")
	node, _ := tree.(map[string]any)
	for _, part := range strings.Split(strings.Trim(pointer, "/"), "/") {
		if part == "" {
			continue
		}
		part = strings.NewReplacer("~1", "/", "~0", "~", "%24", "$").Replace(part)
		node, _ = node[part].(map[string]any)
	}
	properties, _ := node["properties"].(map[string]any)
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// didYouMean suggests the nearest of the known names, or lists them all if there are few.
func didYouMean(name string, known []string) string {
	best, distance := "", 1+len(name)/3
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(k)); d <= distance && (best == "" || d < distance) {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	const listMax = 16
	if len(known) == 0 || len(known) > listMax {
		return ""
	}
	return "known: " + strings.Join(known, ", ")
}

// repeatedKeys finds names that stand twice in one object, of which JSON decoders keep the last without a word.
func repeatedKeys(data []byte, ds *Diagnostics) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var walk func(path string)
	walk = func(path string) {
		token, err := dec.Token()
		if err != nil {
			return
		}
		switch token {
		case json.Delim('{'):
			seen := map[string]bool{}
			for dec.More() {
				name, err := dec.Token()
				if err != nil {
					return
				}
				key := fmt.Sprint(name)
				if seen[key] {
					ds.errorf(join(path, key), "", "this key stands twice")
				}
				seen[key] = true
				walk(join(path, key))
			}
			_, _ = dec.Token()
		case json.Delim('['):
			for i := 0; dec.More(); i++ {
				walk(fmt.Sprintf("%s[%d]", path, i))
			}
			_, _ = dec.Token()
		}
	}
	walk("")
}
