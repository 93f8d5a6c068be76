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

// A filter and a router over the stream: what is left out is left out for good, and the position goes on.
func TestRecordsAreFilteredAndRoutedByTheirContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE contact (id int PRIMARY KEY, kind text, n int)`)
	w.config.Transforms = []string{"filter", "route", "short"}
	w.config.TransformKeys = map[string]string{
		"filter.type": transform.Filter, "filter.condition": `value.op == 'd' || value.after.kind != 'secret'`, "filter.topic.regex": `crm\.public\.contact`,
		"route.type": transform.ContentRouter, "route.topic.expression": `value.op != 'd' && value.after.n > 10 ? "large" : nil`,
		"short.type": transform.RegexRouter, "short.regex": `crm\.public\.(.*)`, "short.replacement": "$1",
	}
	w.exec(t, `INSERT INTO contact VALUES (1, 'open', 1), (2, 'secret', 1)`)
	w.start(t)
	w.kafka.awaitCount(t, 1)
	w.exec(t, `INSERT INTO contact VALUES (3, 'secret', 1)`)
	w.exec(t, `INSERT INTO contact VALUES (4, 'open', 11)`)
	w.exec(t, `DELETE FROM contact WHERE id = 3`)
	records := wantRecords(t, w, `r {"id":1}`, `c {"id":4}`, `d {"id":3}`, `- {"id":3}`)
	for i, want := range []string{"contact", "large", "contact", "contact"} {
		if records[i].Topic != want {
			t.Errorf("record %d went to %s, want %s", i, records[i].Topic, want)
		}
	}
}

// An expression that fails stops the source, or lets the record pass as it is: nothing disappears.
func TestATransformThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE contact (id int PRIMARY KEY, n int)`)
	w.config.Transforms = []string{"f"}
	w.config.TransformKeys = map[string]string{"f.type": transform.Filter, "f.condition": `value.after.n > 10`}
	s := w.source(t)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.exec(t, `INSERT INTO contact VALUES (1, 11)`)
	w.kafka.awaitCount(t, 1)
	w.exec(t, `INSERT INTO contact VALUES (2, NULL)`)
	eventually(t, "the end", func() bool { return s.Err() != nil })
	s.Stop()
	if err := s.Err(); !strings.Contains(err.Error(), "transform f of a record for crm.public.contact") || !strings.Contains(err.Error(), "errors.tolerance") {
		t.Errorf("ended with %v", err)
	}
	w.config.Tolerance = config.TolerateAll
	w.start(t)
	wantRecords(t, w, `c {"id":1}`, `c {"id":2}`)
}

// Values are rows; what becomes of a delete and its tombstone is a matter of the mode.
func TestEventsBecomeRows(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string][]string{
		"":                       {`{"id":1}={"id":1,"n":"a","__op":"c","__table":"t"}`, `{"id":1}=`, `{"id":2}={"id":2,"n":"b","__op":"c","__table":"t"}`},
		"drop":                   {`{"id":1}={"id":1,"n":"a","__op":"c","__table":"t"}`, `{"id":2}={"id":2,"n":"b","__op":"c","__table":"t"}`},
		"rewrite":                {`{"id":1}={"id":1,"n":"a","__deleted":"false","__op":"c","__table":"t"}`, `{"id":1}={"id":1,"n":null,"__deleted":"true","__op":"d","__table":"t"}`, `{"id":2}={"id":2,"n":"b","__deleted":"false","__op":"c","__table":"t"}`},
		"rewrite-with-tombstone": {`{"id":1}={"id":1,"n":"a","__deleted":"false","__op":"c","__table":"t"}`, `{"id":1}={"id":1,"n":null,"__deleted":"true","__op":"d","__table":"t"}`, `{"id":1}=`, `{"id":2}={"id":2,"n":"b","__deleted":"false","__op":"c","__table":"t"}`},
		"delete-to-tombstone":    {`{"id":1}={"id":1,"n":"a","__op":"c","__table":"t"}`, `{"id":1}=`, `{"id":2}={"id":2,"n":"b","__op":"c","__table":"t"}`},
	} {
		for _, side := range []string{"", "json"} {
			t.Run(mode+side, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, pgtest.Database(t), `CREATE TABLE t (id int PRIMARY KEY, n text)`)
				w.config.Transforms = []string{"unwrap"}
				w.config.TransformKeys = map[string]string{"unwrap.type": transform.ExtractNewRecordState, "unwrap.add.fields": "op,table", "unwrap.add.headers": "source.lsn,op"}
				if mode != "" {
					w.config.TransformKeys["unwrap.delete.tombstone.handling.mode"] = mode
				}
				w.config.Converters = converter.Config{Key: converter.Side{Converter: side}, Value: converter.Side{Converter: side}}
				w.start(t)
				w.exec(t, `INSERT INTO t VALUES (1, 'a')`)
				w.exec(t, `DELETE FROM t`)
				w.exec(t, `INSERT INTO t VALUES (2, 'b')`)
				var got []string
				for _, r := range w.kafka.awaitCount(t, len(want)) {
					got = append(got, payload(string(r.Key))+"="+payload(string(r.Value)))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				headers := map[string]string{}
				for _, h := range w.kafka.awaitCount(t, 1)[0].Headers {
					headers[h.Key] = string(h.Value)
				}
				if headers["__op"] != "c" || headers["__source_lsn"] == "" || headers["__debezium.context.taskId"] != "0" {
					t.Errorf("headers %v", headers)
				}
			})
		}
	}
}

// payload takes a schema off.
func payload(text string) string {
	if _, rest, ok := strings.Cut(text, `,"payload":`); ok {
		return strings.TrimSuffix(rest, "}")
	}
	return text
}
