package cdc

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/converter"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// afterSchema gives the fields of "after" in a record's schema, as name:type:optional:default.
func afterSchema(t *testing.T, r Record) (out []string) {
	t.Helper()
	type field struct {
		Field, Type string
		Optional    bool
		Default     json.RawMessage
		Fields      []field
	}
	var v struct{ Schema struct{ Fields []field } }
	if err := json.Unmarshal(r.Value, &v); err != nil || len(v.Schema.Fields) < 2 {
		t.Fatalf("no schema: %s", r.Value)
	}
	for _, f := range v.Schema.Fields[1].Fields {
		text := f.Field + ":" + f.Type
		if f.Optional {
			text += "?"
		}
		if f.Default != nil {
			text += "=" + string(f.Default)
		}
		out = append(out, text)
	}
	return out
}

func jsonWithSchemas() converter.Config {
	side := converter.Side{Converter: "json"}
	return converter.Config{Key: side, Value: side}
}

// A schema is the same in snapshot and stream, and follows the table: also where an ALTER TABLE changes nothing that the stream tells of.
func TestSchemasFollowTheTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TYPE mood AS ENUM ('sad', 'ok');
		CREATE TABLE contact (id serial PRIMARY KEY, name text NOT NULL DEFAULT 'x', m mood DEFAULT 'ok')`)
	w.config.Converters = jsonWithSchemas()
	w.exec(t, `INSERT INTO contact DEFAULT VALUES`)
	w.start(t)
	w.kafka.awaitCount(t, 1)
	w.exec(t, `INSERT INTO contact DEFAULT VALUES`)
	w.exec(t, `ALTER TABLE contact ADD n int NOT NULL DEFAULT 3`)
	w.exec(t, `INSERT INTO contact DEFAULT VALUES`)
	w.kafka.awaitCount(t, 3) // the catalog says how the table is now, not how it was
	w.exec(t, `ALTER TABLE contact ALTER n DROP NOT NULL, ALTER n DROP DEFAULT`)
	w.exec(t, `INSERT INTO contact DEFAULT VALUES`)
	w.exec(t, `DELETE FROM contact WHERE id = 1`)
	records := w.kafka.awaitCount(t, 6)
	base := []string{"id:int32=0", `name:string="x"`, `m:string?="ok"`}
	for i, want := range [][]string{base, base, append(base[:3:3], "n:int32=3"), append(base[:3:3], "n:int32?")} {
		if diff := cmp.Diff(want, afterSchema(t, records[i])); diff != "" {
			t.Errorf("record %d (-want +got):\n%s", i, diff)
		}
	}
	if got := string(records[4].Value); !strings.Contains(got, `"payload":{"before":{"id":1,"name":"x","m":null,"n":null}`) {
		t.Errorf("the old row of a delete must fit the schema: %s", got)
	}
	if !strings.HasPrefix(string(records[0].Key), `{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"default":0,"field":"id"}],"optional":false,"name":"crm.public.contact.Key"},"payload":`) {
		t.Errorf("key %s", records[0].Key)
	}
	if records[5].Value != nil {
		t.Error("a tombstone has no schema")
	}
}

// The stream is behind the catalog: the column is gone, or of another type, and the enum that it was of still has its labels.
func TestLabelsOfAnEnumOutliveItsColumn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TYPE mood AS ENUM ('sad', 'ok');
		CREATE TABLE a (id int PRIMARY KEY, m mood); CREATE TABLE b (id int PRIMARY KEY, m mood[]); CREATE TABLE c (id int PRIMARY KEY, m mood)`)
	w.config.Converters = jsonWithSchemas()
	w.start(t)
	w.exec(t, `INSERT INTO a VALUES (1, 'ok'); ALTER TABLE a DROP m`)
	w.exec(t, `INSERT INTO b VALUES (1, '{ok}'); ALTER TABLE b ALTER m TYPE text[]`)
	w.exec(t, `INSERT INTO c VALUES (1, 'ok'); DROP TABLE c`)
	for _, r := range w.kafka.awaitCount(t, 3) {
		if got := strings.Count(string(r.Value), `"parameters":{"allowed":"sad,ok"}`); got != 2 { // before and after
			t.Errorf("%s: the labels stand there %d times, want 2: %s", r.Topic, got, r.Value)
		}
	}
}

// A registry that is away is waited for; one that refuses a schema stops the source with its reason, and what was not written comes after the next start.
func TestNothingIsLostWithoutTheRegistry(t *testing.T) {
	t.Parallel()
	reg := srfake.New()
	t.Cleanup(reg.Close)
	w := newWorld(t, pgtest.Database(t), contacts)
	side := converter.Side{Converter: "avro", Registry: []string{reg.URL()}, Register: true}
	w.config.Converters = converter.Config{Key: side, Value: side}
	w.exec(t, `INSERT INTO contact (name) VALUES ('Ada')`)
	w.start(t)
	records := w.kafka.awaitCount(t, 1)
	if v := records[0].Value; len(v) < 6 || v[0] != 0 {
		t.Errorf("value %x", v)
	}
	if _, err := change.Decode(records[0].Key, records[0].Value, nil); err == nil || !strings.Contains(err.Error(), "Avro") {
		t.Errorf("our own sinks do not read Avro, and must say so: %v", err)
	}
	var away atomic.Int32
	away.Store(2)
	reg.Intercept(func(rw http.ResponseWriter, _ *http.Request) bool {
		if away.Add(-1) >= 0 {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	w.exec(t, `ALTER TABLE contact ADD a int; INSERT INTO contact (name) VALUES ('Zoë')`)
	w.kafka.awaitCount(t, 2)
}

func TestASchemaThatIsRefusedStopsTheSource(t *testing.T) {
	t.Parallel()
	reg := srfake.New()
	t.Cleanup(reg.Close)
	w := newWorld(t, pgtest.Database(t), contacts)
	side := converter.Side{Converter: "avro", Registry: []string{reg.URL()}, Register: true}
	w.config.Converters = converter.Config{Value: side}
	s := w.source(t)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.exec(t, `INSERT INTO contact (name) VALUES ('Ada')`)
	w.kafka.awaitCount(t, 1)
	reg.Intercept(func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.WriteHeader(http.StatusConflict)
		_, _ = rw.Write([]byte(`{"error_code":409,"message":"incompatible"}`))
		return true
	})
	w.exec(t, `ALTER TABLE contact DROP note`)
	w.exec(t, `INSERT INTO contact (name) VALUES ('Zoë')`)
	eventually(t, "the end", func() bool { return s.Err() != nil })
	s.Stop()
	if err := s.Err(); !strings.Contains(err.Error(), "crm.public.contact-value") || !strings.Contains(err.Error(), "compatibility") {
		t.Errorf("ended with %v", err)
	}
	reg.ClearInterceptors()
	w.start(t)
	records := w.kafka.awaitCount(t, 2)
	if string(records[1].Key) != `{"id":2}` {
		t.Errorf("key %s", records[1].Key)
	}
}
