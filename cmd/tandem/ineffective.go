package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/config"
)

// byKey takes an error of several apart, each problem under the key that stands before its first colon.
func byKey(err error) config.Problems {
	var found config.Problems
	var several interface{ Unwrap() []error }
	switch {
	case err == nil:
	case errors.As(err, &found):
	case errors.As(err, &several):
		for _, one := range several.Unwrap() {
			found = append(found, byKey(one)...)
		}
	default:
		key, text, isKeyed := strings.Cut(err.Error(), ": ")
		if !isKeyed || strings.ContainsRune(key, ' ') {
			key, text = "", err.Error()
		}
		found.Errorf(key, "%s", text)
	}
	return found
}

// useless is a key of a connector that changes nothing there, and why.
type useless struct{ key, because string }

const oneTask = "every connector is one task that works on several records at a time: for more of it raise concurrency.max, or start the file in another process"

// forSources are keys that Kafka Connect gives to every connector and that mean nothing to a source.
var forSources = []useless{
	{"tasks.max", "a source is one task: another process with the same file waits, and takes over"},
	{"errors.retry.timeout", "a source tries for ever"},
	{"errors.retry.delay.max.ms", "a source has its own pauses, of a minute at most"},
	{"errors.log.enable", "a source says in its log what it sets aside"},
	{"errors.log.include.messages", "the dead letters of a source hold what it sets aside"},
}

func (k *kafkaKeys) useless() []useless {
	var out []useless
	if !strings.HasPrefix(k.Protocol, "SASL_") {
		for _, key := range []string{"sasl.mechanism", "sasl.username", "sasl.password"} {
			out = append(out, useless{key, "security.protocol is " + k.Protocol + ", which logs nobody in: SASL_SSL does"})
		}
	}
	if !strings.HasSuffix(k.Protocol, "SSL") {
		for _, key := range []string{"ssl.ca.location", "ssl.certificate.location", "ssl.key.location"} {
			out = append(out, useless{key, "security.protocol is " + k.Protocol + ", which does not encrypt: SSL and SASL_SSL do"})
		}
	}
	return out
}

func (k *cdcKeys) useless() []useless {
	out := slices.Concat(forSources, k.Kafka.useless())
	if k.Tolerance == config.TolerateNone {
		for _, key := range []string{"errors.deadletterqueue.topic.name", "errors.deadletterqueue.topic.replication.factor"} {
			out = append(out, useless{key, "errors.tolerance is none, so the first change that Kafka refuses stops the connector"})
		}
	}
	return out
}

func (k *pollKeys) useless() []useless {
	return slices.Concat(forSources, k.Kafka.useless(), []useless{
		{"errors.tolerance", "this source has no record that it could set aside"},
		{"alerts.topic", "the sinks publish alerts"},
		{"plugins.file", "the sinks apply the mapping's functions"},
	})
}

func (k *sinkKeys) useless() []useless {
	out := append(k.Kafka.useless(), useless{"tasks.max", oneTask})
	if k.Tolerance == config.TolerateNone {
		for _, key := range []string{"errors.deadletterqueue.topic.name", "errors.deadletterqueue.topic.replication.factor",
			"errors.deadletterqueue.context.headers.enable", "errors.log.enable", "errors.log.include.messages"} {
			out = append(out, useless{key, "errors.tolerance is none, so the first record that cannot be read stops the connector"})
		}
		return out
	}
	if !k.LogErrors {
		out = append(out, useless{"errors.log.include.messages", "errors.log.enable is false"})
	}
	return out
}

// ineffective warns of keys that were given another value than the default and change nothing, so that nobody relies on them.
func ineffective(m config.Map, k keys) config.Problems {
	defaults := map[string]string{}
	for _, d := range config.Definitions(k) {
		defaults[d.Name] = d.Default
	}
	var problems config.Problems
	for _, u := range k.useless() {
		if value := strings.TrimSpace(m[u.key]); value != "" && value != defaults[u.key] {
			problems.Warnf(u.key, "has no effect here: %s", u.because)
		}
	}
	return problems
}
