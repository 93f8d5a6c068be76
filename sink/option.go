package sink

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// Offering are [Pages] that know which options their properties offer.
type Offering interface {
	// Offer says in plain words why options cannot be written to a field's property; "" if they can. Where the mapping wants it they are added first,
	// beside those that are there, unless only is true: then it only says whether they could be written.
	Offer(ctx context.Context, f mapping.Field, options []string, only bool) (why string, err error)
}

// NotOffered is the reason of a field that waits for an option. It is how such work is known again when somebody adds the option.
func NotOffered(option, property, todo string) string {
	return fmt.Sprintf("the option %q is not offered by the property %q in Notion; %s", option, property, todo)
}

// notOffered finds the field and the option in such a reason, which may stand beside others.
var notOffered = regexp.MustCompile(`(?:^|; )([^:;]+): the option ("(?:[^"\\]|\\.)*") is not offered by the property `)

// offer takes out of what is to be written to a page the options that cannot be, and puts why into waits.
func (r *reconciliation) offer(ctx context.Context, values change.Image, waits map[string]string, only bool) error {
	offering, ok := r.entity.Pages.(Offering)
	if !ok {
		return nil
	}
	for _, f := range r.t.fields {
		v, written := values[f.Name]
		if !written || !f.HasOptions() || waits[f.Name] != "" {
			continue
		}
		var names []string
		for _, o := range options(v) {
			names = append(names, o.Text())
		}
		if len(names) == 0 {
			continue
		}
		why, err := offering.Offer(ctx, f, names, only)
		if err != nil {
			return fmt.Errorf("look for the options of %s: %w", f.Name, err)
		}
		if why != "" {
			waits[f.Name] = why
			delete(values, f.Name)
		}
	}
	return nil
}

// offered gives those of the parked records whose option is there now. Adding an option to a property touches no record, and tells of none.
func (w *Worker) offered(ctx context.Context, pending []ledger.Pending) ([]ledger.Reason, error) {
	var reasons []ledger.Reason
	known := map[[3]string]bool{} // entity, field, option → offered
	for _, p := range pending {
		for _, work := range p.Work {
			m := notOffered.FindStringSubmatch(work.Parked)
			if work.Side != w.Side || m == nil || w.Entities[p.Link.Entity] == nil {
				continue
			}
			name, err := strconv.Unquote(m[2])
			if err != nil {
				continue
			}
			what := [3]string{p.Link.Entity, m[1], name}
			there, asked := known[what]
			if !asked {
				if there, err = w.isOffered(ctx, what); err != nil {
					return nil, err
				}
				known[what] = there
			}
			if there {
				reasons = append(reasons, ledger.Reason{Link: p.Link.ID, Sync: p.Link.Sync, Entity: p.Link.Entity, Side: w.Side, Lane: work.Lane, Rank: work.Rank, Why: "retry"})
			}
		}
	}
	return reasons, nil
}

func (w *Worker) isOffered(ctx context.Context, what [3]string) (bool, error) {
	entity := w.Entities[what[0]]
	f, ok := entity.Mapping.Field(what[1])
	offering, can := entity.Pages.(Offering)
	if !ok || !can || !f.HasOptions() {
		return false, nil
	}
	why, err := offering.Offer(notionapi.WithLane(ctx, notionapi.Backfill), f, []string{what[2]}, true)
	if err != nil {
		return false, fmt.Errorf("look whether an option was added: %w", err)
	}
	return why == "", nil
}

// spelled gives options of a page the capitals that the CRM gives them. Notion takes two options that differ in nothing else for one, and shows
// the older: that is no edit, and must not be brought into the row as one.
func (t *translation) spelled(f mapping.Field, v change.Value) change.Value {
	if !f.HasOptions() {
		return v
	}
	known := append(options(t.crm[f.Name]), options(t.base[f.Name].Value)...)
	one := func(o change.Value) change.Value {
		if i := slices.IndexFunc(known, func(k change.Value) bool { return strings.EqualFold(k.Text(), o.Text()) }); i >= 0 {
			return known[i]
		}
		return o
	}
	switch v.Kind() {
	case change.Text:
		return one(v)
	case change.Set:
		items := make([]change.Value, len(v.Items()))
		for i, o := range v.Items() {
			items[i] = one(o)
		}
		return change.SetValue(items...)
	}
	return v
}

// options are a value's options, one or several.
func options(v change.Value) []change.Value {
	if v.Kind() == change.Text {
		return []change.Value{v}
	}
	return slices.Clone(v.Items())
}
