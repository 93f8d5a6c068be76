package parity

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// withSchemas adds what both need to write JSON with schemas.
func withSchemas(options map[string]string) map[string]string {
	all := map[string]string{}
	for _, side := range []string{"key", "value"} {
		all[side+".converter"] = "org.apache.kafka.connect.json.JsonConverter"
		all[side+".converter.schemas.enable"] = "true"
	}
	maps.Copy(all, options)
	return all
}

// unwrap takes a schema off a value, and gives its parts as fields, so that they are compared one by one: schema.value.after.id.type and so on. A value
// without a schema is left alone.
func unwrap(path string, raw []byte, prefix string) (schema []field, payload []byte, err error) {
	wrapped, err := members("", raw)
	if err != nil || len(wrapped) != 2 || wrapped[0].path != "schema" || wrapped[1].path != "payload" {
		return nil, raw, err
	}
	schema, err = parts("schema."+path, []byte(wrapped[0].raw))
	for i := range schema {
		schema[i].raw = strings.ReplaceAll(schema[i].raw, prefix, "PREFIX")
	}
	payload = []byte(wrapped[1].raw)
	return schema, payload, err
}

// parts lists a schema's members; the fields of a struct go by their names.
func parts(path string, raw []byte) (out []field, err error) {
	all, err := members(path, raw)
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		switch f.path {
		case path + ".fields":
			var fields []json.RawMessage
			if err := json.Unmarshal([]byte(f.raw), &fields); err != nil {
				return nil, err
			}
			for i, one := range fields {
				var named struct {
					Field string `json:"field"`
				}
				if err := json.Unmarshal(one, &named); err != nil {
					return nil, err
				}
				inner, err := parts(path+"."+named.Field, one)
				if err != nil {
					return nil, fmt.Errorf("field %d of %s: %w", i, path, err)
				}
				out = append(out, inner...)
			}
		case path + ".items", path + ".keys", path + ".values":
			inner, err := parts(f.path, []byte(f.raw))
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
		default:
			out = append(out, f)
		}
	}
	return out, nil
}

func TestASchemaIsTakenApart(t *testing.T) {
	t.Parallel()
	schema, payload, err := unwrap("value", []byte(`{"schema":{"type":"struct","fields":[{"type":"array","items":{"type":"int32","optional":true},"optional":false,"field":"a"}],"name":"P.t"},"payload":{"a":[]}}`), "P")
	if err != nil || string(payload) != `{"a":[]}` {
		t.Fatalf("payload %s, %v", payload, err)
	}
	var got []string
	for _, f := range schema {
		got = append(got, f.path+"="+f.raw)
	}
	want := `schema.value.type="struct" schema.value.a.type="array" schema.value.a.items.type="int32" schema.value.a.items.optional=true schema.value.a.optional=false schema.value.a.field="a" schema.value.name="PREFIX.t"`
	if strings.Join(got, " ") != want {
		t.Errorf("got %s", strings.Join(got, " "))
	}
	if schema, payload, err := unwrap("value", []byte(`{"a":1}`), "P"); schema != nil || string(payload) != `{"a":1}` || err != nil {
		t.Errorf("a value without a schema: %v %s %v", schema, payload, err)
	}
}

// unsaid reports that a path is a part of the schema of a column that a leaves out altogether: that is a difference of its value, and enough.
func unsaid(a *event, path string) bool {
	rest, ok := strings.CutPrefix(path, "schema.")
	if !ok {
		return false
	}
	part := strings.SplitN(rest, ".", 4) // value, after, column, what
	if len(part) < 4 {
		return false
	}
	_, there := a.get("schema." + strings.Join(part[:3], ".") + ".type")
	return !there
}
