package postgres

import (
	"math"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

const microsPerDay = 86_400_000_000

// daysEnd is the first day that 64 bits of microseconds since 1970 do not hold whole: 294247-01-10. PostgreSQL counts from 2000 and goes on to
// 294276; those last years stay text.
const daysEnd = math.MaxInt64 / microsPerDay

// parseTimestamp reads "2016-11-04 11:51:30.123456", with "+00" after it for instants (our sessions are in UTC) and " BC" at
// the end before year 1, as microseconds since 1970.
func parseTimestamp(text string) (int64, bool) {
	if n, ok := infinite(text); ok {
		return n, true
	}
	text, era := cutEra(text)
	date, clock, ok := strings.Cut(text, " ")
	if !ok {
		return 0, false
	}
	days, okDate := civilDays(date, era)
	micros, okClock := parseClock(strings.TrimSuffix(clock, "+00"))
	return days*microsPerDay + micros, okDate && okClock && days < daysEnd
}

// parseDate reads "2016-11-04", "0044-03-15 BC" or an infinity as days since 1970.
func parseDate(text string) (int64, bool) {
	if n, ok := infinite(text); ok {
		return n, true
	}
	text, era := cutEra(text)
	return civilDays(text, era)
}

func infinite(text string) (int64, bool) {
	switch text {
	case "infinity":
		return change.Infinity, true
	case "-infinity":
		return change.NegInfinity, true
	}
	return 0, false
}

// cutEra says whether years count backwards. 1 BC is year 0 of ISO 8601.
func cutEra(text string) (string, bool) {
	rest, bc := strings.CutSuffix(text, " BC")
	return rest, bc
}

func civilDays(text string, bc bool) (int64, bool) {
	year, rest, ok := strings.Cut(text, "-")
	if !ok || len(rest) != 5 || rest[2] != '-' || len(year) < 4 || len(year) > 7 {
		return 0, false
	}
	y, okYear := number(year)
	m, okMonth := number(rest[:2])
	d, okDay := number(rest[3:])
	if bc {
		y = 1 - y
	}
	t := time.Date(int(y), time.Month(m), int(d), 0, 0, 0, 0, time.UTC)
	if !okYear || !okMonth || !okDay || int64(t.Day()) != d || int64(t.Month()) != m {
		return 0, false
	}
	seconds := t.Unix()
	days := seconds / 86_400
	if seconds%86_400 < 0 {
		days--
	}
	return days, true
}

// parseClock reads "11:51:30.123456" as microseconds; "24:00:00" exists.
func parseClock(text string) (int64, bool) {
	if len(text) < 8 || text[2] != ':' || text[5] != ':' {
		return 0, false
	}
	h, okHours := number(text[:2])
	m, okMinutes := number(text[3:5])
	s, okSeconds := number(text[6:8])
	micros := ((h*60+m)*60 + s) * 1_000_000
	if !okHours || !okMinutes || !okSeconds || m > 59 || s > 59 {
		return 0, false
	}
	if fraction := text[8:]; fraction != "" {
		if fraction[0] != '.' || len(fraction) < 2 || len(fraction) > 7 {
			return 0, false
		}
		n, ok := number(fraction[1:])
		if !ok {
			return 0, false
		}
		for range 7 - len(fraction) {
			n *= 10
		}
		micros += n
	}
	return micros, micros <= microsPerDay
}

// number reads digits only; strconv would take signs.
func number(digits string) (int64, bool) {
	var n int64
	for i := range len(digits) {
		c := digits[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	return n, digits != ""
}
