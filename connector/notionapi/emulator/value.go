package emulator

import (
	"encoding/json"
	"reflect"
	"time"
)

// value is what a page holds for one property. It is never changed after it
// was stored, so that revisions can share it. Which fields count depends on
// the property's type.
type value struct {
	Text     []*text         `json:"text,omitempty"`    // title, rich_text
	Number   *float64        `json:"number,omitempty"`  // number
	Option   string          `json:"option,omitempty"`  // select, status: option id
	Options  []string        `json:"options,omitempty"` // multi_select
	Date     *date           `json:"date,omitempty"`
	IDs      []string        `json:"ids,omitempty"` // people, relation
	Files    []*file         `json:"files,omitempty"`
	Bool     bool            `json:"bool,omitempty"`
	String   *string         `json:"string,omitempty"` // url, email, phone_number
	Raw      json.RawMessage `json:"raw,omitempty"`    // formula, place, unknown types: as answered
	Verified *verification   `json:"verified,omitempty"`
}

type date struct {
	Start string  `json:"start"`
	End   *string `json:"end,omitempty"`
	Zone  *string `json:"zone,omitempty"`
}

type file struct {
	Name   string `json:"name"`
	URL    string `json:"url,omitempty"`    // external
	Upload string `json:"upload,omitempty"` // hosted: file upload id
}

type verification struct {
	State string `json:"state"`
	Date  *date  `json:"date,omitempty"`
	By    string `json:"by,omitempty"`
}

func (d *date) json() any {
	if d == nil {
		return nil
	}
	return obj("start", d.Start, "end", orNull(d.End), "time_zone", orNull(d.Zone))
}

// orNull is a string as a JSON value, the same before and after it was stored.
func orNull(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

// bounds are the instants of a date; a day without time is midnight UTC. The
// end of a date without one is its start.
func (d *date) bounds() (start, end time.Time, day bool) {
	start, day, _, _ = parseDate(d.Start)
	end = start
	if d.End != nil {
		end, _, _, _ = parseDate(*d.End)
	}
	return start, end, day
}

// same tells whether two stored values show alike.
func same(a, b *value) bool {
	if a == nil {
		a = &value{}
	}
	if b == nil {
		b = &value{}
	}
	return reflect.DeepEqual(a, b)
}

// fileLife is how long the URL of a hosted file is valid.
const fileLife = time.Hour

func (s *State) fileJSON(f *file, now time.Time) *object {
	if f.Upload == "" {
		return obj("name", f.Name, "type", "external", "external", obj("url", f.URL))
	}
	return obj("name", f.Name, "type", "file", "file", obj(
		"url", "https://prod-files-secure.s3.us-west-2.amazonaws.com/"+s.data.SpaceID+"/"+f.Upload+"/"+encodeID(f.Name)+"?X-Amz-Expires=3600",
		"expiry_time", zuluTime(now.Add(fileLife))))
}

func (s *State) userRef(id string) *object { return obj("object", "user", "id", id) }

// show is the value of property p on page pg as revision r has it:
// {"id","type","<type>": …}.
func (s *State) show(pg *page, r *rev, p *property, now time.Time) *object {
	o := obj("id", encodeID(p.ID), "type", p.Type)
	v := s.bare(pg, r, p, now)
	if p.Type != "relation" {
		return o.set(p.Type, v)
	}
	ids := v.([]any)
	more := len(ids) > relationShown
	if more {
		ids = ids[:relationShown]
	}
	return o.set("relation", ids).set("has_more", more)
}

// Truncation in page and query answers (reference/page-property-values).
const (
	relationShown = 25
	peopleShown   = 25
)

// bare is the value under the type's key. Relations come whole; show cuts them.
func (s *State) bare(pg *page, r *rev, p *property, now time.Time) any {
	v := r.Props[p.ID]
	if v == nil {
		v = &value{}
	}
	switch p.Type {
	case "title", "rich_text":
		return s.rich(v.Text, mentionsMax)
	case "number":
		if v.Number == nil {
			return nil
		}
		return *v.Number
	case "select", "status":
		return p.optionJSON(v.Option)
	case "multi_select":
		out := []any{}
		for _, id := range v.Options {
			if o := p.optionJSON(id); o != nil {
				out = append(out, o)
			}
		}
		return out
	case "date":
		return v.Date.json()
	case "people":
		out := []any{}
		for _, id := range v.IDs[:min(len(v.IDs), peopleShown)] {
			out = append(out, s.userJSON(id))
		}
		return out
	case "files":
		out := []any{}
		for _, f := range v.Files {
			out = append(out, s.fileJSON(f, now))
		}
		return out
	case "checkbox":
		return v.Bool
	case "url", "email", "phone_number":
		return v.String
	case "relation":
		out := []any{}
		for _, id := range s.visibleRelation(p, v) {
			out = append(out, obj("id", id))
		}
		return out
	}
	return s.computed(pg, r, p, v, now)
}

// computed is bare for the types that nobody writes directly.
func (s *State) computed(pg *page, r *rev, p *property, v *value, now time.Time) any {
	switch p.Type {
	case "created_time":
		return minuteTime(pg.Created)
	case "last_edited_time":
		return minuteTime(r.Edited)
	case "created_by":
		return s.userJSON(pg.CreatedBy)
	case "last_edited_by":
		return s.userJSON(r.EditedBy)
	case "unique_id":
		var n any
		if pg.Unique > 0 {
			n = pg.Unique
		}
		return obj("prefix", p.Prefix, "number", n)
	case "formula":
		if v.Raw != nil {
			return v.Raw
		}
		return obj("type", "unsupported", "unsupported", obj())
	case "rollup":
		return s.rollup(r, p, now, relationShown)
	case "verification":
		if v.Verified == nil || v.Verified.State == "unverified" {
			return obj("state", "unverified", "date", nil, "verified_by", nil)
		}
		return obj("state", v.Verified.State, "date", v.Verified.Date.json(), "verified_by", s.userJSON(v.Verified.By))
	case "button":
		return obj()
	}
	if v.Raw != nil { // place, last_visited_time, whatever comes next
		return v.Raw
	}
	return nil
}

// visibleRelation leaves out pages that were deleted for good, and everything
// when the related data source is not shared: that reads as empty, not as an error.
func (s *State) visibleRelation(p *property, v *value) []string {
	if p.Relation == nil || !s.shared(p.Relation.Source) {
		return nil
	}
	out := make([]string, 0, len(v.IDs))
	for _, id := range v.IDs {
		if s.data.Pages[id] != nil && !s.trashed(id) {
			out = append(out, id)
		}
	}
	return out
}
