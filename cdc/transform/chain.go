package transform

import (
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
)

// Chain is the transforms that choose topics, in their order, where one of them has an expression. Several goroutines may use it.
type Chain []link

// link is one of the two.
type link struct {
	route  *Route
	script *script
}

// Chain is nil where no transform has an expression: routes alone need no event. See [Config.Routes].
func (c Config) Chain() (out Chain) {
	scripted := false
	for _, name := range c.Names {
		switch c.Keys[name+".type"] {
		case Filter, ContentRouter:
			scripted = true
			out = append(out, link{script: c.script(name, &config.Problems{})})
		case ExtractNewRecordState: // it chooses no topic
		default:
			if r, problems := c.route(name); len(problems) == 0 {
				out = append(out, link{route: &r})
			}
		}
	}
	if !scripted {
		return nil
	}
	return out
}

// Error is an expression that failed for a record. Whether that matters is the caller's to say.
type Error struct {
	Name  string // the transform's
	Topic string // where the record was going
	Err   error
}

func (e *Error) Error() string {
	return fmt.Sprintf("transform %s of a record for %s: %v", e.Name, e.Topic, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Apply gives where the record of ev goes that would go to topic, and whether it goes anywhere. tombstone: it is the one after the delete ev.
// failed is asked what to do when an expression fails: nil, and the record goes on as it is.
func (c Chain) Apply(topic string, ev *change.Event, headers []change.Header, tombstone bool, failed func(*Error) error) (to string, keep bool, err error) {
	var seen *scope
	for _, l := range c {
		if l.route != nil {
			topic = l.route.Topic(topic)
			continue
		}
		one := l.script
		if one.topics != nil && !one.topics.MatchString(topic) {
			continue
		}
		if tombstone && one.nulls != "evaluate" {
			if one.nulls == "drop" {
				return "", false, nil
			}
			continue
		}
		if seen == nil {
			seen = newScope(ev, headers, tombstone)
		}
		seen.Topic = topic
		to, keep, err := one.run(seen)
		switch {
		case err != nil:
			if err := failed(&Error{Name: one.name, Topic: topic, Err: err}); err != nil {
				return "", false, err
			}
		case !keep:
			return "", false, nil
		case to != "":
			topic = to
		}
	}
	return topic, true, nil
}
