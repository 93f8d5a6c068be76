package emulator

import (
	"fmt"
	"math"
	"time"
)

// Limits of property values (reference/request-limits). The documentation says
// 200 for e-mail and phone, Notion's OpenAPI 100: the smaller one is enforced.
const (
	urlMax      = 2000
	contactMax  = 100
	fileNameMax = 100
)

// valueTypes is the order in which a refused value lists its branches.
var valueTypes = []string{
	"title", "rich_text", "number", "url", "select", "multi_select", "people", "email", "phone_number",
	"date", "checkbox", "relation", "files", "status", "place", "verification",
}

// valueType finds the branch of a property value: its "type" if that key is
// there, else the first known key.
func valueType(o *object) string {
	if t, ok := o.get("type").(string); ok && o.has(t) && contains(valueTypes, t) {
		return t
	}
	for _, t := range valueTypes {
		if o.has(t) {
			return t
		}
	}
	return ""
}

// checkOptValues is checkValues for "properties" that may be absent.
func checkOptValues(path string, v any) []string {
	if _, absent := v.(undefined); absent {
		return nil
	}
	if _, bad := optObject(path, v); bad != nil {
		return bad
	}
	return checkValues(path, v)
}

// checkValues checks the shape of "properties" of a page request.
func checkValues(path string, v any) []string {
	props, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	for i, name := range props.keys {
		at := path + "." + name
		if _, short := props.vals[i].([]any); short { // {"title": [...]}, the form for pages under pages
			if bad := checkRich(at, props.vals[i]); bad != nil {
				return bad
			}
			continue
		}
		if bad := checkValue(at, props.vals[i]); bad != nil {
			return bad
		}
	}
	return nil
}

func checkValue(path string, v any) []string {
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	t := valueType(o)
	if t == "" {
		if o.has("button") {
			return nil // writes to buttons are ignored
		}
		var lines []string
		for _, t := range valueTypes {
			lines = append(lines, should(path+"."+t, "defined", undefined{}))
		}
		return lines
	}
	if bad := allowed(path, o, t, "type", "id", "has_more"); bad != nil {
		return bad
	}
	if bad := optOneOf(path+".type", o.get("type"), t); bad != nil {
		return bad
	}
	return checkTyped(path+"."+t, t, o.get(t))
}

func checkTyped(path, t string, v any) []string {
	switch t {
	case "title", "rich_text":
		return checkRich(path, v)
	case "number":
		if f, ok := v.(float64); v == nil || ok && !math.IsInf(f, 0) {
			return nil
		}
		return one(should(path, "a number or `null`", v))
	case "checkbox":
		return wantBool(path, v)
	case "url":
		return checkTextOrNull(path, v, urlMax)
	case "email", "phone_number":
		return checkTextOrNull(path, v, contactMax)
	case "select", "status":
		if v == nil {
			return nil
		}
		return checkChoice(path, v)
	case "multi_select":
		return checkEach(path, v, checkChoice)
	case "people", "relation":
		return checkEach(path, v, func(at string, v any) []string {
			o, bad := wantObject(at, v)
			if bad == nil {
				_, bad = wantUUID(at+".id", o.get("id"))
			}
			return bad
		})
	case "files":
		return checkEach(path, v, checkFile)
	case "date":
		if v == nil {
			return nil
		}
		return checkDate(path, v)
	case "place":
		return checkPlace(path, v)
	default:
		return checkVerification(path, v)
	}
}

// checkVerification checks {state, date?}; its date needs a time.
func checkVerification(path string, v any) []string {
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	if bad := wantOneOf(path+".state", o.get("state"), "verified", "unverified"); bad != nil {
		return bad
	}
	keys := []string{"state", "date", "verified_by"}
	if o.get("state") == "unverified" {
		keys = []string{"state"}
	}
	if bad := allowed(path, o, keys...); bad != nil || !o.has("date") || o.get("date") == nil {
		return bad
	}
	if bad := checkDate(path+".date", o.get("date")); bad != nil {
		return bad
	}
	start, _ := o.get("date").(*object).get("start").(string)
	if _, day, _, _ := parseDate(start); day {
		return one(should(path+".date.start", "a date with a time", start))
	}
	return nil
}

func checkTextOrNull(path string, v any, limit int) []string {
	if v == nil {
		return nil
	}
	_, bad := wantString(path, v, 1, limit, true)
	return bad
}

func checkEach(path string, v any, check func(string, any) []string) []string {
	items, bad := wantArray(path, v, arrayMax)
	if bad != nil {
		return bad
	}
	for i, it := range items {
		if bad := check(fmt.Sprintf("%s[%d]", path, i), it); bad != nil {
			return bad
		}
	}
	return nil
}

// checkChoice checks {id} or {name}; a refused one shows both branches.
func checkChoice(path string, v any) []string {
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	if bad := allowed(path, o, "id", "name", "color", "description"); bad != nil {
		return bad
	}
	if bad := optOneOf(path+".color", o.get("color"), colors...); bad != nil {
		return bad
	}
	_, badID := wantString(path+".id", o.get("id"), 1, 0, false)
	_, badName := wantString(path+".name", o.get("name"), 1, optionNameMax, false)
	switch {
	case badID == nil && (!o.has("name") || badName == nil), badName == nil && !o.has("id"):
		return nil
	default:
		return append(badID, badName...)
	}
}

func checkFile(path string, v any) []string {
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	if bad := allowed(path, o, "name", "type", "external", "file", "file_upload"); bad != nil {
		return bad
	}
	in := func(k string) *object { o, _ := o.get(k).(*object); return o }
	switch {
	case in("external") != nil:
		if _, bad := wantString(path+".external.url", in("external").get("url"), 1, urlMax, false); bad != nil {
			return bad
		}
	case in("file") != nil:
		if _, bad := wantString(path+".file.url", in("file").get("url"), 1, 0, false); bad != nil {
			return bad
		}
	case in("file_upload") != nil:
		_, bad := wantUUID(path+".file_upload.id", in("file_upload").get("id"))
		return bad
	default:
		return []string{
			should(path+".file", "defined", o.get("file")), should(path+".external", "defined", o.get("external")),
			should(path+".file_upload", "defined", o.get("file_upload")),
		}
	}
	_, bad = wantString(path+".name", o.get("name"), 1, fileNameMax, false)
	return bad
}

func checkPlace(path string, v any) []string {
	if v == nil {
		return nil
	}
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	for _, k := range []string{"lat", "lon"} {
		if _, ok := o.get(k).(float64); !ok {
			expect := "a number"
			if !o.has(k) {
				expect = "defined"
			}
			return one(should(path+"."+k, expect, o.get(k)))
		}
	}
	texts := []string{"name", "address", "aws_place_id", "google_place_id"}
	for _, k := range texts {
		if v := o.get(k); o.has(k) && v != nil {
			if _, bad := wantString(path+"."+k, v, 0, 0, true); bad != nil {
				return bad
			}
		}
	}
	return allowed(path, o, append(texts, "lat", "lon")...)
}

// checkDate checks {start, end?, time_zone?}.
func checkDate(path string, v any) []string {
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	if bad := allowed(path, o, "start", "end", "time_zone"); bad != nil {
		return bad
	}
	zone, zoned := o.get("time_zone").(string)
	if zoned {
		if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
			return one(should(path+".time_zone", "a valid time zone", zone))
		}
	}
	for _, k := range []string{"start", "end"} {
		if k == "end" && (!o.has(k) || o.get(k) == nil) {
			continue
		}
		s, bad := wantString(path+"."+k, o.get(k), 0, 0, false)
		if bad != nil {
			return bad
		}
		_, day, offset, ok := parseDate(s)
		switch {
		case !ok:
			return one(should(path+"."+k, "a valid ISO 8601 date string", s))
		case zoned && day:
			return one(should(path+"."+k, "a date with a time when time_zone is given", s))
		case zoned && offset:
			return one(should(path+"."+k, "a date without a UTC offset when time_zone is given", s))
		}
	}
	return nil
}
