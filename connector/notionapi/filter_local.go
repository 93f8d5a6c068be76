package notionapi

import (
	"time"

	jomei "github.com/jomei/notionapi"

	"github.com/tandem-sync/tandem/connector/change"
)

// Allows reports whether a row passes the filter, as Notion would: for a Notion that is not reached over the wire, as the simulation's. It knows
// the filters that this package's sources use (time stamps, and equals of a text); any other lets nothing pass.
func (f Filter) Allows(page Page) bool {
	switch wire := f.wire.(type) {
	case nil:
		return true
	case jomei.TimestampFilter:
		return within(page.Edited, wire.LastEditedTime) && within(page.Created, wire.CreatedTime)
	case jomei.AndCompoundFilter:
		for _, part := range wire {
			if !(Filter{wire: part}).Allows(page) {
				return false
			}
		}
		return true
	case rawFilter:
		return wire.allows(page)
	}
	return false
}

// within compares minutes: Notion cuts both its own times and those that it is asked for.
func within(at time.Time, condition *jomei.DateFilterCondition) bool {
	if condition == nil {
		return true
	}
	at = at.Truncate(time.Minute)
	if condition.OnOrAfter != nil && at.Before(time.Time(*condition.OnOrAfter).Truncate(time.Minute)) {
		return false
	}
	return condition.Before == nil || at.Before(time.Time(*condition.Before).Truncate(time.Minute))
}

func (f rawFilter) allows(page Page) bool {
	id, ok := f.body["property"].(string)
	if !ok {
		return false
	}
	prop, there := page.Property(id)
	if !there {
		prop, there = page.ByName(id)
	}
	if !there {
		return false
	}
	operators, ok := f.body[prop.Type].(map[string]any)
	if !ok {
		return false
	}
	want, ok := operators["equals"].(string)
	return ok && len(operators) == 1 && change.Equal(prop.Value, emptyIsNull(want))
}
