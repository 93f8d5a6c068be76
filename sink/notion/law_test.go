package notion_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
	"github.com/tandem-sync/tandem/sink/notion"
)

// everyType has a field of each type that a mapping knows, but for relations, whose values are links.
const everyType = `{
  "sync": "acme", "entity": "thing",
  "crm": {"table": "public.thing", "key": "id", "time_zone": "Europe/Paris"}, "notion": {"database": "Things"},
  "fields": [
    {"name": "title", "column": "c1", "type": "title"}, {"name": "text", "column": "c2", "type": "text"}, {"name": "number", "column": "c3", "type": "number"},
    {"name": "checkbox", "column": "c4", "type": "checkbox"}, {"name": "date", "column": "c5", "type": "date"}, {"name": "datetime", "column": "c6", "type": "datetime"},
    {"name": "select", "column": "c7", "type": "select"}, {"name": "status", "column": "c8", "type": "status", "options": [{"crm": "todo", "notion": "To do"}, {"crm": "done", "notion": "Done"}]},
    {"name": "multi_select", "column": "c9", "type": "multi_select"}, {"name": "url", "column": "c10", "type": "url"}, {"name": "email", "column": "c11", "type": "email"},
    {"name": "phone", "column": "c12", "type": "phone"}
  ],
  "mode": {"to_notion": "write", "to_crm": "write"}
}`

// values are what columns hold, of every kind, with the texts that hurt: marks that combine, spaces, capitals without small letters, two code units.
func values(t mapping.Type) *rapid.Generator[change.Value] {
	runes := rapid.SampledFrom([]rune{'a', 'B', ' ', '\u0301', '\u0307', '\u2000', '\u00a0', '\r', '\n', 'İ', 'ß', 'Å', '\u212b', '0', '1', '.', '-', '@', '🙂', 'ﬁ', '\ufeff', '\u1e9b', '\u0323', 'Σ', '"', '<', '\\'})
	word := rapid.OneOf(rapid.String(), rapid.StringOfN(runes, 0, 12, -1))
	text := rapid.Map(word, change.TextValue)
	null := rapid.Just(change.NullValue())
	instant := rapid.OneOf(
		rapid.Map(rapid.Int64Range(-62_135_596_800_000_000, 253_402_300_799_999_999), change.TimestampTZValue),
		rapid.Map(rapid.Int64Range(-62_135_000_000_000_000, 253_402_000_000_000_000), change.TimestampValue))
	day := rapid.Map(rapid.Int64Range(-719_162, 2_932_896), change.DateValue)
	switch t {
	case mapping.TypeNumber:
		return rapid.OneOf(null, rapid.Map(rapid.Int64(), change.IntValue), rapid.Map(rapid.Float64(), change.FloatValue),
			rapid.Map(rapid.StringMatching(`-?[0-9]{1,17}(\.[0-9]{1,12})?`), change.DecimalValue), rapid.Just(change.DecimalValue("-0.00")))
	case mapping.TypeCheckbox:
		return rapid.OneOf(null, rapid.Map(rapid.Bool(), change.BoolValue), rapid.Map(rapid.Int64Range(0, 1), change.IntValue))
	case mapping.TypeDate, mapping.TypeDateTime:
		return rapid.OneOf(null, instant, day)
	case mapping.TypeStatus:
		return rapid.Map(rapid.SampledFrom([]string{"To do", "Done", " Done "}), change.TextValue)
	case mapping.TypeMultiSelect:
		return rapid.OneOf(null, text, rapid.Map(rapid.SliceOfN(text, 0, 5), func(vs []change.Value) change.Value { return change.ListValue(vs...) }))
	case mapping.TypeURL:
		return rapid.OneOf(null, rapid.Map(word, func(s string) change.Value { return change.TextValue("https://example.com/" + s) }), text)
	case mapping.TypeEmail:
		return rapid.OneOf(null, rapid.Map(word, func(s string) change.Value { return change.TextValue(s + "@Example.COM") }), text)
	case mapping.TypePhone:
		return rapid.OneOf(null, rapid.Map(rapid.StringMatching(`\+?[0-9 ().-]{0,20}`), change.TextValue), text)
	}
	return rapid.OneOf(null, text, rapid.Map(rapid.Int64(), change.IntValue), day)
}

// The law that the whole sync stands on, for every mapped type, through the property codec and the emulator's JSON: what is read of a page after a
// value was written to it is that value's canonical form, in the write's own answer and in a read.
func TestWhatIsWrittenIsReadBackAsItsCanonicalForm(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	w.compile(everyType)
	p := w.pages("thing")
	s := w.schema("thing")
	page, _, err := p.Create(t.Context(), s, "id-1", change.Image{"title": text("one")})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range w.entity("thing").Fields {
		held := 0
		gen := values(f.Type)
		rapid.Check(t, func(t *rapid.T) {
			v := gen.Draw(t, f.Name)
			canon, err := f.Canon(v)
			if err != nil {
				return // it is parked, with a reason
			}
			if err := writtenAndRead(w, p, s, page, f, canon); err != nil {
				t.Fatalf("%s %s %q: %v", f.Type, v.Kind(), v, err)
			}
			held++
		})
		if held < 20 {
			t.Errorf("%s: only %d values could be held", f.Type, held)
		}
	}
}

func writtenAndRead(w *workspace, p *notion.Pages, s ledger.Schema, page string, f mapping.Field, canon change.Value) error {
	answer, err := p.Update(w.t.Context(), s, page, sink.PageUpdate{Values: change.Image{f.Name: canon}})
	var data *sink.DataError
	if errors.As(err, &data) {
		return fmt.Errorf("%q is canonical, and cannot be written: %w", canon, err)
	}
	if err != nil {
		return err
	}
	read, err := p.Read(w.t.Context(), s, page)
	if err != nil {
		return err
	}
	for how, seen := range map[string]ledger.Observation{"the answer": answer, "a read": read} {
		raw, err := sink.PageValues(s, seen.Properties)
		if err != nil {
			return err
		}
		back, err := f.Canon(raw[f.Name])
		if err != nil || !change.Equal(back, canon) && !sameOptions(f, back, canon) {
			return fmt.Errorf("%q was sent, %s shows %s %q: canonical %q, %w", canon, how, raw[f.Name].Kind(), raw[f.Name], back, err)
		}
	}
	return nil
}

// sameOptions says that an option of this name, in other capitals, was there before: Notion takes it for the same, and the sink leaves the CRM its own.
func sameOptions(f mapping.Field, a, b change.Value) bool {
	switch f.Type {
	case mapping.TypeSelect, mapping.TypeStatus:
		return strings.EqualFold(a.Text(), b.Text())
	case mapping.TypeMultiSelect:
		fold := func(v change.Value) change.Value {
			var low []string
			for _, o := range v.Items() {
				low = append(low, strings.ToLower(strings.ToUpper(o.Text())))
			}
			return change.TextSet(low...)
		}
		return change.Equal(fold(a), fold(b))
	}
	return false
}
