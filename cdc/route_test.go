package cdc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/cdc/transform"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/converter"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// Names are those that Debezium and Connect give with the same options.
func TestTopicsAreNamedAndRouted(t *testing.T) {
	t.Parallel()
	router := func(keys map[string]string) Config {
		c := Default()
		c.TopicPrefix, c.Transforms, c.TransformKeys = "crm", []string{"r"}, keys
		return c
	}
	regex := router(map[string]string{"r.type": transform.RegexRouter, "r.regex": `crm\.(\w+)\.(.*)`, "r.replacement": "$2_of_$1"})
	logical := router(map[string]string{"r.type": transform.LogicalRouter, "r.topic.regex": `(.*)_shard\d+`, "r.topic.replacement": "$1_all_shards"})
	dashes := Default()
	dashes.TopicPrefix, dashes.Delimiter, dashes.TransactionTopic, dashes.HeartbeatPrefix = "crm", "-", "tx", "beat"
	for _, tc := range []struct {
		name                string
		config              Config
		table               tableName
		topic, schema       string
		message, tx, heart  string
		field, physicalName string
	}{
		{"as it is", func() Config { c := Default(); c.TopicPrefix = "crm"; return c }(), tableName{"public", "Ünï t"}, "crm.public._n__t", "crm.public._n__t", "crm.message", "crm.transaction", "__debezium-heartbeat.crm", "", ""},
		{"delimiter", dashes, tableName{"public", "t"}, "crm-public-t", "crm-public-t", "crm.message", "crm-tx", "beat-crm", "", ""},
		{"RegexRouter", regex, tableName{"public", "t"}, "t_of_public", "crm.public.t", "crm.message", "crm.transaction", "__debezium-heartbeat.crm", "", ""},
		{"ByLogicalTableRouter", logical, tableName{"public", "t_shard7"}, "crm.public.t_all_shards", "crm.public.t_all_shards", "crm.message", "crm.transaction", "__debezium-heartbeat.crm",
			"__dbz__physicalTableIdentifier", "crm.public.t_shard7"},
		{"… another table", logical, tableName{"public", "other"}, "crm.public.other", "crm.public.other", "crm.message", "crm.transaction", "__debezium-heartbeat.crm", "", ""},
	} {
		if err := tc.config.transforms().Problems().Err(); err != nil {
			t.Fatal(err)
		}
		n := tc.config.naming()
		topic, schema, field := n.table(tc.table)
		if field == nil {
			field = &transform.KeyField{}
		}
		got := []string{topic, schema, n.message(), n.transaction(), n.heartbeat(), field.Name, field.Value}
		if diff := cmp.Diff([]string{tc.topic, tc.schema, tc.message, tc.tx, tc.heart, tc.field, tc.physicalName}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestEverythingWrongWithTransformsIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	c := Default()
	c.Transforms = []string{"a", "b", "c", "a"}
	c.TransformKeys = map[string]string{"a.type": "com.example.Mine", "b.type": transform.RegexRouter, "b.regex": "(?=x)", "b.replacment": "x", "d.type": transform.RegexRouter,
		"c.type": transform.LogicalRouter, "c.topic.regex": "x", "c.topic.replacement": "", "c.key.field.regex": "x"}
	c.MessageKeys = "public.t"
	c.TopicPrefix, c.Tables = "crm", []string{"public.t"}
	text := c.Validate().Error()
	for _, want := range []string{"transforms: ", "transforms.a.type: ", "transforms.b.regex: ", "transforms.b.replacment: ", "transforms.b.replacement: missing", "transforms.d.type: ",
		"transforms.c.key.field.replacement: ", "message.key.columns: "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said in:\n%s", want, text)
		}
	}
}

// The key is the columns that were asked for, in snapshot and stream, where the table has no key and where it has another. A change of them is a change of the key.
func TestKeyColumnsByOption(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE keyless (a int, b text, c text); ALTER TABLE keyless REPLICA IDENTITY FULL;
		CREATE TABLE contact (id int PRIMARY KEY, mail text); CREATE TABLE other (id int PRIMARY KEY, mail text)`)
	w.config.MessageKeys = `public.keyless:b,a; (.*).contact:mail`
	w.config.SnapshotThreads = 1
	w.exec(t, `INSERT INTO keyless VALUES (1, 'x', 'y')`)
	w.exec(t, `INSERT INTO contact VALUES (1, 'a@b')`)
	w.start(t)
	w.kafka.awaitCount(t, 2)
	w.exec(t, `INSERT INTO keyless VALUES (2, 'x', 'z')`)
	w.exec(t, `UPDATE keyless SET c = 'zz' WHERE a = 2`)
	w.exec(t, `UPDATE keyless SET b = 'new' WHERE a = 2`)
	w.exec(t, `DELETE FROM keyless WHERE a = 1`)
	w.exec(t, `DELETE FROM contact`)
	w.exec(t, `INSERT INTO other VALUES (3, 'c@d')`)
	records := wantRecords(t, w, `r {"mail":"a@b"}`, `r {"a":1,"b":"x"}`, `c {"a":2,"b":"x"}`, `u {"a":2,"b":"x"}`, `d {"a":2,"b":"x"}`, `- {"a":2,"b":"x"}`, `c {"a":2,"b":"new"}`,
		`d {"a":1,"b":"x"}`, `- {"a":1,"b":"x"}`, `d `, `c {"id":3}`)
	if id, _ := decoded(t, records[9]).Before.Text("id"); records[9].Key != nil || id != "1" {
		t.Errorf("a delete that does not hold the key's column: key %q, %s", records[9].Key, records[9].Value)
	}
	problems, err := Check(t.Context(), w.config)
	if err != nil || !strings.Contains(problems.Error(), `deletes in public.contact do not hold column "mail"`) || strings.Contains(problems.Error(), "keyless") {
		t.Errorf("what is said before: %v, %v", problems, err)
	}
	w.config.MessageKeys = "public.nothing:a;public.contact:nothing"
	problems, err = Check(t.Context(), w.config)
	if n := strings.Count(problems.Error(), "no captured table has a column"); err != nil || n != 2 {
		t.Errorf("entries about nothing: %v, %v", problems, err)
	}
}

// Two shards are one table to consumers, with and without schemas, and rows with one key stay two. Two tables whose names are one topic are named.
func TestShardsBecomeOneTopic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE t_shard1 (id int PRIMARY KEY); CREATE TABLE t_shard2 (id int PRIMARY KEY)`)
	w.config.Transforms = []string{"route"}
	w.config.TransformKeys = map[string]string{"route.type": transform.LogicalRouter, "route.topic.regex": `(.*)_shard(\d+)`, "route.topic.replacement": "$1",
		"route.key.field.name": "shard", "route.key.field.regex": `.*(\d+)`, "route.key.field.replacement": "$1"}
	w.config.Converters = converter.Config{Key: converter.Side{Converter: "json"}, Value: converter.Side{Converter: "json"}}
	w.start(t)
	w.exec(t, `INSERT INTO t_shard1 VALUES (1); INSERT INTO t_shard2 VALUES (1); UPDATE t_shard2 SET id = 2`)
	records := w.kafka.awaitCount(t, 5)
	for i, want := range []string{`{"id":1,"shard":"1"}`, `{"id":1,"shard":"2"}`, `{"id":1,"shard":"2"}`, `{"id":1,"shard":"2"}`, `{"id":2,"shard":"2"}`} {
		if key := string(records[i].Key); records[i].Topic != "crm.public.t" || !strings.HasSuffix(key, `"name":"crm.public.t.Key"},"payload":`+want+`}`) {
			t.Errorf("record %d: topic %s, key %s", i, records[i].Topic, key)
		}
	}
	if old := decoded(t, records[4]).OldKey; len(old) != 2 {
		t.Errorf("the old key's header: %v", old)
	}
	topics, err := Topics(t.Context(), w.config)
	if diff := cmp.Diff([]string{"crm.public.t", "crm.message"}, topics); err != nil || diff != "" {
		t.Errorf("topics to be made: %v\n%s", err, diff)
	}
	problems := func(keys map[string]string) config.Problems {
		w.config.TransformKeys = keys
		found, err := Check(t.Context(), w.config)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := problems(w.config.TransformKeys); strings.Contains(found.Error(), "topic") {
		t.Errorf("it was asked for: %v", found)
	}
	found := problems(map[string]string{"route.type": transform.RegexRouter, "route.regex": `(.*)_shard\d+`, "route.replacement": "$1"})
	if !strings.Contains(found.Error(), "transforms send its records to topic crm.public.t") {
		t.Errorf("a router that sends two tables to one topic: %v", found)
	}
}
