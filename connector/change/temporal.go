package change

import (
	"fmt"
	"strings"
	"time"
)

// Wall-clock times carry no zone; this is RFC 3339 without one.
const timestampLayout = "2006-01-02T15:04:05.999999"

const microsPerDay = 86_400_000_000

// ParseDate reads "2006-01-02", "infinity" or "-infinity".
func ParseDate(text string) (Value, error) {
	if n, ok := parseInfinity(text); ok {
		return DateValue(n), nil
	}
	t, err := parseYearFirst("2006-01-02", text)
	if err != nil {
		return Value{}, fmt.Errorf("parse date %q: want YYYY-MM-DD", text)
	}
	return DateValue(floorDiv(t.Unix(), 86_400)), nil
}

// ParseTimestamp reads a wall-clock time, "2006-01-02T15:04:05.999999" (a space for the T is accepted), or an infinity.
func ParseTimestamp(text string) (Value, error) {
	if n, ok := parseInfinity(text); ok {
		return TimestampValue(n), nil
	}
	t, err := parseYearFirst(timestampLayout, strings.Replace(text, " ", "T", 1))
	if err != nil {
		return Value{}, fmt.Errorf("parse timestamp %q: want YYYY-MM-DDThh:mm:ss[.ffffff]", text)
	}
	return TimestampValue(t.UnixMicro()), nil
}

// ParseTimestampTZ reads an RFC 3339 time or an infinity.
func ParseTimestampTZ(text string) (Value, error) {
	if n, ok := parseInfinity(text); ok {
		return TimestampTZValue(n), nil
	}
	t, err := parseYearFirst(time.RFC3339Nano, strings.Replace(text, " ", "T", 1))
	if err != nil {
		return Value{}, fmt.Errorf("parse timestamp with time zone %q: want RFC 3339", text)
	}
	return TimestampTZValue(t.UnixMicro()), nil
}

// parseYearFirst is time.Parse for layouts that begin with a year, which may have a sign and more than four digits.
func parseYearFirst(layout, text string) (time.Time, error) {
	sign, digits := 1, text
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		sign, digits = -1, rest
	}
	digits = strings.TrimPrefix(digits, "+")
	year, rest, ok := strings.Cut(digits, "-")
	if !ok || len(year) < 4 || len(year) > 7 {
		return time.Time{}, fmt.Errorf("no year in %q", text)
	}
	if sign == 1 && len(year) == 4 {
		return time.Parse(layout, digits)
	}
	var y int
	if _, err := fmt.Sscanf(year, "%d", &y); err != nil {
		return time.Time{}, err
	}
	// 2000 is a leap year: any day of any year can be parsed in it and moved.
	t, err := time.Parse(layout, "2000-"+rest)
	if err != nil {
		return time.Time{}, err
	}
	moved := time.Date(sign*y, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	if moved.Day() != t.Day() {
		return time.Time{}, fmt.Errorf("no such day: %q", text)
	}
	return moved, nil
}

func formatDate(days int64) string {
	if s, ok := formatInfinity(days); ok {
		return s
	}
	return formatYearFirst(time.Unix(days*86_400, 0).UTC(), "2006-01-02")
}

func formatMicros(micros int64, layout string) string {
	if s, ok := formatInfinity(micros); ok {
		return s
	}
	return formatYearFirst(time.UnixMicro(micros).UTC(), layout)
}

func formatYearFirst(t time.Time, layout string) string {
	if y := t.Year(); y < 0 || y > 9999 {
		rest := t.Format(strings.Replace(layout, "2006", "", 1))
		if y < 0 {
			return fmt.Sprintf("-%04d%s", -y, rest)
		}
		return fmt.Sprintf("+%d%s", y, rest)
	}
	return t.Format(layout)
}

func parseInfinity(text string) (int64, bool) {
	switch text {
	case "infinity":
		return Infinity, true
	case "-infinity":
		return NegInfinity, true
	}
	return 0, false
}

func formatInfinity(n int64) (string, bool) {
	switch n {
	case Infinity:
		return "infinity", true
	case NegInfinity:
		return "-infinity", true
	}
	return "", false
}

func parseClock(text string) (int64, error) {
	if text == "24:00:00" {
		return microsPerDay, nil
	}
	t, err := time.Parse("15:04:05.999999", text)
	if err != nil {
		return 0, fmt.Errorf("parse time %q: want hh:mm:ss[.ffffff]", text)
	}
	return int64(t.Hour())*3_600_000_000 + int64(t.Minute())*60_000_000 + int64(t.Second())*1_000_000 + int64(t.Nanosecond()/1000), nil
}

// ParseTime reads "15:04:05.999999"; "24:00:00" exists, as in PostgreSQL.
func ParseTime(text string) (Value, error) {
	n, err := parseClock(text)
	if err != nil {
		return Value{}, err
	}
	return TimeValue(n), nil
}

func formatClock(micros int64) string {
	if micros == microsPerDay {
		return "24:00:00"
	}
	return time.UnixMicro(micros).UTC().Format("15:04:05.999999")
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
