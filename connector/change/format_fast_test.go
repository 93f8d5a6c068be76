package change

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The quick way writes what the exact one does, or leaves it to that.
func TestSmallDecimalsAreExact(t *testing.T) {
	t.Parallel()
	exact := func(text string, scale int) string {
		unscaled, has, ok := unscale(text)
		if !ok {
			return ""
		}
		return string(appendUnscaled(nil, rescale(unscaled, has, scale)))
	}
	check := func(t interface{ Errorf(string, ...any) }, text string, scale int) bool {
		got, ok := appendSmallDecimal([]byte("x"), text, scale)
		if want := exact(text, scale); ok && string(got) != "x"+want {
			t.Errorf("%s with scale %d: got %s, want %s", text, scale, got[1:], want)
		}
		return ok
	}
	for _, text := range []string{"0", "-0.00", "0.01", "-0.01", "1.27", "1.28", "-1.28", "-1.29", "327.67", "327.68", "-327.68", "-327.69", "42857.14", "9999999999999999.99", "-9999999999999999.99"} {
		if !check(t, text, 2) {
			t.Errorf("%s was left to the exact way", text)
		}
	}
	for _, text := range []string{"", "-", ".", "NaN", "-Infinity", "1e5", "1.2.3", "+1", "12345678901234567890", "1.234"} {
		if _, ok := appendSmallDecimal(nil, text, 2); ok {
			t.Errorf("%q was written", text)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		sign := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign")
		text := sign + rapid.StringMatching(`[0-9]{1,20}(\.[0-9]{1,6})?`).Draw(t, "digits")
		check(t, text, rapid.IntRange(0, 8).Draw(t, "scale"))
	})
}

func TestInstantsAreWrittenAlikeOnBothPaths(t *testing.T) {
	t.Parallel()
	check := func(t interface{ Errorf(string, ...any) }, micros int64) {
		v := TimestampTZValue(micros)
		if got, want := string(appendInstant(nil, Type{Modifier: -1}, v)), string(appendFarInstant(nil, v, 6)); got != want {
			t.Errorf("%d: got %s, want %s", micros, got, want)
		}
	}
	for _, micros := range []int64{0, 1, -1, Infinity, NegInfinity, 253402300799_999999, 253402300800_000000, -62167219200_000000, -62167219200_000001, math.MaxInt64 - 1} {
		check(t, micros)
	}
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.Int64().Draw(t, "micros")) })
}

// What nearly every row has is written without an allocation.
func TestCommonValuesAllocateNothing(t *testing.T) {
	at, err := ParseTimestampTZ("2026-11-22T18:24:02.123456Z")
	if err != nil {
		t.Fatal(err)
	}
	row := Row{col("id", "int8", -1, IntValue(1<<40)), col("n", "numeric", 10<<16|2+4, DecimalValue("42857.14")), col("t", "text", -1, TextValue(strings.Repeat("é", 50))),
		col("at", "timestamptz", -1, at), col("b", "bool", -1, BoolValue(true)), col("no", "text", -1, NullValue())}
	e := &Event{Op: Create, Key: row[:1], After: row, Source: sampleSource()}
	buffer := make([]byte, 0, 4096)
	if got := testing.AllocsPerRun(100, func() { buffer = Format{}.AppendValue(buffer[:0], e) }); got > 0 {
		t.Errorf("%v allocations: %s", got, fmt.Sprint(string(buffer)))
	}
}
