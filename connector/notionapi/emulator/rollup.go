package emulator

import (
	"slices"
	"time"
)

// rolled is a rollup as filters see it: the operands of the related pages and
// the computed answer.
type rolled struct {
	each  []any
	value *object
}

// rollTarget is the property that p rolls up, and the related pages of r; limit 0 is all.
func (s *State) rollTarget(r *rev, p *property, limit int) (*property, []item) {
	src := s.rowSource(r)
	if src == nil || p.Rollup == nil {
		return nil, nil
	}
	rel := src.byID(p.Rollup.Relation)
	if rel == nil || rel.Relation == nil || s.data.Sources[rel.Relation.Source] == nil {
		return nil, nil
	}
	v := r.Props[rel.ID]
	if v == nil {
		v = &value{}
	}
	ids := s.visibleRelation(rel, v)
	if limit > 0 && len(ids) > limit {
		ids = ids[:limit]
	}
	var items []item
	for _, id := range ids {
		items = append(items, item{s.data.Pages[id], s.data.Pages[id].now()})
	}
	return s.data.Sources[rel.Relation.Source].byID(p.Rollup.Property), items
}

func (c *call) rollOperands(r *rev, p *property) []any {
	q, items := c.s.rollTarget(r, p, 0)
	var out []any
	for _, it := range items {
		if q != nil && q.Type != "rollup" {
			out = append(out, c.operand(it, q))
		}
	}
	return out
}

// rollup computes a rollup's answer over at most limit related pages.
func (s *State) rollup(r *rev, p *property, now time.Time, limit int) *object {
	q, items := s.rollTarget(r, p, limit)
	f := ""
	if p.Rollup != nil {
		f = p.Rollup.Function
	}
	if q == nil || q.Type == "rollup" {
		return obj("type", "array", "array", []any{}, "function", f)
	}
	c := &call{s: s, now: now}
	switch f {
	case "show_original", "show_unique":
		return obj("type", "array", "array", c.rollArray(items, q, f == "show_unique"), "function", f)
	case "earliest_date", "latest_date", "date_range":
		return obj("type", "date", "date", c.rollDate(items, q, f), "function", f)
	case "count_per_group", "percent_per_group":
		return obj("type", "unsupported", "unsupported", obj(), "function", f)
	}
	return obj("type", "number", "number", c.rollNumber(items, q, f), "function", f)
}

func (c *call) rollArray(items []item, q *property, unique bool) []any {
	out := []any{}
	var seen []string
	for _, it := range items {
		v := c.s.show(it.pg, it.r, q, c.now)
		o := obj("type", q.Type, q.Type, v.get(q.Type))
		key := string(appendJSON(nil, o))
		if unique && slices.Contains(seen, key) {
			continue
		}
		seen = append(seen, key)
		out = append(out, o)
	}
	return out
}

func (c *call) rollDate(items []item, q *property, f string) any {
	var first, last *date
	for _, it := range items {
		d, _ := c.operand(it, q).(*span)
		if d == nil {
			continue
		}
		text := func(t time.Time) string {
			if d.day {
				return t.Format("2006-01-02")
			}
			return t.Format("2006-01-02T15:04:05.000-07:00")
		}
		if first == nil || d.start.Before(startOf(first)) {
			first = &date{Start: text(d.start)}
		}
		if last == nil || d.end.After(startOf(last)) {
			last = &date{Start: text(d.end)}
		}
	}
	switch {
	case first == nil:
		return nil
	case f == "earliest_date":
		return first.json()
	case f == "latest_date":
		return last.json()
	}
	first.End = &last.Start
	return first.json()
}

func startOf(d *date) time.Time { t, _, _ := d.bounds(); return t }

// rollNumber computes the counting and the arithmetic functions. Arithmetic of nothing is null.
func (c *call) rollNumber(items []item, q *property, f string) any {
	var filled, checked, values int
	var nums []float64
	var distinct []string
	for _, it := range items {
		x := c.operand(it, q)
		if b, ok := x.(bool); ok && b {
			checked++
		}
		if n, ok := x.(*float64); ok && n != nil {
			nums = append(nums, *n)
		}
		if isEmpty(x) {
			continue
		}
		filled++
		values++
		if many, ok := x.([]string); ok {
			values += len(many) - 1
		}
		key := c.s.textOf(it.pg, it.r, q)
		if !slices.Contains(distinct, key) {
			distinct = append(distinct, key)
		}
	}
	n := len(items)
	share := func(k int) any {
		if n == 0 {
			return nil
		}
		return float64(k) / float64(n)
	}
	switch f {
	case "count":
		return n
	case "count_values":
		return values
	case "empty":
		return n - filled
	case "not_empty":
		return filled
	case "unique":
		return len(distinct)
	case "percent_empty":
		return share(n - filled)
	case "percent_not_empty":
		return share(filled)
	case "checked":
		return checked
	case "unchecked":
		return n - checked
	case "percent_checked":
		return share(checked)
	case "percent_unchecked":
		return share(n - checked)
	}
	return arithmetic(nums, f)
}

func arithmetic(nums []float64, f string) any {
	if len(nums) == 0 {
		return nil
	}
	slices.Sort(nums)
	sum, mid := 0.0, len(nums)/2
	for _, n := range nums {
		sum += n
	}
	switch f {
	case "sum":
		return sum
	case "average":
		return sum / float64(len(nums))
	case "median":
		if len(nums)%2 == 0 {
			return (nums[mid-1] + nums[mid]) / 2
		}
		return nums[mid]
	case "min":
		return nums[0]
	case "max":
		return nums[len(nums)-1]
	case "range":
		return nums[len(nums)-1] - nums[0]
	}
	return nil
}

// rollupCondition takes any, every and none over the related pages, or number and date on the answer.
func (c *call) rollupCondition(path string, o *object) (test, []string) {
	for _, k := range []string{"any", "every", "none"} {
		if !o.has(k) {
			continue
		}
		if bad := allowed(path, o, k); bad != nil {
			return nil, bad
		}
		in, bad := wantObject(path+"."+k, o.get(k))
		if bad != nil {
			return nil, bad
		}
		each, bad := c.subCondition(path+"."+k, in)
		if bad != nil {
			return nil, bad
		}
		return func(x any) bool {
			hits, all := 0, x.(rolled).each
			for _, v := range all {
				if each(v) {
					hits++
				}
			}
			switch k {
			case "any":
				return hits > 0
			case "every":
				return hits == len(all)
			}
			return hits == 0
		}, nil
	}
	for _, k := range []string{"number", "date"} {
		if o.has(k) {
			if bad := allowed(path, o, k); bad != nil {
				return nil, bad
			}
			in, bad := wantObject(path+"."+k, o.get(k))
			if bad != nil {
				return nil, bad
			}
			on, bad := c.condition(path+"."+k, k, in)
			if bad != nil {
				return nil, bad
			}
			return func(x any) bool { return on(rollupOperand(x.(rolled).value)) }, nil
		}
	}
	var lines []string
	for _, k := range []string{"any", "none", "every", "date", "number"} {
		lines = append(lines, should(path+"."+k, "defined", undefined{}))
	}
	return nil, lines
}

func (c *call) subCondition(path string, in *object) (test, []string) {
	var lines []string
	for _, k := range []string{"rich_text", "number", "checkbox", "select", "multi_select", "relation", "date", "people", "files", "status"} {
		if in.has(k) {
			o, bad := wantObject(path+"."+k, in.get(k))
			if bad != nil {
				return nil, bad
			}
			return c.condition(path+"."+k, k, o)
		}
		lines = append(lines, should(path+"."+k, "defined", undefined{}))
	}
	return nil, lines
}

func rollupOperand(o *object) any {
	switch v := o.get("number").(type) {
	case float64:
		return &v
	case int:
		f := float64(v)
		return &f
	}
	if d, ok := o.get("date").(*object); ok {
		start, _ := d.get("start").(string)
		return dateSpan(&date{Start: start})
	}
	return nil
}
