package transform

import (
	"regexp"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// Route is a transform that only chooses topics: Connect's RegexRouter, or Debezium's ByLogicalTableRouter, which makes one table of several.
type Route struct {
	regex       *regexp.Regexp
	replacement string
	Logical     bool // the topic's new name is the table's in schemas, too
	Unique      bool // keys get a field that says from which table a row is

	field            string
	fieldRegex       *regexp.Regexp
	fieldReplacement string
}

// Topic is where a record goes that came so far. The expression must match the whole of it.
func (r Route) Topic(topic string) string {
	at := r.regex.FindStringSubmatchIndex(topic)
	if at == nil {
		return topic
	}
	return change.TopicName(string(r.regex.ExpandString(nil, r.replacement, topic, at)))
}

// KeyField is what ByLogicalTableRouter adds to keys, so that rows of two tables with one key stay two.
type KeyField struct{ Name, Value string }

// KeyField is what a key of a record gets that came from topic.
func (r Route) KeyField(topic string) *KeyField {
	f := &KeyField{r.field, topic}
	if r.fieldRegex != nil {
		if at := r.fieldRegex.FindStringSubmatchIndex(topic); at != nil {
			f.Value = string(r.fieldRegex.ExpandString(nil, r.fieldReplacement, topic, at))
		}
	}
	return f
}

// Extend gives a key with the field; nil stays nil.
func (f *KeyField) Extend(key change.Row) change.Row {
	if f == nil || len(key) == 0 {
		return key
	}
	return append(key[:len(key):len(key)], change.Column{Name: f.Name, Type: change.Type{Name: "text", Modifier: -1}, Value: change.TextValue(f.Value)})
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
