package emulator

import (
	"cmp"
	"fmt"
	"strings"
)

func checkSort(path string, v any) []string {
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	if bad := allowed(path, o, "property", "timestamp", "direction"); bad != nil {
		return bad
	}
	switch {
	case o.has("property"):
		if bad := allowed(path, o, "property", "direction"); bad != nil {
			return bad
		}
		if _, bad := wantString(path+".property", o.get("property"), 1, 0, false); bad != nil {
			return bad
		}
	case o.has("timestamp"):
		if bad := wantOneOf(path+".timestamp", o.get("timestamp"), "created_time", "last_edited_time"); bad != nil {
			return bad
		}
	default:
		return []string{should(path+".property", "defined", undefined{}), should(path+".timestamp", "defined", undefined{})}
	}
	return wantOneOf(path+".direction", o.get("direction"), "ascending", "descending")
}

// sortKey is what one row is ordered by; empty ones come last in both directions.
type sortKey struct {
	empty bool
	num   float64
	text  string
}

func (a sortKey) compare(b sortKey) int {
	if c := cmp.Compare(a.num, b.num); c != 0 {
		return c
	}
	if c := strings.Compare(strings.ToLower(a.text), strings.ToLower(b.text)); c != 0 {
		return c
	}
	return strings.Compare(a.text, b.text)
}

// compileSorts turns checked sorts into one comparison. Equal rows, and all of
// them without sorts, come newest first: the service promises no order.
func (c *call) compileSorts(src *source, b *object) (func(a, b item) int, *apiError) {
	type by struct {
		key  func(item) sortKey
		down bool
	}
	var all []by
	sorts, _ := b.get("sorts").([]any)
	for _, v := range sorts {
		o := v.(*object)
		down := o.get("direction") == "descending"
		if ts, ok := o.get("timestamp").(string); ok && !o.has("property") {
			all = append(all, by{func(it item) sortKey { return timeKey(it, ts) }, down})
			continue
		}
		name, _ := o.get("property").(string)
		p := src.byKey(name)
		if p == nil {
			return nil, invalid("Could not find sort property with name or id: %s", name)
		}
		all = append(all, by{func(it item) sortKey { return c.sortKey(it, p) }, down})
	}
	return func(x, y item) int {
		for _, s := range all {
			a, b := s.key(x), s.key(y)
			if a.empty != b.empty {
				if a.empty {
					return 1
				}
				return -1
			}
			if n := a.compare(b); n != 0 && !a.empty {
				if s.down {
					return -n
				}
				return n
			}
		}
		return cmp.Compare(y.pg.Seq, x.pg.Seq)
	}, nil
}

func timeKey(it item, which string) sortKey {
	t := it.pg.Created
	if which == "last_edited_time" {
		t = it.r.Edited
	}
	return sortKey{num: float64(t.Unix() / 60)}
}

func (c *call) sortKey(it item, p *property) sortKey {
	switch p.Type {
	case "created_time", "last_edited_time":
		return timeKey(it, p.Type)
	case "select", "status":
		v := it.r.Props[p.ID]
		for i, o := range p.Options {
			if v != nil && v.Option == o.ID {
				return sortKey{num: float64(i)}
			}
		}
		return sortKey{empty: true}
	}
	x := c.operand(it, p)
	if r, ok := x.(rolled); ok {
		x = rollupOperand(r.value)
	}
	switch v := x.(type) {
	case string:
		return sortKey{empty: v == "", text: v}
	case *float64:
		if v == nil {
			return sortKey{empty: true}
		}
		return sortKey{num: *v}
	case bool:
		if v {
			return sortKey{num: 1}
		}
		return sortKey{}
	case *span:
		if v == nil {
			return sortKey{empty: true}
		}
		return sortKey{num: float64(v.start.UnixMilli())}
	case []string:
		return sortKey{empty: len(v) == 0, text: fmt.Sprint(v)}
	case int:
		return sortKey{empty: v == 0, num: float64(v)}
	}
	return sortKey{empty: true}
}
