package emulator

import (
	"strings"
	"time"
)

// minuteTime is how pages, blocks, comments and data sources show a time: cut
// down to the minute, so that two edits within a minute look alike.
func minuteTime(t time.Time) string {
	return t.UTC().Truncate(time.Minute).Format("2006-01-02T15:04:05.000Z")
}

// msTime is how databases show a time: milliseconds and an explicit offset.
func msTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000+00:00") }

// zuluTime is the form of webhook timestamps and expiry times.
func zuluTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// parseDate reads what Notion accepts as a date: a day, or a time with or
// without an offset. day tells that there was no time.
func parseDate(s string) (t time.Time, day, offset, ok bool) {
	if t, err := time.Parse("2006-01-02", s); err == nil {
		return t, true, false, true
	}
	s = strings.Replace(s, " ", "T", 1)
	for _, f := range []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999Z0700"} {
		if t, err := time.Parse(f, s); err == nil {
			return t, false, true, true
		}
	}
	for _, f := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04"} {
		if t, err := time.Parse(f, s); err == nil {
			return t, false, false, true
		}
	}
	return time.Time{}, false, false, false
}
