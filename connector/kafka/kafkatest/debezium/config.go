package debezium

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Config says what to run.
type Config struct {
	Bootstrap string            // of the Kafka cluster that gets the records
	DSN       string            // of the database, password included
	Connector map[string]string // Debezium's options; topic.prefix must be there, and those that say how the database is reached come from DSN
	Worker    map[string]string // Kafka Connect's worker options that win over ours
	Dir       string            // settings, position and log; empty: a temporary folder that Stop removes
	Heap      string            // -Xmx; empty: 512m
	Peak      bool              // the JVM's own choice of compilers and collector, for measuring; otherwise those that start quickly
}

// Validate reports everything that is missing.
func (c Config) Validate() error {
	var problems []error
	if c.Bootstrap == "" {
		problems = append(problems, errors.New("name the Kafka cluster in Bootstrap"))
	}
	if c.Connector["topic.prefix"] == "" {
		problems = append(problems, errors.New("set topic.prefix in Connector"))
	}
	if _, err := pgx.ParseConfig(c.DSN); err != nil {
		problems = append(problems, fmt.Errorf("read DSN: %w", err))
	}
	return errors.Join(problems...)
}

// slot and name are what the connector will be called.
func (c Config) slot() string { return c.option("slot.name") }
func (c Config) name() string { return c.option("name") }

func (c Config) option(key string) string { return c.connector()[key] }

// connector is the connector's configuration. Only what a user must choose, or what tests cannot wait for, differs from the defaults.
func (c Config) connector() map[string]string {
	all := map[string]string{
		"name":            "debezium",
		"connector.class": "io.debezium.connector.postgresql.PostgresConnector",
		"tasks.max":       "1",
		"plugin.name":     "pgoutput", // its default, decoderbufs, is no part of PostgreSQL
		"slot.name":       "debezium",
		"topic.creation.default.replication.factor": "1",
		"topic.creation.default.partitions":         "1",
	}
	if dsn, err := pgx.ParseConfig(c.DSN); err == nil {
		maps.Copy(all, map[string]string{
			"database.hostname": dsn.Host, "database.port": fmt.Sprint(dsn.Port), "database.user": dsn.User,
			"database.password": dsn.Password, "database.dbname": dsn.Database,
		})
	}
	maps.Copy(all, c.Connector)
	return all
}

// worker is the configuration of Kafka Connect: JSON without schemas.
func (c Config) worker(offsets string, port int) map[string]string {
	all := map[string]string{
		"bootstrap.servers":              c.Bootstrap,
		"key.converter":                  "org.apache.kafka.connect.json.JsonConverter",
		"key.converter.schemas.enable":   "false",
		"value.converter":                "org.apache.kafka.connect.json.JsonConverter",
		"value.converter.schemas.enable": "false",
		"offset.storage.file.filename":   offsets,
		"listeners":                      fmt.Sprintf("http://127.0.0.1:%d", port),
		"plugin.discovery":               "service_load", // the scan of every jar takes seconds
	}
	maps.Copy(all, c.Worker)
	return all
}

// properties writes a Java properties file.
func properties(all map[string]string) []byte {
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(all)) {
		value := escape.Replace(all[key])
		if strings.HasPrefix(value, " ") {
			value = `\` + value
		}
		fmt.Fprintf(&b, "%s=%s\n", key, value)
	}
	return []byte(b.String())
}
