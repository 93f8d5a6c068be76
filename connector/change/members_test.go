package change_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
)

var objects = []string{
	`{}`, ` { } `, `{"a":1}`, `{ "a" : [ 1 , 2 ] , "b" : { "c" : null } }`, `{"a":"\"}"}`, `{"\u0061":"\ud83d\ude00"}`, `{"a":1,"a":2}`, "{\"\xff\":\"\xfe\"}",
	`{"a":-0.5e+3,"b":0,"c":true,"d":false,"e":"é"}`, `{"a":[[],{}]}`,
	``, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":01}`, `{"a":1.}`, `{"a":tru}`, `{"a":"` + "\n" + `"}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":[1,]}`, `{"a":1}x`, `[1]`, `null`, `"a"`, `{"a":-}`, `{"a":1e}`,
	`{"a":[1 2]}`, `{a:1}`,
}

// Members says of an object what encoding/json says of it, and refuses what that refuses.
func TestMembersAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, text := range objects {
		agree(t, []byte(text))
	}
}

func FuzzMembers(f *testing.F) {
	for _, text := range objects {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) { agree(t, data) })
}

func agree(t *testing.T, data []byte) {
	t.Helper()
	var want map[string]json.RawMessage
	wantErr := json.Unmarshal(data, &want)
	if wantErr == nil && want == nil {
		return // null is no object; encoding/json takes it for none
	}
	got := map[string]json.RawMessage{}
	err := change.Members(data, func(name, value []byte) { got[string(name)] = value })
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: %v, and encoding/json says %v", data, err, wantErr)
	}
	if err == nil && !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
		t.Errorf("%q: %s", data, cmp.Diff(want, got))
	}
	var list []json.RawMessage
	listErr := json.Unmarshal(data, &list)
	if listErr == nil && list == nil {
		return
	}
	var elements []json.RawMessage
	err = change.Elements(data, func(value []byte) { elements = append(elements, value) })
	if (err == nil) != (listErr == nil) || err == nil && len(elements) != len(list) {
		t.Fatalf("%q: %v with %d elements, and encoding/json says %v with %d", data, err, len(elements), listErr, len(list))
	}
	for i := range list {
		if string(list[i]) != string(elements[i]) {
			t.Errorf("%q: element %d is %s and not %s", data, i, elements[i], list[i])
		}
	}
	var text string
	textErr := json.Unmarshal(data, &text)
	if got, ok := change.JSONText(data); ok && (textErr != nil || got != text) {
		t.Errorf("%q was read as %q", data, got)
	}
}

// The stored form is written by hand, and is what encoding/json makes of it.
func TestStoredFormIsAsEncodingJSONWritesIt(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "plain", `quote " and \`, "<b>&amp;</b>", "line\nbreak\ttab", "é\u2028\u2029\x7f", "\xff", "Zoë ✓ 日本", "a\u2028", "\xe2\x80"} {
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := change.TextValue(text).AppendJSON(nil); string(got) != string(want) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
		set := change.TextSet(text, "other")
		viaJSON, err := json.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		if got := set.AppendJSON(nil); string(got) != string(viaJSON) {
			t.Errorf("set of %q: %s, want %s", text, got, viaJSON)
		}
	}
	if _, err := json.Marshal(change.ListValue(change.IntValue(1), change.Value{})); err == nil {
		t.Error("a list with an absent value was stored")
	}
}

// An object is written as encoding/json writes it, whatever space and characters its values have.
func TestObjectIsAsEncodingJSONWritesIt(t *testing.T) {
	t.Parallel()
	for _, members := range []map[string]json.RawMessage{
		{}, nil, {"b": []byte(`1`), "a": []byte(` { "x" : [ 1 , 2 ] } `)}, {"<": []byte(`"a<b"`)}, {"é": []byte(`"  é"`)}, {"n": nil}, {"q": []byte(`"a \"b\" c"`)},
	} {
		want, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		if members == nil {
			want = []byte("{}") // no page has null for properties
		}
		got, err := change.Object(members)
		if err != nil || string(got) != string(want) {
			t.Errorf("%v: %s (%v), want %s", members, got, err, want)
		}
	}
	if _, err := change.Object(map[string]json.RawMessage{"a": []byte(`<`)}); err == nil {
		t.Error("what is no JSON was written")
	}
}
