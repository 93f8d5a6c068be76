package converter

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
)

func TestMain(m *testing.M) {
	// The client keeps idle connections to test servers for a while.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// tables is a catalog.
type tables map[string]*Table

func (t tables) Table(_ context.Context, schema, name string) (*Table, error) {
	return t[schema+"."+name], nil
}

func col(name, typ string, modifier int32, v change.Value) change.Column {
	return change.Column{Name: name, Type: change.Type{Name: typ, Modifier: modifier}, Value: v}
}

func event(op change.Op, row change.Row) *change.Event {
	e := &change.Event{Op: op, Key: row[:1:1], At: time.UnixMilli(1478267490200).UTC(), Source: change.Source{
		Version: "1", Connector: "postgresql", Name: "crm", Time: time.UnixMicro(1478267490123456).UTC(), DB: "crm", Schema: "public", Table: "contact", TxID: 8, LSN: 9, LastCommit: 7}}
	if op == change.Delete {
		e.Before = row
	} else {
		e.After = row
	}
	return e
}

func keys(pairs ...string) Config {
	m := config.Map{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	var c Config
	if err := config.Decode(m, config.Resolver{}, &c).Err(); err != nil {
		panic(err)
	}
	return c
}

func avroKeys(url string, more ...string) Config {
	return keys(append([]string{"key.converter", "avro", "value.converter", avroClass, "key.converter.schema.registry.url", url, "value.converter.schema.registry.url", url}, more...)...)
}

func open(t *testing.T, c Config, f change.Format, catalog tables) *Converter {
	t.Helper()
	if err := c.Problems().Err(); err != nil {
		t.Fatal(err)
	}
	conv, err := New(c, f, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return conv
}

// decode reads a record in Confluent's wire format as any consumer does: the id, the registry, the schema.
func decode(t *testing.T, reg *srfake.Registry, record []byte) (map[string]any, string) {
	t.Helper()
	if len(record) < 5 || record[0] != 0 {
		t.Fatalf("no magic byte in %x", record)
	}
	client, err := sr.NewClient(sr.URLs(reg.URL()))
	if err != nil {
		t.Fatal(err)
	}
	registered, err := client.SchemaByID(t.Context(), int(binary.BigEndian.Uint32(record[1:])))
	if err != nil {
		t.Fatal(err)
	}
	text := registered.Schema
	schema, err := avro.Parse(text)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var out map[string]any
	rest, err := schema.Decode(record[5:], &out)
	if err != nil || len(rest) > 0 {
		t.Fatalf("decode: %v, %d bytes left, of %s", err, len(rest), text)
	}
	return out, text
}

// Every type goes through Avro and comes out as a library that is not ours reads it.
func TestAvroIsReadByOthers(t *testing.T) {
	t.Parallel()
	reg := srfake.New()
	defer reg.Close()
	null := change.NullValue()
	row := change.Row{
		col("id", "int8", -1, change.IntValue(math.MaxInt64)), col("i2", "int2", -1, change.IntValue(-3)), col("i4", "int4", -1, change.IntValue(math.MinInt32)),
		col("b", "bool", -1, change.BoolValue(true)), col("f4", "float4", -1, change.FloatValue(1.5)), col("f8", "float8", -1, change.FloatValue(math.Inf(-1))),
		col("n", "numeric", 10<<16|2+4, change.DecimalValue("-1.28")), col("nv", "numeric", -1, change.DecimalValue("123456789012345678901234567890.5")),
		col("t", "text", -1, change.TextValue("Zoë \"Z\"\n\U0001F600")), col("empty", "text", -1, change.TextValue("")), col("nothing", "text", -1, null), col("by", "bytea", -1, change.BytesValue([]byte{0, 255})),
		col("d", "date", -1, change.DateValue(-1)), col("ts", "timestamp", 3, change.TimestampValue(1500)), col("tz", "timestamptz", -1, change.TimestampTZValue(0)),
		col("a", "_int4", -1, change.ListValue(change.IntValue(1), null)), col("aa", "_text", -1, change.ListValue(change.ListValue(change.TextValue("x")), change.ListValue(change.TextValue("y")))),
		col("none", "_text", -1, change.ListValue()), col("h", "hstore", -1, change.TextValue(`"a"=>"1", "b"=>NULL`)), col("p", "point", -1, change.TextValue("(1,2)")),
		col("q", "point", -1, null), col("big", "text", -1, change.Value{}), col("bits", "bit", 9, change.TextValue("100000001")),
	}
	catalog := tables{"public.contact": {Definitions: map[string]change.Definition{"id": {NotNull: true}, "t": {NotNull: true, Default: "'x'::text"}, "i4": {Default: "7"}, "n": {Default: "1.5"}}}}
	conv := open(t, avroKeys(reg.URL()), change.Format{HstoreMode: "map"}, catalog)
	key, value, err := conv.Event(t.Context(), "crm.public.contact", "crm.public.contact", event(change.Create, row))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := decode(t, reg, key); got["id"] != int64(math.MaxInt64) {
		t.Errorf("key %v", got)
	}
	envelope, text := decode(t, reg, value)
	got := envelope["after"].(map[string]any)
	for name, want := range map[string]any{
		"id": int64(math.MaxInt64), "i2": int32(-3), "i4": int32(math.MinInt32), "b": true, "f4": float32(1.5), "f8": math.Inf(-1), "t": "Zoë \"Z\"\n\U0001F600", "empty": "", "nothing": nil,
		"by": []byte{0, 255}, "d": int32(-1), "ts": int64(1), "tz": "1970-01-01T00:00:00.000000Z", "a": []any{int32(1), nil}, "aa": []any{[]any{"x"}, []any{"y"}}, "none": []any{},
		"h": map[string]any{"a": "1", "b": nil}, "q": nil, "big": change.Unavailable, "bits": []byte{1, 1},
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if p := got["p"].(map[string]any); p["x"] != 1.0 || p["y"] != 2.0 || len(p["wkb"].([]byte)) != 21 {
		t.Errorf("point %v", p)
	}
	if v := got["nv"].(map[string]any); v["scale"] != int32(1) || len(v["value"].([]byte)) != 13 {
		t.Errorf("numeric without a scale %v", v)
	}
	if n, ok := got["n"].(json.Number); !ok || n.String() != "-1.28" {
		t.Logf("numeric(10,2) is read as %T %v", got["n"], got["n"])
	}
	if envelope["op"] != "c" || envelope["before"] != nil || envelope["source"].(map[string]any)["lsn"] != int64(9) {
		t.Errorf("envelope %v", envelope)
	}
	if !json.Valid([]byte(text)) || !strings.Contains(text, `{"name":"after","type":["null","crm.public.contact.Value"],"default":null}`) {
		t.Errorf("schema %s", text)
	}
}

// The text is what Confluent's AvroData makes of the same Connect schema.
func TestAvroSchemasAreConnects(t *testing.T) {
	t.Parallel()
	f := change.Format{TimeMode: "connect"}
	row := change.Row{col("id", "int4", -1, change.Value{}), col("s", "int2", -1, change.Value{}), col("n", "numeric", 5<<16|2+4, change.Value{}), col("m", "money", -1, change.Value{}),
		col("t", "text", -1, change.Value{}), col("at", "timestamp", -1, change.Value{}), col("j", "json", -1, change.Value{}), col("wide", "numeric", 2<<16|5+4, change.Value{})}
	definitions := map[string]change.Definition{"id": {NotNull: true}, "n": {Default: "1.5"}, "t": {Default: "'x'::text"}}
	got, err := avroSchema(f.RowSchema("crm.public.t.Value", row, func(c string) change.Definition { return definitions[c] }))
	want := `{"type":"record","name":"Value","namespace":"crm.public.t","fields":[` +
		`{"name":"id","type":"int"},` +
		`{"name":"s","type":["null",{"type":"int","connect.type":"int16"}],"default":null},` +
		`{"name":"n","type":[{"type":"bytes","scale":2,"precision":5,"connect.version":1,"connect.parameters":{"scale":"2","connect.decimal.precision":"5"},"connect.default":"\u0000\u0096","connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"},"null"],"default":"\u0000\u0096"},` +
		`{"name":"m","type":["null",{"type":"bytes","scale":2,"precision":64,"connect.version":1,"connect.parameters":{"scale":"2"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}],"default":null},` +
		`{"name":"t","type":[{"type":"string","connect.default":"x"},"null"],"default":"x"},` +
		`{"name":"at","type":["null",{"type":"long","connect.version":1,"connect.name":"org.apache.kafka.connect.data.Timestamp","logicalType":"timestamp-millis"}],"default":null},` +
		`{"name":"j","type":["null",{"type":"string","connect.version":1,"connect.name":"io.debezium.data.Json"}],"default":null},` +
		`{"name":"wide","type":["null",{"type":"bytes","scale":5,"precision":2,"connect.version":1,"connect.parameters":{"scale":"5","connect.decimal.precision":"2"},"connect.name":"org.apache.kafka.connect.data.Decimal"}],"default":null}],` +
		`"connect.name":"crm.public.t.Value"}`
	if diff := cmp.Diff(want, strings.ReplaceAll(got, "\u0096", `\u0096`)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A schema is registered at the first event that has it, and once.
func TestASchemaIsRegisteredWithItsFirstEvent(t *testing.T) {
	t.Parallel()
	reg := srfake.New()
	defer reg.Close()
	posts := 0
	reg.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			posts++
		}
		return false
	})
	catalog := tables{"public.contact": {}}
	conv := open(t, avroKeys(reg.URL()), change.Format{}, catalog)
	write := func(row change.Row) string {
		t.Helper()
		_, value, err := conv.Event(t.Context(), "crm.public.contact", "crm.public.contact", event(change.Create, row))
		if err != nil {
			t.Fatal(err)
		}
		_, text := decode(t, reg, value)
		return text
	}
	id := col("id", "int4", -1, change.IntValue(1))
	if posts != 0 {
		t.Errorf("%d schemas before the first event", posts)
	}
	write(change.Row{id})
	write(change.Row{id})
	if posts != 2 {
		t.Errorf("%d requests for a key and a value", posts)
	}
	if text := write(change.Row{id, col("name", "text", -1, change.TextValue("x"))}); !strings.Contains(text, `"name":"name"`) || posts != 3 {
		t.Errorf("after ALTER TABLE: %d requests, %s", posts, text)
	}
	catalog["public.contact"] = &Table{Definitions: map[string]change.Definition{"id": {NotNull: true}}}
	if text := write(change.Row{id}); !strings.Contains(text, `{"name":"id","type":"int"}`) || posts != 5 {
		t.Errorf("after SET NOT NULL: %d requests, %s", posts, text)
	}
	catalog["public.contact"] = &Table{}
	if write(change.Row{id}); posts != 5 {
		t.Errorf("a schema that was there before is asked for again: %d requests", posts)
	}
}

func TestTheRegistrysRefusals(t *testing.T) {
	t.Parallel()
	answer := func(status int) srfake.Interceptor {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error_code":409,"message":"Schema being registered is incompatible"}`))
			return true
		}
	}
	for _, tc := range []struct {
		name      string
		intercept srfake.Interceptor
		more      []string
		retryable bool
		want      string
	}{
		{"incompatible", answer(http.StatusConflict), nil, false, `subject "crm.public.contact-key": Schema being registered is incompatible; the table's schema is not compatible`},
		{"no right", answer(http.StatusUnauthorized), nil, false, "basic.auth.user.info"},
		{"in trouble", answer(http.StatusServiceUnavailable), nil, true, "subject"},
		{"not registered", nil, []string{"key.converter.auto.register.schemas", "false"}, false, "register it, or set auto.register.schemas=true"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			reg := srfake.New()
			defer reg.Close()
			if tc.intercept != nil {
				reg.Intercept(tc.intercept)
			}
			conv := open(t, avroKeys(reg.URL(), tc.more...), change.Format{}, tables{})
			conv.key.registry.patience = 50 * time.Millisecond
			_, _, err := conv.Event(t.Context(), "crm.public.contact", "crm.public.contact", event(change.Create, change.Row{col("id", "int4", -1, change.IntValue(1))}))
			var refused *RegistryError
			if !errors.As(err, &refused) || refused.Retryable() != tc.retryable || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A registry that is away for a moment is nothing that anybody notices.
func TestARegistryThatIsAwayIsAwaited(t *testing.T) {
	t.Parallel()
	reg := srfake.New()
	defer reg.Close()
	failures := 2
	reg.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		if failures--; failures >= 0 {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	})
	conv := open(t, avroKeys(reg.URL()), change.Format{}, tables{})
	if _, _, err := conv.Event(t.Context(), "t", "t", event(change.Create, change.Row{col("id", "int4", -1, change.IntValue(1))})); err != nil {
		t.Error(err)
	}
}

func TestTheNewestVersionMustBeTheTables(t *testing.T) {
	t.Parallel()
	reg := srfake.New()
	defer reg.Close()
	row := change.Row{col("id", "int4", -1, change.IntValue(1))}
	if _, _, err := open(t, avroKeys(reg.URL()), change.Format{}, tables{}).Event(t.Context(), "t.x", "t", event(change.Create, row)); err != nil {
		t.Fatal(err)
	}
	latest := open(t, avroKeys(reg.URL(), "value.converter.auto.register.schemas", "false", "value.converter.use.latest.version", "true"), change.Format{}, tables{})
	if _, _, err := latest.Event(t.Context(), "t.x", "t", event(change.Create, row)); err != nil {
		t.Errorf("the same fields: %v", err)
	}
	_, _, err := latest.Event(t.Context(), "t.x", "t", event(change.Create, append(row, col("n", "text", -1, change.NullValue()))))
	if err == nil || !strings.Contains(err.Error(), "other fields or types") {
		t.Errorf("other fields: %v", err)
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	for strategy, want := range map[string]string{"TopicNameStrategy": "routed-value", strategyPackage + "RecordNameStrategy": "crm.public.t.Envelope", "TopicRecordNameStrategy": "routed-crm.public.t.Envelope"} {
		c := keys("value.converter", "avro", "value.converter.value.subject.name.strategy", strategy, "value.converter.schema.registry.url", "http://x")
		conv := open(t, c, change.Format{}, tables{})
		if got := conv.value.subject("routed", "crm.public.t.Envelope"); got != want {
			t.Errorf("%s: %s, want %s", strategy, got, want)
		}
	}
}

// Names that Avro does not take are named with the option that mends them, and mended by it, in the records too.
func TestNamesAreAdjusted(t *testing.T) {
	t.Parallel()
	reg := srfake.New()
	defer reg.Close()
	e := event(change.Create, change.Row{col("1st-key", "int4", -1, change.IntValue(1)), col("Spalte ß", "text", -1, change.TextValue("x"))})
	_, _, err := open(t, avroKeys(reg.URL()), change.Format{}, tables{}).Event(t.Context(), "my-crm.t", "t", e)
	var bad *NameError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "adjustment.mode=avro") {
		t.Fatalf("got %v", err)
	}
	conv := open(t, avroKeys(reg.URL(), "schema.name.adjustment.mode", "avro", "field.name.adjustment.mode", "avro"), change.Format{}, tables{})
	key, value, err := conv.Event(t.Context(), "my-crm.t", "t", e)
	if err != nil {
		t.Fatal(err)
	}
	k, text := decode(t, reg, key)
	v, _ := decode(t, reg, value)
	if k["_1st_key"] != int32(1) || v["after"].(map[string]any)["Spalte__"] != "x" || !strings.Contains(text, `"namespace":"my_crm.t"`) {
		t.Errorf("key %v, value %v, %s", k, v, text)
	}
	if got := AdjustAvroUnicode.fieldName("a_b-ß1"); got != "a_u005fb_u002d_u00df1" {
		t.Errorf("unicode: %s", got)
	}
	_, plain, err := open(t, keys("field.name.adjustment.mode", "avro"), change.Format{}, tables{}).Event(t.Context(), "my-crm.t", "t", e)
	if err != nil || !strings.Contains(string(plain), `"after":{"_1st_key":1,"Spalte__":"x"}`) {
		t.Errorf("without schemas: %s, %v", plain, err)
	}
}

// One side may have a schema and the other none.
func TestSidesAreIndependent(t *testing.T) {
	t.Parallel()
	conv := open(t, keys("value.converter", jsonClass), change.Format{}, tables{})
	key, value, err := conv.Event(t.Context(), "t", "t", event(change.Create, change.Row{col("id", "int4", -1, change.IntValue(1))}))
	if err != nil || string(key) != `{"id":1}` || !strings.HasPrefix(string(value), `{"schema":{"type":"struct","fields":[`) {
		t.Fatalf("%s %s %v", key, value, err)
	}
	read, err := change.Decode(key, value, nil)
	if err != nil || read.Op != change.Create || read.Source.Table != "contact" {
		t.Errorf("our own sinks read it: %+v, %v", read, err)
	}
}

func TestEverythingWrongWithConvertersIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	var c Config
	problems := config.Decode(config.Map{
		"key.converter": "protobuf", "value.converter": "avro", "value.converter.schemas.enable": "false", "value.converter.schema.registry.url": "ftp://user:secret@x", "value.converter.use.latest.version": "true",
		"value.converter.basic.auth.credentials.source": "USER_INFO", "schema.registry.ssl.key.location": "/x", "schema.name.adjustment.mode": "upper",
	}, config.Resolver{}, &c)
	text := append(problems, c.Problems()...).Error()
	for _, want := range []string{"key.converter: ", "value.converter.schemas.enable: ", "value.converter.schema.registry.url: ", "value.converter.use.latest.version: ",
		"value.converter.basic.auth.user.info: ", "schema.registry.ssl.certificate.location: ", "schema.name.adjustment.mode: "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "secret") {
		t.Errorf("a password is printed:\n%s", text)
	}
}

// What the registry has answered is remembered, within a limit.
func TestIDsAreBounded(t *testing.T) {
	t.Parallel()
	reg := srfake.New()
	defer reg.Close()
	r, err := openRegistry(Config{}, Side{Registry: []string{reg.URL()}, Register: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, subject := range []string{"a", "b"} {
			if _, err := r.id(t.Context(), subject, `"int"`); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(r.ids) != 2 || r.order.Len() != 2 {
		t.Errorf("%d ids", len(r.ids))
	}
}
