package sink

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// Relating are [Pages] that write a relation from its far side as well: a write to the page itself takes mapping.RelatedWriteMax and replaces all.
type Relating interface {
	// CanRelate reports that the field's relation has a property on the far side that Notion keeps equal.
	CanRelate(f mapping.Field) bool
	// Relate lets the far page name page in that property, or not any more; the others that it names stay. why tells in plain words why that cannot be.
	Relate(ctx context.Context, f mapping.Field, page, far string, there bool) (why string, err error)
}

// relateMax is how many far pages are written in one turn: two requests each, and the turn has a lease to keep.
const relateMax = 25

// relating is one page that is to be named, or not any more, from its own side.
type relating struct {
	field mapping.Field
	link  change.Value
	there bool
}

// larger makes of relations that one write does not take what this turn can do of them: first a write of as many as it takes, with none of those left out
// that stay; then the rest from the far side, some in each turn. What is left for later turns is no part of the base, or it would look like
// something that somebody took away in Notion.
func (r *reconciliation) larger(d *ledger.Decision) {
	pages, ok := r.entity.Pages.(Relating)
	if !ok {
		return
	}
	for _, f := range r.t.fields {
		want, written := d.ToNotion[f.Name]
		if !written || f.Relation == "" || len(want.Items()) <= mapping.RelatedWriteMax || !pages.CanRelate(f) {
			continue
		}
		now := r.in.Notion.Image[f.Name]
		sent := intersection(want, now)
		if len(sent) < mapping.RelatedWriteMax {
			for _, v := range difference(want, now) {
				if len(sent) < mapping.RelatedWriteMax {
					sent = append(sent, v)
				}
			}
		} else {
			sent = r.fromAfar(f, want, now)
		}
		if r.rest == nil {
			r.rest = map[string]change.Value{}
		}
		d.ToNotion[f.Name] = change.SetValue(sent...)
		r.rest[f.Name] = change.SetValue(difference(want, d.ToNotion[f.Name])...)
	}
}

// fromAfar chooses what is written from the far side in this turn, and gives what the page shows then.
func (r *reconciliation) fromAfar(f mapping.Field, want, now change.Value) []change.Value {
	shows := slices.Clone(now.Items())
	n := 0
	for _, v := range difference(now, want) {
		if n++; n <= relateMax {
			r.far = append(r.far, relating{f, v, false})
			shows = slices.DeleteFunc(shows, v.Equal)
		}
	}
	for _, v := range difference(want, now) {
		if n++; n <= relateMax {
			r.far = append(r.far, relating{f, v, true})
			shows = append(shows, v)
		}
	}
	return shows
}

func intersection(a, b change.Value) (both []change.Value) {
	for _, v := range a.Items() {
		if slices.ContainsFunc(b.Items(), v.Equal) {
			both = append(both, v)
		}
	}
	return both
}

func difference(a, b change.Value) (only []change.Value) {
	for _, v := range a.Items() {
		if !slices.ContainsFunc(b.Items(), v.Equal) {
			only = append(only, v)
		}
	}
	return only
}

// bases are those of the decision, without what this turn leaves for later.
func (r *reconciliation) bases(d ledger.Decision) change.Image {
	bases := d.Bases(r.in, ledger.Notion)
	for name, rest := range r.rest {
		bases[name] = change.SetValue(difference(r.in.CRM.Image[name], rest)...)
	}
	return bases
}

// send writes the page, and its relations from the far side; the page as it is then is the evidence of both.
func (r *reconciliation) send(ctx context.Context, u PageUpdate) (ledger.Observation, error) {
	if len(r.far) == 0 {
		return r.entity.Pages.Update(ctx, r.schema, r.link().Page, u)
	}
	for _, far := range r.far {
		delete(u.Values, far.field.Name)
	}
	if len(u.Values) > 0 || u.External != "" {
		if seen, err := r.entity.Pages.Update(ctx, r.schema, r.link().Page, u); err != nil {
			return seen, err
		}
	}
	if err := r.relate(ctx); err != nil {
		return ledger.Observation{}, &partly{err}
	}
	seen, err := r.entity.Pages.Read(ctx, r.schema, r.link().Page)
	if err != nil || seen.Gone {
		return seen, &partly{fmt.Errorf("read the page after its relations were written: %w", err)}
	}
	return seen, nil
}

func (r *reconciliation) relate(ctx context.Context) error {
	var ids []int64
	for _, far := range r.far {
		if id, err := strconv.ParseInt(far.link.Text(), 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	found, err := r.w.Ledger.ByID(ctx, ids)
	if err != nil {
		return fmt.Errorf("look up related pages: %w", err)
	}
	for _, far := range r.far {
		id, _ := strconv.ParseInt(far.link.Text(), 10, 64)
		other, ok := found[id]
		if !ok || other.Page == "" {
			continue
		}
		if r.w.Now().After(r.until) {
			return errRoundOver
		}
		why, err := r.entity.Pages.(Relating).Relate(ctx, far.field, r.link().Page, other.Page, far.there)
		if err != nil {
			return err
		}
		if why != "" {
			r.unrelated = append(r.unrelated, unrelated{far, why})
		}
	}
	return nil
}

// unrelated is one page that could not be named from its own side.
type unrelated struct {
	relating
	why string
}

// withoutUnrelated takes out of what was sent what could not be, as if a later turn was to bring it. If nothing else is left to bring, its field waits.
func (r *reconciliation) withoutUnrelated(d *ledger.Decision) {
	left := map[string]int{}
	for _, u := range r.unrelated {
		name := u.field.Name
		left[name]++
		set := change.SetValue(u.link)
		if u.there {
			d.ToNotion[name] = change.SetValue(difference(d.ToNotion[name], set)...)
			r.rest[name] = change.SetValue(append(slices.Clone(r.rest[name].Items()), u.link)...)
		} else {
			d.ToNotion[name] = change.SetValue(append(slices.Clone(d.ToNotion[name].Items()), u.link)...)
		}
		tried := 0
		for _, far := range r.far {
			if far.field.Name == name {
				tried++
			}
		}
		if left[name] == tried || left[name] == len(r.rest[name].Items()) {
			d.Waits = joined(d.Waits, map[string]string{name: u.why})
		}
	}
}

// partly is a write of several requests of which some may have been made: unknown, not failed.
type partly struct{ error }

// Unknown says so.
func (*partly) Unknown() bool { return true }

// Unwrap gives the cause.
func (p *partly) Unwrap() error { return p.error }
