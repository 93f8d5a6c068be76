package sink

import (
	"cmp"
	"context"
	"strconv"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// Titles gives a field's value as people know it: of a relation the titles of the records that it names, of everything else itself. What cannot be looked
// up stays as it is.
func Titles(ctx context.Context, links Links, e *mapping.Entity, field string, v change.Value) change.Value {
	f, ok := e.Field(field)
	if !ok || f.Relation == "" || len(v.Items()) == 0 {
		return v
	}
	target, ok := e.Target(f)
	if !ok {
		return v
	}
	var ids []int64
	for _, one := range v.Items() {
		if id, err := strconv.ParseInt(one.Text(), 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	found, err := links.ByID(ctx, ids)
	if err != nil {
		return v
	}
	titles := make([]change.Value, 0, len(v.Items()))
	for _, one := range v.Items() {
		id, _ := strconv.ParseInt(one.Text(), 10, 64)
		link, ok := found[id]
		if !ok {
			titles = append(titles, one)
			continue
		}
		title := link.Base[target.Title().Name].Value
		text := cmp.Or(link.Key, link.Page)
		if !title.IsNull() && !title.IsAbsent() {
			text = title.String()
		}
		titles = append(titles, change.TextValue(text))
	}
	if len(titles) == 1 {
		return titles[0]
	}
	return change.SetValue(titles...)
}

// titles is Titles of a field of this record.
func (r *reconciliation) titles(ctx context.Context, field string, v change.Value) change.Value {
	return Titles(ctx, r.w.Ledger, r.entity.Mapping, field, v)
}
