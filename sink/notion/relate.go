package notion

import (
	"context"
	"fmt"
	"slices"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
)

var _ sink.Relating = (*Pages)(nil)

// CanRelate implements [sink.Relating].
func (p *Pages) CanRelate(f mapping.Field) bool {
	_, ok := p.dual(f)
	return ok
}

// dual gives the property that Notion keeps equal on the far side of a relation.
func (p *Pages) dual(f mapping.Field) (id string, ok bool) {
	if p.Schema == nil || f.Relation == "" || f.Reverse == "" {
		return "", false
	}
	p.Schema.mu.Lock()
	defer p.Schema.mu.Unlock()
	prop, ok := p.Schema.live[p.Entity.Name].Property(p.Schema.known[p.Entity.Name].Properties[f.Name])
	if !ok || prop.Relation == nil || !prop.Relation.Dual || prop.Relation.SyncedID == "" {
		return "", false
	}
	return prop.Relation.SyncedID, true
}

// Relate implements [sink.Relating]. It costs a request where the far page says so already, else two.
func (p *Pages) Relate(ctx context.Context, f mapping.Field, page, far string, there bool) (string, error) {
	dual, ok := p.dual(f)
	if !ok {
		return fmt.Sprintf("%s has no property %q any more from which more than %d related records could be written, and a write replaces all: restore it", f.Relation, f.Reverse, mapping.RelatedWriteMax), nil
	}
	got, err := p.Client.Page(ctx, far)
	if err != nil {
		return "", classify(err)
	}
	if err := p.Client.Complete(ctx, &got, dual); err != nil {
		return "", classify(err)
	}
	prop, ok := got.Property(dual)
	if !ok {
		return "", fmt.Errorf("page %s does not show its property %q", far, f.Reverse)
	}
	names := prop.Value.Items()
	i := slices.IndexFunc(names, change.TextValue(page).Equal)
	switch {
	case there == (i >= 0):
		return "", nil
	case there:
		names = append(slices.Clone(names), change.TextValue(page))
	default:
		names = slices.Delete(slices.Clone(names), i, i+1)
	}
	if len(names) > mapping.RelatedWriteMax {
		return fmt.Sprintf("page %s names %d pages in %q, more than the %d that one request takes, and a write replaces all: relate the two in Notion", far, len(names), f.Reverse, mapping.RelatedWriteMax), nil
	}
	w, err := notionapi.EncodeProperty(notionapi.TypeRelation, change.SetValue(names...), notionapi.EncodeOptions{})
	if err != nil {
		return "", fmt.Errorf("encode %q: %w", f.Reverse, err)
	}
	if _, err := p.Client.UpdatePage(ctx, far, notionapi.PageUpdate{Properties: map[string]notionapi.PropertyWrite{dual: w}}); err != nil {
		return "", classify(err)
	}
	return "", nil
}
