package crm

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

func TestCustomJSONBKeepsWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`UPDATE contact SET custom_fields = custom_fields || '{"_internal": 1.000000000000000000000001, "as_text": "12"}' WHERE id = 1`)
	r := w.rows("contact")
	res := w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Expect: change.Image{"custom.vip_level": dec("3"), "custom.new one": null()},
		Set: change.Image{"custom.vip_level": dec("4.5"), "custom.new one": text(`a "b" \ é`), "custom.city": null(), "custom.as_text": dec("13"),
			"custom.since": date("2026-05-01"), "custom.many": change.TextSet("x", "y")}})
	if _, ok := res.Image["custom._internal"]; ok {
		t.Error("a name that the mapping leaves out was read")
	}
	got := scalar[string](w, "SELECT custom_fields::text FROM contact WHERE id = 1")
	want := scalar[string](w, `SELECT '{"vip_level": 4.5, "huge": 12345678901234567890.123, "active": true, "nested": {"a": 1}, "_internal": 1.000000000000000000000001,
		"as_text": "13", "new one": "a \"b\" \\ é", "since": "2026-05-01", "many": ["x", "y"]}'::jsonb::text`)
	if got != want {
		t.Errorf("custom fields:\n got %s\nwant %s", got, want)
	}
	w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: "2", Set: change.Image{"custom.first": change.BoolValue(true)}})
	if got := scalar[string](w, "SELECT custom_fields::text FROM contact WHERE id = 2"); got != `{"first": true}` {
		t.Errorf("PHP's empty object became %s", got)
	}
	if _, err := w.write(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{"custom._internal": dec("0")}}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("an excluded name was written: %v", err)
	}
}

func TestCustomJSONKeepsItsText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`ALTER TABLE contact ALTER custom_fields TYPE json USING custom_fields::json; UPDATE contact SET custom_fields = '{"z": 1.50, "a": {"k":  [1, 2]}, "n": 1e3}' WHERE id = 1`)
	w.mustWrite(w.rows("contact"), sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{"custom.n": dec("2000"), "custom.b": text("new")}})
	if got, want := scalar[string](w, "SELECT custom_fields::text FROM contact WHERE id = 1"), `{"z":1.50,"a":{"k":  [1, 2]},"n":2000,"b":"new"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAttributesAndJoins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rows("opportunity")
	res := w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Expect: change.Image{"stakeholders": change.TextSet("2", "1"), "contact": change.TextSet("1")},
		Set: change.Image{"custom.budget": dec("2000.5"), "custom.nda": change.BoolValue(false), "custom.region": null(), "custom.fresh": change.BoolValue(true),
			"stakeholders": change.TextSet("2", "3"), "contact": change.SetValue()}})
	if !res.Image["stakeholders"].Equal(change.TextSet("2", "3")) || !res.Image["contact"].Equal(change.SetValue()) {
		t.Errorf("relations hold %v and %v", res.Image["stakeholders"], res.Image["contact"])
	}
	got := scalar[string](w, "SELECT string_agg(name || ' ' || type || ' ' || coalesce(value, '-'), ', ' ORDER BY name) FROM opportunity_attribute WHERE opportunity_id = 1")
	if want := "budget number 2000.5, empty text -, fresh boolean true, nda boolean 0"; got != want {
		t.Errorf("attributes:\n got %s\nwant %s", got, want)
	}
	if v := scalar[int](w, "SELECT version FROM opportunity WHERE id = 1"); v != 2 {
		t.Errorf("version %d after one write, want 2", v)
	}
}

func TestCustomNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO contact (id, full_name, custom_fields, created_at, updated_at) SELECT n, 'c' || n,
		jsonb_build_object('plan', (ARRAY['Gold','Silver'])[1 + n % 2], 'site', 'https://e.com/' || n, '_secret', n), now(), now() FROM generate_series(100, 140) n`)
	names, err := w.rows("contact").CustomNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]mapping.Type{}
	for _, n := range names {
		if f, ok := w.entities["contact"].CustomFieldOf(n); ok {
			got[n.Name] = f.Type
		}
	}
	want := map[string]mapping.Type{"custom.plan": mapping.TypeSelect, "custom.site": mapping.TypeURL, "custom.vip_level": mapping.TypeNumber,
		"custom.huge": mapping.TypeText, "custom.active": mapping.TypeCheckbox, "custom.city": mapping.TypeText}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	names, err = w.rows("opportunity").CustomNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != 3 || names[0].Name != "custom.budget" || !names[0].Samples[0].Equal(dec("1000")) {
		t.Errorf("attributes: %+v", names)
	}
}

// A column that holds no object tells nothing of any custom field: nobody may take that for null, and nothing is written over it.
func TestABrokenCustomColumnIsNotEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`UPDATE contact SET custom_fields = '["a"]' WHERE id = 1`)
	r := w.rows("contact")
	row := w.image(r, "1")
	if row.Problems[mapping.CustomPrefix] == "" || !row.Image["name"].Equal(text("Zoë 李")) {
		t.Errorf("the row reads as %+v", row)
	}
	var data *sink.DataError
	if _, err := w.write(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{"custom.city": text("Paris")}}); !errors.As(err, &data) || data.Field != "custom.city" {
		t.Errorf("a write over it: %v", err)
	}
	if res := w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Expect: change.Image{"custom.city": null()}, Set: change.Image{"notes": text("x")}}); !res.Stale {
		t.Error("null was found where nothing could be read")
	}
	w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{"notes": text("x")}})
	if got := scalar[string](w, "SELECT custom_fields::text FROM contact WHERE id = 1"); got != `["a"]` {
		t.Errorf("the column holds %s", got)
	}
}
