package main

import "github.com/tandem-sync/tandem/connector/config"

// debeziumClass is what configurations of Debezium's connector for PostgreSQL name.
const debeziumClass = "io.debezium.connector.postgresql.PostgresConnector"

// fromDebezium makes a configuration of Debezium's one of ours: the class, the prefix by its name of before 2.0, and every table where none is chosen.
// Keys that mean the same have the same names; of the others cdc.Config's Foreign says what takes their place. doc.Config is the caller's to change.
func fromDebezium(doc config.Document) config.Document {
	c := doc.Config
	if c["connector.class"] != debeziumClass {
		return doc
	}
	c["connector.class"] = "cdc.PostgresSource"
	for was, is := range map[string]string{
		"database.server.name": "topic.prefix", "heartbeat.topics.prefix": "topic.heartbeat.prefix",
		"table.whitelist": "table.include.list", "table.blacklist": "table.exclude.list", "schema.whitelist": "schema.include.list", "schema.blacklist": "schema.exclude.list",
		"column.whitelist": "column.include.list", "column.blacklist": "column.exclude.list",
	} {
		if value, given := c[was]; given {
			delete(c, was)
			if c[is] == "" {
				c[is] = value
			}
		}
	}
	if c["table.include.list"] == "" && c["mapping.files"] == "" {
		c["table.include.list"] = ".*"
	}
	return doc
}
