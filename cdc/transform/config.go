package transform

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
)

// The transforms that there are, by the names of their classes.
const (
	RegexRouter           = "org.apache.kafka.connect.transforms.RegexRouter"
	LogicalRouter         = "io.debezium.transforms.ByLogicalTableRouter"
	Filter                = "io.debezium.transforms.Filter"
	ContentRouter         = "io.debezium.transforms.ContentBasedRouter"
	ExtractNewRecordState = "io.debezium.transforms.ExtractNewRecordState"
)

// Config is transforms, in their order, and the options transforms.{name}.{option}, without the first word.
type Config struct {
	Names []string
	Keys  map[string]string
}

// Problems reports everything that is wrong, by the options' names.
func (c Config) Problems() (problems config.Problems) {
	for i, name := range c.Names {
		if slices.Contains(c.Names[:i], name) {
			problems.Errorf("transforms", "%q is there twice", name)
			continue
		}
		_, found := c.route(name)
		problems = append(problems, found...)
	}
	for _, key := range change.Sorted(c.Keys) {
		if name, _, _ := strings.Cut(key, "."); !slices.Contains(c.Names, name) {
			problems.Errorf("transforms."+key, "transforms does not name %s, so it would have no effect", strconv.Quote(name))
		}
	}
	return problems
}

// Routes are those that look at topics only.
func (c Config) Routes() (out []Route) {
	for _, name := range c.Names {
		if r, problems := c.route(name); len(problems) == 0 && r.regex != nil {
			out = append(out, r)
		}
	}
	return out
}

// transformKeys are what each class understands.
var transformKeys = map[string][]string{
	RegexRouter:           {"regex", "replacement"},
	ExtractNewRecordState: {"delete.tombstone.handling.mode", "add.fields", "add.fields.prefix", "add.headers", "add.headers.prefix"},
	Filter:                {"condition", "language", "topic.regex", "null.handling.mode"},
	ContentRouter:         {"topic.expression", "language", "topic.regex", "null.handling.mode"},
	LogicalRouter:         {"topic.regex", "topic.replacement", "key.enforce.uniqueness", "key.field.name", "key.field.regex", "key.field.replacement"},
}

// route reads a transform, and everything that is wrong with it.
func (c Config) route(name string) (r Route, problems config.Problems) {
	get := func(key string) string { return c.Keys[name+"."+key] }
	path := "transforms." + name + "."
	class := get("type")
	known, ok := transformKeys[class]
	if !ok {
		problems.Errorf(path+"type", "%q is no transform that we have: %s", class, strings.Join(change.Sorted(transformKeys), ", "))
		return r, problems
	}
	for key := range c.Keys {
		if own, mine := strings.CutPrefix(key, name+"."); mine && own != "type" && !slices.Contains(known, own) {
			problems.Errorf("transforms."+key, "%s has no such option: %s", class, strings.Join(known, ", "))
		}
	}
	switch class {
	case Filter, ContentRouter:
		c.script(name, &problems)
		return r, problems
	case ExtractNewRecordState:
		c.unwrapping(name, &problems)
		return r, problems
	}
	expression := func(key string, needed bool) *regexp.Regexp {
		if get(key) == "" {
			if needed {
				problems.Errorf(path+key, "missing")
			}
			return nil
		}
		compiled, err := config.Anchored(get(key))
		if err != nil {
			problems.Errorf(path+key, "must be a regular expression (RE2, which has no look-around): %v", err)
		}
		return compiled
	}
	prefix := strings.TrimSuffix(known[0], "regex")
	r.regex = expression(known[0], true)
	r.replacement = template(get(prefix + "replacement"))
	if _, given := c.Keys[name+"."+prefix+"replacement"]; !given {
		problems.Errorf(path+prefix+"replacement", "missing")
	}
	if class != LogicalRouter {
		return r, problems
	}
	r.Logical, r.Unique, r.field = true, get("key.enforce.uniqueness") != "false", get("key.field.name")
	if r.field == "" {
		r.field = "__dbz__physicalTableIdentifier"
	}
	r.fieldRegex, r.fieldReplacement = expression("key.field.regex", false), template(get("key.field.replacement"))
	if (r.fieldRegex == nil) != (get("key.field.replacement") == "") {
		problems.Errorf(path+"key.field.replacement", "key.field.regex and key.field.replacement belong together")
	}
	return r, problems
}
