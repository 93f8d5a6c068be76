package cdc

import (
	"strings"

	"github.com/tandem-sync/tandem/cdc/transform"
	"github.com/tandem-sync/tandem/connector/change"
)

// naming gives topics their names, as Debezium's SchemaTopicNamingStrategy does: parts with topic.delimiter between them, characters that Kafka does not take
// as underscores. Transforms may route a record elsewhere after that; what tables are called in schemas stays.
type naming struct {
	prefix, delimiter, transactions, heartbeats string
	routes                                      []transform.Route
}

func (c *Config) naming() naming {
	n := naming{prefix: c.TopicPrefix, delimiter: c.Delimiter, transactions: c.TransactionTopic, heartbeats: strings.TrimSuffix(c.HeartbeatPrefix, "."), routes: c.transforms().Routes()}
	if n.delimiter == "" {
		n.delimiter = "."
	}
	if n.transactions == "" {
		n.transactions = transactionTopic
	}
	return n
}

// base is a table's topic before it is routed, and its name in schemas.
func (n naming) base(t tableName) string { return n.join(n.prefix, t.schema, t.name) }

func (n naming) message() string     { return n.routed(change.TopicName(n.prefix + "." + messageTopic)) } // Debezium's has a dot whatever the delimiter is
func (n naming) transaction() string { return n.routed(n.join(n.prefix, n.transactions)) }
func (n naming) heartbeat() string   { return n.routed(n.heartbeats + n.delimiter + n.prefix) }

const messageTopic = "message"

func (n naming) join(parts ...string) string {
	return change.TopicName(strings.Join(parts, n.delimiter))
}

// routed is where the transforms send what would go to topic.
func (n naming) routed(topic string) string {
	for _, r := range n.routes {
		topic = r.Topic(topic)
	}
	return topic
}

// table gives where a table's records go, and what they are called in schemas.
func (n naming) table(t tableName) (topic, name string, extra *transform.KeyField) {
	topic = n.base(t)
	name = topic
	for _, r := range n.routes {
		to := r.Topic(topic)
		if to != topic && r.Logical {
			name = to
			if r.Unique {
				extra = r.KeyField(topic)
			}
		}
		topic = to
	}
	return topic, name, extra
}
