package cdc

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/config"
)

// defineSignals tells of the keys of incremental snapshots, and of the signals that ask for them.
func (c *Config) defineSignals(s *config.Set) {
	const group = "Signals"
	s.List(&c.SignalChannels, config.Key{Name: "signal.enabled.channels", Default: ChannelSource + "," + ChannelKafka, Group: group, Validate: validChannels,
		Doc: "By which ways a running connector is asked for snapshots of tables: source (the table signal.data.collection), kafka (the topic signal.kafka.topic, to which tandem snapshot writes), or none."})
	s.String(&c.SignalTable, config.Key{Name: "signal.data.collection", Default: "", Group: group, Validate: validSignalTable,
		Doc: "The table of signals, schema.table, with the columns id, type and data, all text. What is inserted there is done. Empty for none."})
	s.String(&c.SignalTopic, config.Key{Name: "signal.kafka.topic", Default: "", Group: group,
		Validate: config.Matches(`[A-Za-z0-9._-]{0,249}`, "must be a topic's name"),
		Doc:      "The topic of signals; records with the key topic.prefix are for this connector. Empty for {topic.prefix}-signal."})
	s.Int(&c.ChunkSize, config.Key{Name: "incremental.snapshot.chunk.size", Default: "1024", Group: group, Validate: config.Between(1, 100_000),
		Doc: "How many rows of an incremental snapshot are read at a time."})
	s.Bool(&c.ReadOnly, config.Key{Name: "read.only", Default: "false", Importance: config.Low, Group: group,
		Doc: "Whether incremental snapshots write nothing to the database, not even messages into its WAL; they then ask the server how far it is, as they do on a standby."})
}

func validChannels(list string) error {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); !slices.Contains([]string{ChannelSource, ChannelKafka, "none"}, name) {
			return fmt.Errorf("must be source, kafka or none; %q is none of them", name)
		}
	}
	return nil
}

func validSignalTable(name string) error {
	if schema, table, ok := strings.Cut(name, "."); name != "" && (!ok || schema == "" || table == "") {
		return fmt.Errorf("must be schema.table")
	}
	return nil
}

// Signals reports that a channel is enabled.
func (c *Config) Signals(channel string) bool { return slices.Contains(c.SignalChannels, channel) }

// SignalsFrom is the topic of signals.
func (c *Config) SignalsFrom() string {
	if c.SignalTopic != "" {
		return c.SignalTopic
	}
	return c.TopicPrefix + "-signal"
}

// captured are the patterns of all tables that the stream has to send.
func (c *Config) captured() []string {
	if c.SignalTable == "" || !c.Signals(ChannelSource) {
		return c.Tables
	}
	return append(slices.Clone(c.Tables), regexp.QuoteMeta(c.SignalTable))
}
