package notionapi

import (
	"encoding/json"
	"time"

	jomei "github.com/jomei/notionapi"
)

// Filter limits a query. The zero Filter lets all rows pass. Notion allows two levels of And and Or, with 100 filters each.
type Filter struct{ wire jomei.Filter }

// IsZero reports that f lets all rows pass.
func (f Filter) IsZero() bool { return f.wire == nil }

// EditedOnOrAfter lets pages pass whose last edit lies in the minute of t or later. Notion's times are minutes: ask from a minute earlier.
func EditedOnOrAfter(t time.Time) Filter {
	return timestamp(jomei.TimestampFilter{Timestamp: jomei.TimestampLastEdited, LastEditedTime: onOrAfter(t)})
}

// EditedBefore lets pages pass whose last edit lies in a minute before t.
func EditedBefore(t time.Time) Filter {
	return timestamp(jomei.TimestampFilter{Timestamp: jomei.TimestampLastEdited, LastEditedTime: before(t)})
}

// CreatedOnOrAfter lets pages pass that were made in the minute of t or later.
func CreatedOnOrAfter(t time.Time) Filter {
	return timestamp(jomei.TimestampFilter{Timestamp: jomei.TimestampCreated, CreatedTime: onOrAfter(t)})
}

// CreatedBefore lets pages pass that were made in a minute before t.
func CreatedBefore(t time.Time) Filter {
	return timestamp(jomei.TimestampFilter{Timestamp: jomei.TimestampCreated, CreatedTime: before(t)})
}

func timestamp(f jomei.TimestampFilter) Filter { return Filter{wire: f} }

func onOrAfter(t time.Time) *jomei.DateFilterCondition {
	d := jomei.Date(t.UTC())
	return &jomei.DateFilterCondition{OnOrAfter: &d}
}

func before(t time.Time) *jomei.DateFilterCondition {
	d := jomei.Date(t.UTC())
	return &jomei.DateFilterCondition{Before: &d}
}

// Equals lets rows pass whose property (id or name) of the type equals v: a string, a number, a bool.
func Equals(property, propertyType string, v any) Filter {
	return condition(property, propertyType, "equals", v)
}

// Contains lets rows pass whose text contains v, or whose options, people or relations hold it.
func Contains(property, propertyType, v string) Filter {
	return condition(property, propertyType, "contains", v)
}

// IsEmpty lets rows pass whose property is empty.
func IsEmpty(property, propertyType string) Filter {
	return condition(property, propertyType, "is_empty", true)
}

// IsNotEmpty lets rows pass whose property is not empty.
func IsNotEmpty(property, propertyType string) Filter {
	return condition(property, propertyType, "is_not_empty", true)
}

// condition is written by ourselves: the library's own leaves out false and "", and knows too few types.
func condition(property, propertyType, operator string, v any) Filter {
	return Filter{wire: rawFilter{body: map[string]any{"property": property, propertyType: map[string]any{operator: v}}}}
}

// rawFilter goes through the library as one of its own filters.
type rawFilter struct {
	jomei.Filter // nil; only lends the unexported method
	body         map[string]any
}

// MarshalJSON implements json.Marshaler.
func (f rawFilter) MarshalJSON() ([]byte, error) { return json.Marshal(f.body) }

// And lets rows pass that all filters let pass. Zero filters are left out, and an And inside is flattened.
func And(filters ...Filter) Filter {
	var all jomei.AndCompoundFilter
	for _, f := range filters {
		switch wire := f.wire.(type) {
		case nil:
		case jomei.AndCompoundFilter:
			all = append(all, wire...)
		default:
			all = append(all, wire)
		}
	}
	switch len(all) {
	case 0:
		return Filter{}
	case 1:
		return Filter{wire: all[0]}
	}
	return Filter{wire: all}
}

// Or lets rows pass that at least one filter lets pass. A zero filter makes all pass.
func Or(filters ...Filter) Filter {
	var any jomei.OrCompoundFilter
	for _, f := range filters {
		if f.IsZero() {
			return Filter{}
		}
		any = append(any, f.wire)
	}
	switch len(any) {
	case 0:
		return Filter{}
	case 1:
		return Filter{wire: any[0]}
	}
	return Filter{wire: any}
}
