package builtin

import (
	"time"
	_ "time/tzdata" // zones are part of what a mapping means; a distroless image has none

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// Date keeps the day of a moment, in a zone. A day that was edited in Notion becomes its first moment there.
type Date struct {
	Zone string `json:"zone" doc:"the zone whose day it is, such as Europe/Paris; a column without a zone is taken as it stands"`
	Row  string `json:"row" enum:"timestamptz,timestamp" doc:"the column's type"`

	location *time.Location
}

var (
	_ sdk.Function  = (*Date)(nil)
	_ sdk.Validator = (*Date)(nil)
)

// Validate loads the zone.
func (d *Date) Validate() []sdk.Diagnostic {
	if d.Zone == "Local" || d.Zone == "" {
		return []sdk.Diagnostic{sdk.Problem("zone", "name it, such as Europe/Paris: two machines may not agree on theirs", "the zone is not named")}
	}
	location, err := time.LoadLocation(d.Zone)
	if err != nil {
		return []sdk.Diagnostic{sdk.Problem("zone", "use a name of the IANA time zone database, such as Europe/Paris", "there is no zone %q", d.Zone)}
	}
	d.location = location
	return nil
}

const (
	microsPerDay    = 86_400_000_000
	secondsPerDay   = 86_400
	microsPerSecond = 1_000_000
)

// ToNotion gives the day.
func (d *Date) ToNotion(row change.Value) (change.Value, error) {
	switch row.Kind() {
	case change.Null, change.Date:
		return row, nil
	case change.Timestamp, change.TimestampTZ:
	default:
		return change.Value{}, sdk.BadValue("want a moment, got %v", row.Kind())
	}
	micros := row.Int()
	if infinite(micros) {
		return change.DateValue(micros), nil
	}
	if row.Kind() == change.Timestamp {
		return change.DateValue(floorDiv(micros, microsPerDay)), nil
	}
	local := time.UnixMicro(micros).In(d.location)
	_, offset := local.Zone()
	return change.DateValue(floorDiv(local.Unix()+int64(offset), secondsPerDay)), nil
}

// ToCRM gives the day's first moment.
func (d *Date) ToCRM(field change.Value) (change.Value, error) {
	switch field.Kind() {
	case change.Null:
		return field, nil
	case change.Date:
	default:
		return change.Value{}, sdk.BadValue("want a day without a time, got %v", field.Kind())
	}
	days := field.Int()
	moment := change.TimestampTZValue
	if d.Row == "timestamp" {
		moment = change.TimestampValue
	}
	if infinite(days) {
		return moment(days), nil
	}
	const daysMax = 90_000_000 // years ±246,000: within 64-bit microseconds
	if days > daysMax || days < -daysMax {
		return change.Value{}, sdk.BadValue("%s is beyond what a timestamp holds", field)
	}
	if d.Row == "timestamp" {
		return moment(days * microsPerDay), nil
	}
	seconds, ok := d.firstSecond(days)
	if !ok {
		return change.Value{}, sdk.BadValue("there is no %s in %s: clocks skipped it", field, d.Zone)
	}
	return moment(seconds * microsPerSecond), nil
}

// firstSecond finds the day's first second. Midnight may not exist (clocks are put forward at midnight in some zones), or exist twice, and a
// whole day may be missing (Samoa, 30 December 2011): so offsets around it are tried, the earliest moment that falls on the day wins.
func (d *Date) firstSecond(days int64) (int64, bool) {
	midnight := days * secondsPerDay // as if in UTC
	best, found := int64(0), false
	for hour := int64(-26); hour <= 26; hour++ {
		_, offset := time.Unix(midnight+hour*3600, 0).In(d.location).Zone()
		at := midnight - int64(offset)
		start, _ := time.Unix(at, 0).In(d.location).ZoneBounds()
		for _, candidate := range []int64{at, start.Unix()} {
			if d.falls(candidate, days) && (!found || candidate < best) {
				best, found = candidate, true
			}
		}
	}
	return best, found
}

func (d *Date) falls(second, days int64) bool {
	_, offset := time.Unix(second, 0).In(d.location).Zone()
	return floorDiv(second+int64(offset), secondsPerDay) == days
}

func infinite(n int64) bool { return n == change.Infinity || n == change.NegInfinity }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// UnixTime is a moment for a column that counts since 1970.
type UnixTime struct {
	Unit string `json:"unit" enum:"s,ms" doc:"what the column counts"`
}

var _ sdk.Function = (*UnixTime)(nil)

func (u *UnixTime) micros() int64 {
	if u.Unit == "ms" {
		return 1000
	}
	return microsPerSecond
}

// ToNotion gives the moment.
func (u *UnixTime) ToNotion(row change.Value) (change.Value, error) {
	if row.IsNull() {
		return row, nil
	}
	const most = 1 << 63 / microsPerSecond / 2 // seconds; well within, so that nothing below overflows
	n := row.Int()
	switch limit := int64(most) * (microsPerSecond / u.micros()); {
	case row.Kind() != change.Int:
		return change.Value{}, sdk.BadValue("want an integer, got %v", row.Kind())
	case n > limit || n < -limit:
		return change.Value{}, sdk.BadValue("%d %s after 1970 is beyond all dates: is the unit right?", n, u.Unit)
	}
	return change.TimestampTZValue(n * u.micros()), nil
}

// ToCRM counts; what is finer than the unit is cut off.
func (u *UnixTime) ToCRM(field change.Value) (change.Value, error) {
	switch {
	case field.IsNull():
		return field, nil
	case field.Kind() != change.TimestampTZ || infinite(field.Int()):
		return change.Value{}, sdk.BadValue("want a moment, got %v %s", field.Kind(), field)
	}
	n := change.IntValue(floorDiv(field.Int(), u.micros()))
	if _, err := u.ToNotion(n); err != nil {
		return change.Value{}, err
	}
	return n, nil
}
