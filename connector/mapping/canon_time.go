package mapping

import (
	"fmt"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// Notion's dates are ISO 8601 with a year of four digits.
var (
	dayMin    = days(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC))
	dayMax    = days(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC))
	microsMin = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	microsMax = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() - 1
)

const (
	secondsPerDay   = 86_400
	microsPerDay    = 86_400_000_000
	microsPerMinute = 60_000_000
)

func canonDate(v change.Value, zone *time.Location) (change.Value, error) {
	switch v.Kind() {
	case change.Null:
		return v, nil
	case change.Date:
		return boundedDate(v)
	case change.Timestamp:
		if infinite(v) {
			return change.Value{}, errInfinite
		}
		return boundedDate(change.DateValue(floorDiv(v.Int(), microsPerDay)))
	case change.TimestampTZ:
		t, ok := v.Instant()
		if !ok {
			return change.Value{}, errInfinite
		}
		y, m, d := t.In(zone).Date()
		return boundedDate(change.DateValue(days(time.Date(y, m, d, 0, 0, 0, 0, time.UTC))))
	case change.Text:
		return textTime(v, func(parsed change.Value) (change.Value, error) { return canonDate(parsed, zone) })
	}
	return change.Value{}, fmt.Errorf("a %s is no date", v.Kind())
}

func canonDateTime(v change.Value, zone *time.Location) (change.Value, error) {
	switch v.Kind() {
	case change.Null:
		return v, nil
	case change.Date:
		if infinite(v) {
			return change.Value{}, errInfinite
		}
		if v.Int() < dayMin || v.Int() > dayMax {
			return change.Value{}, errYear(v)
		}
		return boundedInstant(wallClock(v.Int()*microsPerDay, zone))
	case change.Timestamp:
		if infinite(v) {
			return change.Value{}, errInfinite
		}
		return boundedInstant(wallClock(v.Int(), zone))
	case change.TimestampTZ:
		return boundedInstant(v)
	case change.Text:
		return textTime(v, func(parsed change.Value) (change.Value, error) { return canonDateTime(parsed, zone) })
	}
	return change.Value{}, fmt.Errorf("a %s is no point in time", v.Kind())
}

var errInfinite = fmt.Errorf("an infinite date cannot be held by Notion")

func errYear(v change.Value) error {
	return fmt.Errorf("%s is outside of the years 1 to 9999 that Notion can hold", v)
}

func infinite(v change.Value) bool {
	return v.Int() == change.Infinity || v.Int() == change.NegInfinity
}

func boundedDate(v change.Value) (change.Value, error) {
	if infinite(v) {
		return change.Value{}, errInfinite
	}
	if v.Int() < dayMin || v.Int() > dayMax {
		return change.Value{}, errYear(v)
	}
	return v, nil
}

// boundedInstant cuts to the minute, downwards also before 1970: Notion's editor knows no seconds, and whether its service keeps those that are
// sent is not documented. Cutting both sides makes a column with seconds equal to what any page can say, so its seconds are never overwritten.
func boundedInstant(v change.Value) (change.Value, error) {
	if infinite(v) {
		return change.Value{}, errInfinite
	}
	if v.Int() < microsMin || v.Int() > microsMax {
		return change.Value{}, errYear(v)
	}
	return change.TimestampTZValue(floorDiv(v.Int(), microsPerMinute) * microsPerMinute), nil
}

// wallClock is the instant at which a clock in the zone shows this time, as PostgreSQL's AT TIME ZONE finds it: in the hour that a clock
// shows twice it is the second time, and a time that a clock skips is read with the offset from before. time.Date does either, by continent.
func wallClock(micros int64, zone *time.Location) change.Value {
	const around = 24 * time.Hour // farther from the clock's change than any offset
	utc := time.UnixMicro(micros).UTC()
	_, before := utc.Add(-around).In(zone).Zone()
	_, after := utc.Add(around).In(zone).Zone()
	first, second := utc.Add(-time.Duration(before)*time.Second), utc.Add(-time.Duration(after)*time.Second)
	if _, offset := second.In(zone).Zone(); offset == after {
		return change.InstantValue(second)
	}
	return change.InstantValue(first)
}

// WallClock is the instant at which a clock in the zone shows a Timestamp; other values stay as they are.
func WallClock(v change.Value, zone *time.Location) change.Value {
	if v.Kind() != change.Timestamp {
		return v
	}
	if infinite(v) {
		return change.TimestampTZValue(v.Int())
	}
	return wallClock(v.Int(), zone)
}

// textTime reads a date or time kept as text, as custom fields do.
func textTime(v change.Value, canon func(change.Value) (change.Value, error)) (change.Value, error) {
	s := strings.TrimSpace(v.Text())
	if s == "" {
		return change.NullValue(), nil
	}
	for _, parse := range []func(string) (change.Value, error){change.ParseDate, change.ParseTimestampTZ, change.ParseTimestamp} {
		if parsed, err := parse(s); err == nil {
			return canon(parsed)
		}
	}
	return change.Value{}, fmt.Errorf("%q is no date; want YYYY-MM-DD or RFC 3339", shorten(s))
}

func days(t time.Time) int64 { return floorDiv(t.Unix(), secondsPerDay) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
