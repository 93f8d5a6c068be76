package cdc

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
)

// The transforms that we have, by the names of their classes.
const (
	regexRouter   = "org.apache.kafka.connect.transforms.RegexRouter"
	logicalRouter = "io.debezium.transforms.ByLogicalTableRouter"
)

// route is a transform that only chooses topics: Connect's RegexRouter, or Debezium's ByLogicalTableRouter, which makes one table of several.
type route struct {
	regex       *regexp.Regexp
	replacement string
	logical     bool // the topic's new name is the table's in schemas, too
	unique      bool // keys get a field that says from which table a row is

	field            string
	fieldRegex       *regexp.Regexp
	fieldReplacement string
}

// topic is where a record goes that came so far. The expression must match the whole of it.
func (r route) topic(topic string) string {
	at := r.regex.FindStringSubmatchIndex(topic)
	if at == nil {
		return topic
	}
	return topicName(string(r.regex.ExpandString(nil, r.replacement, topic, at)))
}

// keyField is what ByLogicalTableRouter adds to keys, so that rows of two tables with one key stay two.
type keyField struct{ name, value string }

func (r route) keyField(topic string) *keyField {
	f := &keyField{r.field, topic}
	if r.fieldRegex != nil {
		if at := r.fieldRegex.FindStringSubmatchIndex(topic); at != nil {
			f.value = string(r.fieldRegex.ExpandString(nil, r.fieldReplacement, topic, at))
		}
	}
	return f
}

// extend gives a key with the field; nil stays nil.
func (f *keyField) extend(key change.Row) change.Row {
	if f == nil || len(key) == 0 {
		return key
	}
	return append(key[:len(key):len(key)], change.Column{Name: f.name, Type: change.Type{Name: "text", Modifier: -1}, Value: change.TextValue(f.value)})
}

// routes are those of the configuration, which was validated.
func (c *Config) routes() (out []route) {
	for _, name := range c.Transforms {
		if r, problems := c.route(name); len(problems) == 0 && r.regex != nil {
			out = append(out, r)
		}
	}
	return out
}

// transformKeys are what each class understands.
var transformKeys = map[string][]string{
	regexRouter:     {"regex", "replacement"},
	unwrapTransform: {"delete.tombstone.handling.mode", "add.fields", "add.fields.prefix", "add.headers", "add.headers.prefix"},
	filterTransform: {"condition", "language", "topic.regex", "null.handling.mode"},
	contentRouter:   {"topic.expression", "language", "topic.regex", "null.handling.mode"},
	logicalRouter:   {"topic.regex", "topic.replacement", "key.enforce.uniqueness", "key.field.name", "key.field.regex", "key.field.replacement"},
}

// route reads a transform, and everything that is wrong with it.
func (c *Config) route(name string) (r route, problems config.Problems) {
	get := func(key string) string { return c.TransformKeys[name+"."+key] }
	path := "transforms." + name + "."
	class := get("type")
	known, ok := transformKeys[class]
	if !ok {
		problems.Errorf(path+"type", "%q is no transform that we have: %s", class, strings.Join(change.Sorted(transformKeys), ", "))
		return r, problems
	}
	for key := range c.TransformKeys {
		if own, mine := strings.CutPrefix(key, name+"."); mine && own != "type" && !slices.Contains(known, own) {
			problems.Errorf("transforms."+key, "%s has no such option: %s", class, strings.Join(known, ", "))
		}
	}
	switch class {
	case filterTransform, contentRouter:
		c.script(name, &problems)
		return r, problems
	case unwrapTransform:
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
		compiled, err := anchored(get(key))
		if err != nil {
			problems.Errorf(path+key, "must be a regular expression (RE2, which has no look-around): %v", err)
		}
		return compiled
	}
	prefix := strings.TrimSuffix(known[0], "regex")
	r.regex = expression(known[0], true)
	r.replacement = template(get(prefix + "replacement"))
	if _, given := c.TransformKeys[name+"."+prefix+"replacement"]; !given {
		problems.Errorf(path+prefix+"replacement", "missing")
	}
	if class != logicalRouter {
		return r, problems
	}
	r.logical, r.unique, r.field = true, get("key.enforce.uniqueness") != "false", get("key.field.name")
	if r.field == "" {
		r.field = "__dbz__physicalTableIdentifier"
	}
	r.fieldRegex, r.fieldReplacement = expression("key.field.regex", false), template(get("key.field.replacement"))
	if (r.fieldRegex == nil) != (get("key.field.replacement") == "") {
		problems.Errorf(path+"key.field.replacement", "key.field.regex and key.field.replacement belong together")
	}
	return r, problems
}

// template turns Java's replacement into Go's: $1 takes as many digits as there are, and what is escaped is itself.
func template(java string) string {
	var b strings.Builder
	for i := 0; i < len(java); i++ {
		switch c := java[i]; {
		case c == '\\' && i+1 < len(java):
			i++
			if java[i] == '$' {
				b.WriteByte('$')
			}
			b.WriteByte(java[i])
		case c == '$' && i+1 < len(java) && java[i+1] >= '0' && java[i+1] <= '9':
			digits := strings.TrimLeft(java[i+1:], "0123456789")
			b.WriteString("${" + java[i+1:len(java)-len(digits)] + "}")
			i = len(java) - len(digits) - 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// transformProblems reports everything that is wrong with the transforms.
func (c *Config) transformProblems() (problems config.Problems) {
	for i, name := range c.Transforms {
		if slices.Contains(c.Transforms[:i], name) {
			problems.Errorf("transforms", "%q is there twice", name)
			continue
		}
		_, found := c.route(name)
		problems = append(problems, found...)
	}
	for _, key := range change.Sorted(c.TransformKeys) {
		if name, _, _ := strings.Cut(key, "."); !slices.Contains(c.Transforms, name) {
			problems.Errorf("transforms."+key, "transforms does not name %s, so it would have no effect", strconv.Quote(name))
		}
	}
	return problems
}

// topicProblems finds tables whose names become one topic. Where a RegexRouter sends several to one that is said; ByLogicalTableRouter is for that.
func (f *facts) topicProblems(c Config, problems *config.Problems) {
	n := c.naming()
	bases, topics := map[string]string{}, map[string]string{}
	for _, t := range f.tables {
		base := n.base(t.tableName)
		topic, name, _ := n.table(t.tableName)
		switch other, taken := bases[base]; {
		case taken:
			problems.Errorf("table "+t.String(), "its topic %s is also that of %s: rename one of the tables", base, other)
		case topics[topic] != "" && name != topic:
			problems.Warnf("table "+t.String(), "transforms send its records to topic %s, as those of %s: rows with one key are one to consumers there; "+
				"%s keeps them apart", topic, topics[topic], logicalRouter)
		}
		bases[base], topics[topic] = t.String(), t.String()
	}
	for _, other := range []string{n.message(), n.transaction(), n.heartbeat()} {
		if t := topics[other]; t != "" {
			problems.Errorf("table "+t, "its topic %s is also that of messages, transactions or heartbeats", other)
		}
	}
}
