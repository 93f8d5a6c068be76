package change

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

func isInfinite(n int64) bool { return n == Infinity || n == NegInfinity }

func (f Format) appendDate(dst []byte, v Value) []byte {
	if f.TimeMode == "isostring" {
		if isInfinite(v.Int()) {
			return appendString(dst, v.String())
		}
		return appendString(dst, v.String()+"Z")
	}
	days := v.Int()
	switch days {
	case Infinity:
		days = infinityDays
	case NegInfinity:
		days = negInfinityDays
	}
	return strconv.AppendInt(dst, days, 10)
}

// fine says whether a time or timestamp of this type needs microseconds: precision 4 to 6, or none given.
func (t Type) fine() bool { return t.Modifier < 0 || t.Modifier > 3 }

// timeDivisor gives how many microseconds make the unit of a mode; nanoseconds are negative: a multiplier.
func (f Format) timeDivisor(t Type, isTime bool) int64 {
	switch f.TimeMode {
	case "connect":
		return 1000
	case "microseconds":
		return 1
	case "nanoseconds":
		return -1000
	case "adaptive_time_microseconds":
		if isTime {
			return 1
		}
	}
	if t.fine() {
		return 1
	}
	return 1000
}

func appendScaled(dst []byte, micros, divisor int64) []byte {
	if divisor < 0 {
		return strconv.AppendInt(dst, micros*-divisor, 10)
	}
	return strconv.AppendInt(dst, floorDiv(micros, divisor), 10)
}

func (f Format) appendTime(dst []byte, t Type, v Value) []byte {
	if f.TimeMode == "isostring" {
		return appendString(dst, v.String()+"Z")
	}
	return appendScaled(dst, v.Int(), f.timeDivisor(t, true))
}

// appendTimestamp writes epoch numbers. Nanoseconds reach from 1677 to 2262; beyond, the nearest end is written, as for infinity.
func (f Format) appendTimestamp(dst []byte, t Type, v Value) []byte {
	micros := v.Int()
	if f.TimeMode == "isostring" {
		if isInfinite(micros) {
			return appendString(dst, v.String())
		}
		return appendString(dst, v.String()+"Z")
	}
	divisor := f.timeDivisor(t, false)
	if divisor < 0 && (micros > math.MaxInt64/-divisor || micros < math.MinInt64/-divisor) {
		if micros > 0 {
			return strconv.AppendInt(dst, math.MaxInt64, 10)
		}
		return strconv.AppendInt(dst, math.MinInt64, 10)
	}
	switch micros {
	case Infinity:
		micros = infinityMicros
	case NegInfinity:
		micros = negInfinityMicros
	}
	return appendScaled(dst, micros, divisor)
}

// timeTZToUTC turns "13:51:30.123789+02" into "11:51:30.123789Z", as Debezium's ZonedTime has it. What it cannot read stays.
func timeTZToUTC(text string) string {
	at := strings.LastIndexAny(text, "+-")
	if at < 0 {
		return text
	}
	micros, err := parseClock(text[:at])
	offset, ok := parseOffset(text[at:])
	if err != nil || !ok {
		return text
	}
	micros -= offset.Microseconds()
	return formatClock(micros-floorDiv(micros, microsPerDay)*microsPerDay) + "Z"
}

// parseOffset reads "+02", "-05:30" or "+01:23:45".
func parseOffset(text string) (time.Duration, bool) {
	var offset time.Duration
	units := [...]time.Duration{time.Hour, time.Minute, time.Second}
	parts := strings.Split(text[1:], ":")
	if len(parts) > len(units) {
		return 0, false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return 0, false
		}
		offset += time.Duration(n) * units[i]
	}
	if text[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// interval is PostgreSQL's: months, days and time do not mix.
type interval struct{ months, days, micros int64 }

// appendInterval writes microseconds with a month of 365.25/12 days (as Debezium; not exact, by nature), or ISO 8601.
func (f Format) appendInterval(dst []byte, text string) []byte {
	i, ok := parseInterval(text)
	if !ok {
		return appendString(dst, text)
	}
	if f.IntervalMode == "string" {
		return appendString(dst, i.iso())
	}
	days := float64(i.months)*(365.25/12) + float64(i.days)
	return strconv.AppendInt(dst, saturate(days*microsPerDay, i.micros), 10)
}

// saturate adds and cuts to what 64 bits hold, as Java's (long) does: 178,000,000 years are more than that.
func saturate(a float64, b int64) int64 {
	const end = 1 << 63 // the first float64 that is too large
	switch sum := a + float64(b); {
	case sum >= end:
		return math.MaxInt64
	case sum < -end:
		return math.MinInt64
	case a >= end || a < -end: // b brings it back into reach, and is as coarse
		return int64(sum)
	}
	return int64(a) + b
}

// parseInterval reads IntervalStyle=postgres: "1 year 2 mons -3 days +04:05:06.78".
func parseInterval(text string) (interval, bool) {
	var out interval
	words := strings.Fields(text)
	for len(words) > 0 {
		if strings.Contains(words[0], ":") {
			micros, ok := parseSignedClock(words[0])
			out.micros += micros
			return out, ok && len(words) == 1
		}
		n, err := strconv.ParseInt(words[0], 10, 32)
		if err != nil || len(words) < 2 {
			return interval{}, false
		}
		switch strings.TrimSuffix(words[1], "s") {
		case "year":
			out.months += 12 * n
		case "mon":
			out.months += n
		case "day":
			out.days += n
		default:
			return interval{}, false
		}
		words = words[2:]
	}
	return out, text != ""
}

// parseSignedClock reads "-123:04:05.6": hours are not bounded here.
func parseSignedClock(text string) (int64, bool) {
	digits := strings.TrimLeft(text, "+-")
	parts := strings.Split(digits, ":")
	if len(parts) != 3 {
		return 0, false
	}
	h, errHours := strconv.ParseInt(parts[0], 10, 40)
	m, errMinutes := strconv.ParseInt(parts[1], 10, 8)
	whole, fraction, _ := strings.Cut(parts[2], ".")
	s, errSeconds := strconv.ParseInt(whole, 10, 8)
	us, errMicros := strconv.ParseInt((fraction + "000000")[:6], 10, 32)
	if errHours != nil || errMinutes != nil || errSeconds != nil || errMicros != nil || len(fraction) > 6 {
		return 0, false
	}
	micros := ((h*60+m)*60+s)*1_000_000 + us
	if text[0] == '-' {
		micros = -micros
	}
	return micros, true
}

func (i interval) iso() string {
	seconds := i.micros % 60_000_000
	return fmt.Sprintf("P%dY%dM%dDT%dH%dM%sS", i.months/12, i.months%12, i.days,
		i.micros/3_600_000_000, i.micros/60_000_000%60, trimSeconds(seconds))
}

func trimSeconds(micros int64) string {
	text := strconv.FormatFloat(float64(micros)/1e6, 'f', 6, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
