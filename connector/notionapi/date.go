package notionapi

import (
	"encoding/json"
	"strings"
	"time"
	_ "time/tzdata" // dates name zones, and the container we ship in has no zone files

	"github.com/tandem-sync/tandem/connector/change"
)

// DatePrecision is what a date property keeps of a time: the application edits and shows minutes. We cut both sides to it, so that a
// column with seconds is equal to what Notion says, and its seconds are never overwritten.
const DatePrecision = time.Minute

// Years that a date can have: four digits, https://developers.notion.com/reference/page-property-values (ISO 8601).
const (
	yearMin = 1
	yearMax = 9999
)

const naiveLayout = "2006-01-02T15:04:05.000"

// when is one end of a date.
type when struct {
	at      time.Time // midnight UTC where day is set
	dayOnly bool
}

// parseWhen reads a start or an end. A time without offset is one of zone, or UTC where none is named.
func parseWhen(text, zone string) (when, bool) {
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return when{at: at, dayOnly: true}, true
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return when{at: at.UTC()}, true
	}
	location, err := loadZone(zone)
	if err != nil {
		return when{}, false
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} { // Parse takes fractions, too
		if at, err := time.ParseInLocation(layout, text, location); err == nil {
			return when{at: at.UTC()}, true
		}
	}
	return when{}, false
}

// loadZone knows the zones of the IANA database, "" as UTC, and nothing that depends on this machine.
func loadZone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, valueErrorf("no such time zone: Local")
	}
	return time.LoadLocation(name)
}

func decodeDate(raw json.RawMessage) (change.Value, *DateParts) {
	var wire *struct {
		Start    *string `json:"start"`
		End      *string `json:"end"`
		TimeZone *string `json:"time_zone"`
	}
	if json.Unmarshal(raw, &wire) != nil {
		return change.Value{}, nil
	}
	if wire == nil || wire.Start == nil {
		return change.NullValue(), nil
	}
	parts := &DateParts{Start: *wire.Start}
	if wire.End != nil {
		parts.End = *wire.End
	}
	if wire.TimeZone != nil {
		parts.TimeZone = *wire.TimeZone
	}
	start, ok := parseWhen(parts.Start, parts.TimeZone)
	if !ok {
		return change.Value{}, parts
	}
	return start.value(), parts
}

func (w when) value() change.Value {
	if w.dayOnly {
		return change.DateValue(w.at.Unix() / secondsPerDay())
	}
	return change.InstantValue(w.at.Truncate(DatePrecision))
}

func secondsPerDay() int64 { return int64(24 * time.Hour / time.Second) }

// canonDate cuts times to the minute and refuses what has no four-digit year.
func canonDate(v change.Value) (change.Value, error) {
	switch v.Kind() {
	case change.Null:
		return v, nil
	case change.Date, change.TimestampTZ:
	case change.Timestamp:
		return v, valueErrorf("a time without a time zone for a date property; name the column's time zone in the mapping")
	default:
		return v, valueErrorf("a %s for a date property", v.Kind())
	}
	w, ok := whenOf(v)
	if !ok {
		return v, valueErrorf("the date %s; Notion holds the years %d to %d", v.String(), yearMin, yearMax)
	}
	return w.value(), nil
}

// whenOf reads a Date or TimestampTZ whose year Notion can write.
func whenOf(v change.Value) (when, bool) {
	if n := v.Int(); n == change.Infinity || n == change.NegInfinity {
		return when{}, false
	}
	w := when{dayOnly: v.Kind() == change.Date}
	if w.dayOnly {
		const daysMax = 4_000_000 // beyond the year 9999; keeps the product in range
		if v.Int() > daysMax || v.Int() < -daysMax {
			return when{}, false
		}
		w.at = time.Unix(v.Int()*secondsPerDay(), 0).UTC()
	} else {
		w.at = time.UnixMicro(v.Int()).UTC().Truncate(DatePrecision)
	}
	return w, yearMin <= w.at.Year() && w.at.Year() <= yearMax
}

// dateBody writes a canonical date. Keep is the property as last read: its zone stays, and its end where it still fits.
func dateBody(v change.Value, keep *Property) (body any, droppedEnd string) {
	if v.IsNull() {
		return nil, ""
	}
	start, _ := whenOf(v)
	zone := ""
	if keep != nil && keep.Date != nil && !start.dayOnly {
		zone = keep.Date.TimeZone
	}
	out := map[string]any{}
	format := start.format(zone)
	if format == "" {
		zone, format = "", start.format("")
	}
	out["start"] = format
	if zone != "" {
		out["time_zone"] = zone
	}
	if keep == nil || keep.Date == nil || keep.Date.End == "" {
		return out, ""
	}
	end, ok := parseWhen(keep.Date.End, keep.Date.TimeZone)
	if !ok || end.dayOnly != start.dayOnly || end.at.Before(start.at) {
		return out, keep.Date.End
	}
	if text := end.format(zone); text != "" {
		out["end"] = text
		return out, ""
	}
	return out, keep.Date.End
}

// format writes a date, a time in UTC, or a local time without offset where a zone is sent beside it; "" if that cannot be.
func (w when) format(zone string) string {
	switch {
	case w.dayOnly:
		return w.at.Format(time.DateOnly)
	case zone == "":
		return w.at.Format(naiveLayout) + "Z"
	}
	location, err := loadZone(zone)
	if err != nil {
		return ""
	}
	local := w.at.In(location)
	text := local.Format(naiveLayout)
	// An hour that comes twice (the end of summer time) would be read back as the other one.
	if back, ok := parseWhen(text, zone); !ok || !back.at.Equal(w.at) || strings.HasPrefix(text, "-") || len(text) != len(naiveLayout) {
		return ""
	}
	return text
}
