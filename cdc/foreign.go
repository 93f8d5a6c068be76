package cdc

import "strings"

// Foreign tells what becomes of a key of Debezium's that is not one of ours, so that a configuration that comes from there is not met with silence.
func (c *Config) Foreign(key string) (advice string, known bool) {
	if advice, known = foreignKeys[key]; known {
		return advice, true
	}
	for _, p := range foreignPrefixes {
		if strings.HasPrefix(key, p.prefix) {
			return p.advice, true
		}
	}
	return "", false
}

const (
	notNeeded  = "it can be removed: nothing here depends on it"
	alwaysSo   = "it can be removed: Tandem always does so"
	memory     = "memory is bounded in bytes instead: in.flight.bytes.max"
	ownTrouble = "the stream is tried again until it works"
)

// foreignKeys are those of Debezium 3.6's PostgreSQL connector, and of Kafka Connect's source connectors, that are not ours.
var foreignKeys = map[string]string{
	"boolean.handling.mode":                           notNeeded,
	"connector.displayName":                           notNeeded,
	"converters":                                      "custom converters are Java classes, which are not run: types are written by the *.handling.mode keys",
	"custom.metric.tags":                              "metrics carry the connector's name",
	"database.history":                                alwaysSo + "; the stream itself says how tables were",
	"database.initial.statements":                     "sessions are set up as values must be read, and by the role's own settings (ALTER ROLE … SET)",
	"database.query.timeout.ms":                       notNeeded,
	"database.tcpKeepAlive":                           alwaysSo,
	"event.processing.failure.handling.mode":          "a value that cannot be read is written as PostgreSQL's text; what cannot be written goes by errors.tolerance",
	"executor.shutdown.timeout.ms":                    "drain.timeout.ms bounds a stop",
	"flush.lsn.source":                                "PostgreSQL is told of a position when Kafka has it; it can be removed",
	"guardrail.collections.limit.action":              notNeeded,
	"guardrail.collections.max":                       notNeeded,
	"heartbeat.topics.prefix":                         "its name is topic.heartbeat.prefix",
	"include.schema.changes":                          notNeeded,
	"include.schema.comments":                         notNeeded,
	"internal.log.position.check.enable":              notNeeded,
	"lsn.flush.mode":                                  "PostgreSQL is told of a position when Kafka has it, and of keepalives' when nothing is under way",
	"lsn.flush.timeout.action":                        notNeeded,
	"lsn.flush.timeout.ms":                            notNeeded,
	"max.batch.size":                                  memory,
	"max.queue.size":                                  memory,
	"max.queue.size.in.bytes":                         memory,
	"notification.enabled.channels":                   "the log, tandem status and the metrics tell what happens",
	"notification.sink.topic.name":                    "the log, tandem status and the metrics tell what happens",
	"plugin.name":                                     "changes are read with pgoutput, which is part of PostgreSQL",
	"poll.interval.ms":                                "changes are written as they come",
	"post.processors":                                 "reselect.unavailable.values reads what was not sent",
	"provide.transaction.metadata.factory":            notNeeded,
	"query.fetch.size":                                notNeeded,
	"retriable.restart.connector.wait.ms":             ownTrouble,
	"schema.history.internal":                         alwaysSo + "; the stream itself says how tables were",
	"schema.refresh.mode":                             "the stream itself says how tables are; it can be removed",
	"snapshot.delay.ms":                               notNeeded,
	"snapshot.fetch.size":                             "tables are read by COPY, in ranges of pages",
	"snapshot.isolation.mode":                         "snapshots are repeatable read on one exported snapshot",
	"snapshot.lock.timeout.ms":                        "snapshots take no locks",
	"snapshot.locking.mode":                           "snapshots take no locks",
	"snapshot.max.threads.multiplier":                 "snapshot.max.threads connections share every table",
	"snapshot.mode.configuration.based.snapshot.data": "snapshot.mode",
	"snapshot.tables.order.by.row.count":              notNeeded,
	"sourceinfo.struct.maker":                         notNeeded,
	"streaming.delay.ms":                              notNeeded,
	"table.ignore.builtin":                            alwaysSo,
	"task.management.timeout.ms":                      "drain.timeout.ms bounds a stop",
	"topic.cache.size":                                notNeeded,
	"transaction.metadata.factory":                    notNeeded,
	"xmin.fetch.interval.ms":                          "source.xmin is null, as by default",
}

// foreignPrefixes are kinds of keys.
var foreignPrefixes = []struct{ prefix, advice string }{
	{"column.propagate.source.type", "source types are not told in schemas"},
	{"datatype.propagate.source.type", "source types are not told in schemas"},
	{"database.history.", alwaysSo},
	{"schema.history.internal.", alwaysSo},
	{"snapshot.mode.configuration.based.", "snapshot.mode"},
	{"snapshot.mode.custom.", "snapshot.mode"},
	{"openlineage.", "lineage is not reported"},
	{"internal.", notNeeded},
}
