package cdc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/converter"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

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
				w.config.TransformKeys = map[string]string{"unwrap.type": unwrapTransform, "unwrap.add.fields": "op,table", "unwrap.add.headers": "source.lsn,op"}
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

func TestWhatIsWrongWithUnwrapping(t *testing.T) {
	t.Parallel()
	c := Default()
	c.Transforms = []string{"u", "f"}
	c.TransformKeys = map[string]string{"u.type": unwrapTransform, "u.add.fields": "op,colour", "u.delete.tombstone.handling.mode": "lose", "u.drop.tombstones": "true",
		"f.type": filterTransform, "f.condition": "value.op == 'c'"}
	text := c.transformProblems().Error()
	for _, want := range []string{`transforms.u.add.fields: "colour" is no field`, "transforms.u.delete.tombstone.handling.mode: ", "transforms.u.drop.tombstones: ", "must come last"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said in:\n%s", want, text)
		}
	}
}
