package notionapi

import (
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// A Notion without a wire answers a query as Notion does: times to the minute, and an external id by its text.
func TestFilterAllows(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	page := Page{Edited: at, Created: at.Add(-time.Hour), Properties: map[string]Property{"x": {ID: "x", Name: "Tandem ID", Type: TypeRichText, Value: change.TextValue("7f")}}}
	for name, c := range map[string]struct {
		filter Filter
		want   bool
	}{
		"none":                    {Filter{}, true},
		"in the minute":           {EditedOnOrAfter(at.Add(40 * time.Second)), true},
		"a minute later":          {EditedOnOrAfter(at.Add(time.Minute)), false},
		"before the minute":       {EditedBefore(at), false},
		"before the next minute":  {EditedBefore(at.Add(time.Minute)), true},
		"created":                 {CreatedOnOrAfter(at), false},
		"the id":                  {Equals("x", TypeRichText, "7f"), true},
		"the id, by its name":     {Equals("Tandem ID", TypeRichText, "7f"), true},
		"another id":              {Equals("x", TypeRichText, "8f"), false},
		"a property it lacks":     {Equals("y", TypeRichText, "7f"), false},
		"another type":            {Equals("x", TypeTitle, "7f"), false},
		"both":                    {And(EditedOnOrAfter(at), Equals("x", TypeRichText, "7f")), true},
		"one of two":              {And(EditedOnOrAfter(at.Add(time.Hour)), Equals("x", TypeRichText, "7f")), false},
		"what it does not know":   {Contains("x", TypeRichText, "7"), false},
		"nor a filter on nothing": {IsEmpty("x", TypeRichText), false},
	} {
		if got := c.filter.Allows(page); got != c.want {
			t.Errorf("%s: allows = %t, want %t", name, got, c.want)
		}
	}
}
