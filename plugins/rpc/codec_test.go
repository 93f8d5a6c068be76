package rpc

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/rpc/pluginv1"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

func TestValuesSurviveTheWire(t *testing.T) {
	t.Parallel()
	for _, v := range []change.Value{
		change.NullValue(), change.BoolValue(false), change.IntValue(math.MinInt64), change.DecimalValue("1.10"), change.FloatValue(math.Inf(-1)),
		change.TextValue(""), change.TextValue("Zoë \u0000 😀"), change.BytesValue([]byte{0, 255}), change.DateValue(change.Infinity), change.TimeValue(86_400_000_000),
		change.TimestampTZValue(1), change.JSONValue(`{"a":1.0}`), change.UUIDValue("F47AC10B-58CC-4372-A567-0E02B2C3D479"),
		change.ListValue(change.NullValue(), change.TextSet("b", "a")), change.TextKindValue(change.Interval, "1 mon"),
	} {
		b, err := EncodeItem(v)
		if err != nil {
			t.Errorf("encode %v: %v", v, err)
			continue
		}
		if got, err := DecodeItem[change.Value](b); err != nil || !change.Equal(got, v) {
			t.Errorf("%s came back as %v, %v", b, got, err)
		}
	}
	im := change.Image{"a": change.NullValue(), "b": change.IntValue(1)}
	b, err := EncodeItem(im)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeItem[change.Image](b); err != nil || !cmp.Equal(got, im) {
		t.Errorf("%s came back as %v, %v", b, got, err)
	}
}

func TestWhatIsNoItemIsRefused(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "{", `{"int":"x"}`, `{"colour":"red"}`, `{"int":"1","text":"2"}`, "7", strings.Repeat(" ", ItemBytesMax+1) + "null"} {
		if v, err := DecodeItem[change.Value]([]byte(raw)); err == nil {
			t.Errorf("%.20q is read as %v", raw, v)
		}
	}
	for _, raw := range []string{"null", "[]", `"a"`, `{"a":7}`} {
		if v, err := DecodeItem[change.Image]([]byte(raw)); err == nil {
			t.Errorf("%.20q is read as %v", raw, v)
		}
	}
	if _, err := EncodeItem(change.Value{}); err == nil {
		t.Error("an absent value is written")
	}
	if _, err := EncodeItem(change.TextValue(strings.Repeat("x", ItemBytesMax))); err == nil {
		t.Error("a value beyond the limit is written")
	}
}

func FuzzDecodeItem(f *testing.F) {
	for _, seed := range []string{"null", `"a"`, `{"int":"1"}`, `{"set":["a",{"date":"2026-11-22"}]}`, `{"a":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := DecodeItem[change.Value](raw)
		if err != nil {
			return
		}
		b, err := EncodeItem(v)
		if err != nil {
			t.Fatalf("%q is read and cannot be written: %v", raw, err)
		}
		if again, err := DecodeItem[change.Value](b); err != nil || !change.Equal(v, again) {
			t.Fatalf("%q is %v, then %v: %v", raw, v, again, err)
		}
	})
}

func TestErrorsAndDescriptionsSurviveTheWire(t *testing.T) {
	t.Parallel()
	for _, err := range []error{sdk.BadValue("bad"), sdk.Retry("again"), sdk.Fatal("over"), errors.New("plain")} {
		got := DecodeError(EncodeError(err))
		if sdk.ClassOf(got) != sdk.ClassOf(err) || got.Error() != err.Error() {
			t.Errorf("%v came back as %v of class %v", err, got, sdk.ClassOf(got))
		}
	}
	if err := DecodeError(&pluginv1.Error{}); sdk.ClassOf(err) != sdk.ClassBadValue || err.Error() == "" {
		t.Errorf("an empty error is %v", err)
	}
	d := sdk.Description{Name: "p", Version: "1", Summary: "s", ProtocolMinor: 3, Offers: []sdk.OfferDescription{
		{Name: "f", Kind: sdk.KindFunction, Summary: "f", Row: []change.Kind{change.Text, change.Set}, ConfigSchema: []byte(`{}`)},
		{Name: "m", Kind: sdk.KindMapper},
	}}
	got, err := DecodeDescription(EncodeDescription(d))
	if diff := cmp.Diff(d, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	wire := EncodeDescription(d)
	wire.Offers = append(wire.Offers, &pluginv1.Offer{Name: "later", Kind: 9})
	if got, err := DecodeDescription(wire); err != nil || len(got.Offers) != 2 {
		t.Errorf("an offer of a kind to come: %v, %v", got, err)
	}
	wire.Name = "No Name"
	if _, err := DecodeDescription(wire); err == nil {
		t.Error("a wrong description is taken")
	}
	diags := []sdk.Diagnostic{sdk.Problem("a.b", "do", "wrong"), sdk.Warning("", "", "odd")}
	if diff := cmp.Diff(diags, DecodeDiagnostics(EncodeDiagnostics(diags))); diff != "" {
		t.Error(diff)
	}
}
