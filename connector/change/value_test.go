package change

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// A value that goes into the ledger must come out as itself: the base is compared with it for years.
func TestStoredFormRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawValue(2).Draw(t, "value")
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("marshal %v: %v", v, err)
		}
		var got Value
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatalf("unmarshal %s: %v", data, err)
		}
		if !Equal(v, got) {
			t.Fatalf("%s: got %v (%s), want %v (%s)", data, got, got.Kind(), v, v.Kind())
		}
	})
}

func drawValue(depth int) *rapid.Generator[Value] {
	plain := []*rapid.Generator[Value]{
		rapid.Just(NullValue()),
		rapid.Map(rapid.Bool(), BoolValue),
		rapid.Map(rapid.Int64(), IntValue),
		rapid.Map(rapid.Float64(), FloatValue),
		rapid.SampledFrom([]Value{FloatValue(math.NaN()), FloatValue(math.Inf(-1)), DecimalValue("1.10"), DecimalValue("NaN")}),
		rapid.Map(rapid.String(), TextValue),
		rapid.Map(rapid.SliceOf(rapid.Byte()), BytesValue),
		rapid.Map(rapid.Int64Range(-2_440_000, 106_000_000), DateValue),
		rapid.SampledFrom([]Value{DateValue(Infinity), DateValue(NegInfinity), TimestampValue(Infinity), TimestampTZValue(NegInfinity)}),
		rapid.Map(rapid.Int64Range(0, microsPerDay), TimeValue),
		rapid.Map(rapid.Int64Range(-210_866_803_200_000_000, 9_223_371_331_200_000_000-1), TimestampValue),
		rapid.Map(rapid.Int64Range(-210_866_803_200_000_000, 9_223_371_331_200_000_000-1), TimestampTZValue),
	}
	if depth > 0 {
		items := rapid.SliceOfN(drawValue(depth-1), 0, 4)
		plain = append(plain,
			rapid.Map(items, func(vs []Value) Value { return ListValue(vs...) }),
			rapid.Map(items, func(vs []Value) Value { return SetValue(vs...) }))
	}
	return rapid.OneOf(plain...)
}

func TestSetsAreSortedWithoutRepetition(t *testing.T) {
	t.Parallel()
	if got, want := TextSet("b", "a", "b"), TextSet("a", "b"); !Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if Equal(TextValue(""), NullValue()) || Equal(NullValue(), Value{}) {
		t.Fatal("empty, null and absent must stay three different things")
	}
}

func TestTemporalTexts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ parse, want string }{
		{"2024-02-29", "2024-02-29"}, {"-4713-11-24", "-4713-11-24"}, {"+5874897-12-31", "+5874897-12-31"}, {"infinity", "infinity"},
	} {
		v, err := ParseDate(tc.parse)
		if err != nil || v.String() != tc.want {
			t.Errorf("%s: got %q, %v, want %q", tc.parse, v.String(), err, tc.want)
		}
	}
	if _, err := ParseDate("2023-02-29"); err == nil {
		t.Error("2023-02-29 was accepted")
	}
}

func TestTopicNames(t *testing.T) {
	t.Parallel()
	if got := TopicName("crm", "public", "Größe (€)"); got != "crm.public.Gr__e____" {
		t.Errorf("got %s", got)
	}
}
