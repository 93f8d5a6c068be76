package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a connector file. Real ones are a few kilobytes; what is larger is another file, named by mistake.
const (
	documentBytesMax = 1 << 20
	keyBytesMax      = 512
)

// Document is one connector file as it was written: no default filled in, no reference resolved. Config has the name among its keys.
type Document struct {
	Name         string `json:"name"`
	InitialState string `json:"initial_state,omitempty"` // RUNNING (where empty), PAUSED or STOPPED
	Config       Map    `json:"config"`
}

// Map is a connector's configuration: dotted keys to strings. It may hold passwords that somebody wrote down literally, so it
// does not print its values. As JSON it gives them, since the REST API must echo what it was given.
type Map map[string]string

// String names the keys.
func (m Map) String() string { return fmt.Sprintf("config%q", slices.Sorted(maps.Keys(m))) }

// GoString is String for %#v.
func (m Map) GoString() string { return m.String() }

// LogValue is String for slog.
func (m Map) LogValue() slog.Value { return slog.StringValue(m.String()) }

// ReadFile reads a connector file in any form that Parse knows. Every problem names the file.
func ReadFile(path string) (Document, error) {
	data, err := readFileMax(path, documentBytesMax)
	if err != nil {
		return Document{}, Problems{{Path: path, Summary: err.Error(), Severity: SeverityError}}
	}
	doc, problems := parse(filepath.Ext(path), data)
	return doc, problems.In(path).Err()
}

// Parse reads a connector's configuration in one of the three forms that Kafka Connect's standalone worker takes:
// {"name","config","initial_state"}, a flat JSON map with a name, or Java properties where format is ".properties".
// Numbers and booleans become strings as they stand. Nothing is resolved.
func Parse(format string, data []byte) (Document, error) {
	doc, problems := parse(format, data)
	return doc, problems.Err()
}

func parse(format string, data []byte) (Document, Problems) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	switch {
	case len(data) > documentBytesMax:
		return Document{}, Problems{{Summary: fmt.Sprintf("larger than %d bytes, which no connector file is", documentBytesMax), Severity: SeverityError}}
	case !utf8.Valid(data):
		return Document{}, Problems{{Summary: "not UTF-8 text", Severity: SeverityError}}
	case strings.EqualFold(format, ".properties"):
		return parseProperties(data)
	}
	return parseJSON(data)
}

func parseProperties(data []byte) (Document, Problems) {
	var problems Problems
	pairs := properties(string(data), &problems)
	doc := Document{Config: Map{}}
	for _, p := range pairs {
		if _, twice := doc.Config[p.key]; twice {
			problems.Errorf(p.key, "written twice")
		}
		doc.Config[p.key] = p.value
	}
	doc.Name = doc.Config["name"]
	return doc, doc.check(problems)
}

func parseJSON(data []byte) (Document, Problems) {
	top, problems := object(data, "")
	if top == nil {
		return Document{}, problems
	}
	doc := Document{}
	switch wrapped, isWrapped := top.nested["config"]; {
	case isWrapped:
		inner, more := object(wrapped, "config")
		problems = append(problems, more...)
		if inner != nil {
			doc.Config = inner.flatten("config.", &problems)
		}
		doc.Name, doc.InitialState = top.scalars["name"], top.scalars["initial_state"]
		top.others(&problems)
		if name, ok := doc.Config["name"]; ok && doc.Name != "" && name != doc.Name {
			problems.Errorf("config.name", "is another name than the one beside config")
		} else if doc.Name == "" {
			doc.Name = name
		}
		if doc.Config != nil && doc.Name != "" {
			doc.Config["name"] = doc.Name // the one thing that Kafka Connect adds
		}
	default:
		doc.Config = top.flatten("", &problems)
		doc.Name = doc.Config["name"]
	}
	return doc, doc.check(problems)
}

// check looks at what every document must have.
func (d Document) check(problems Problems) Problems {
	if d.Name == "" && !problems.has("name") {
		problems.Errorf("name", "missing: every connector has a name")
	}
	if d.Config["connector.class"] == "" && !problems.has("connector.class") {
		problems.Errorf("connector.class", "missing: it says which connector this configures")
	}
	if !slices.Contains([]string{"", "RUNNING", "PAUSED", "STOPPED"}, d.InitialState) {
		problems.Errorf("initial_state", "must be RUNNING, PAUSED or STOPPED")
	}
	for key := range maps.Keys(d.Config) {
		if len(key) > keyBytesMax || strings.TrimSpace(key) != key || key == "" {
			problems.Errorf(shorten(key), "not a key: empty, with blanks around it, or longer than %d bytes", keyBytesMax)
		}
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return problems
}

// jsonObject is one level of a JSON object: scalars as strings, the rest raw.
type jsonObject struct {
	scalars map[string]string
	nested  map[string]json.RawMessage
}

// object reads one level and finds keys written twice, which encoding/json would not say. Messages hold keys, never values.
func object(data []byte, path string) (*jsonObject, Problems) {
	fail := func(what string) (*jsonObject, Problems) {
		return nil, Problems{{Path: path, Summary: what, Severity: SeverityError}}
	}
	var whole any
	if err := json.Unmarshal(data, &whole); err != nil && len(bytes.TrimSpace(data)) > 0 {
		return fail(syntax(err, data))
	}
	if _, ok := whole.(map[string]any); !ok {
		return fail("must be a JSON object: {\"name\": …, \"config\": {…}}")
	}

	// The text is valid: reading it again token by token cannot fail.
	dec := json.NewDecoder(bytes.NewReader(data))
	_, _ = dec.Token() // {
	var problems Problems
	o := &jsonObject{scalars: map[string]string{}, nested: map[string]json.RawMessage{}}
	seen := map[string]bool{}
	for dec.More() {
		key, _ := dec.Token()
		name, _ := key.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fail(syntax(err, data))
		}
		if seen[name] {
			problems.Errorf(join(path, name), "written twice")
		}
		seen[name] = true
		o.put(name, value)
	}
	return o, problems
}

func (o *jsonObject) put(name string, value json.RawMessage) {
	switch value[0] {
	case '{', '[':
		o.nested[name] = value
	case 'n': // null: as if the key were not there, as in Kafka Connect
	case '"':
		var s string
		_ = json.Unmarshal(value, &s) // was decoded once already
		o.scalars[name] = s
	default: // numbers and booleans as they stand: 1 stays 1, 1e3 stays 1e3
		o.scalars[name] = string(value)
	}
}

// flatten takes the scalars; anything nested is a problem.
func (o *jsonObject) flatten(prefix string, problems *Problems) Map {
	for name, value := range o.nested {
		if value[0] == '[' {
			problems.Errorf(prefix+shorten(name), "is a list: write one string with commas")
		} else {
			problems.Errorf(prefix+shorten(name), "is an object: write its keys with dots, such as %s.…", shorten(name))
		}
	}
	return o.scalars
}

// others complains of what stands beside name, config and initial_state.
func (o *jsonObject) others(problems *Problems) {
	names := slices.AppendSeq(slices.Collect(maps.Keys(o.nested)), maps.Keys(o.scalars))
	for _, name := range names {
		switch name {
		case "name", "config", "initial_state":
		case "tasks", "type": // what GET /connectors/{name} answers: such a file may be fed back
		default:
			problems.Errorf(shorten(name), "stands beside config: move it into config")
		}
	}
}

// syntax says where JSON is broken, by line and column in characters. It does not quote: the place may be in a password.
func syntax(err error, data []byte) string {
	var se *json.SyntaxError
	if !errors.As(err, &se) {
		return "not valid JSON"
	}
	if se.Offset >= int64(len(data)) {
		return "not valid JSON: it ends too early"
	}
	before := data[:max(se.Offset-1, 0)]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("not valid JSON at line %d, column %d", line, column)
}

func join(path, name string) string {
	if path == "" {
		return shorten(name)
	}
	return path + "." + shorten(name)
}

// shorten keeps a key that is none out of the log in full length.
func shorten(key string) string {
	const shown = 80
	if len(key) <= shown {
		return key
	}
	return strings.ToValidUTF8(key[:shown], "") + "…"
}

// readFileMax reads a file that is at most limit bytes long. Errors name what is wrong, not the path.
func readFileMax(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, plain(err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("larger than %d bytes", limit)
	}
	return data, nil
}

// plain says a file error in words.
func plain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such file")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("this user may not read the file")
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("cannot read the file: %w", pe.Err)
	}
	return err
}
