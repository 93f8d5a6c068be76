package sink

import (
	"context"
	"fmt"
	"strconv"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// Links looks links up, without a lease.
type Links interface {
	ByKey(ctx context.Context, sync, entity string, keys []string) (map[string]ledger.Link, error)
	ByPage(ctx context.Context, sync string, pages []string) (map[string]ledger.Link, error)
	ByID(ctx context.Context, ids []int64) (map[int64]ledger.Link, error)
	ByExternal(ctx context.Context, sync string, externals []string) (map[string]ledger.Link, error)
}

// linksOf turns the keys or page ids of a relation into the set of the targets' link ids: the form in which both sides compare. A
// target that is not linked makes the whole field wait; what it waits for comes back in words.
func (t *translation) linksOf(ctx context.Context, f mapping.Field, ends change.Value, side ledger.Side) (set change.Value, waits string, err error) {
	texts := endTexts(ends)
	if len(texts) == 0 {
		return change.SetValue(), "", nil
	}
	sync := t.entity.Mapping.Sync
	var found map[string]ledger.Link
	if side == ledger.CRM {
		found, err = t.links.ByKey(ctx, sync, f.Relation, texts)
	} else {
		found, err = t.links.ByPage(ctx, sync, texts)
	}
	if err != nil {
		return change.Value{}, "", fmt.Errorf("look up the targets of %s: %w", f.Name, err)
	}
	ids := make([]change.Value, 0, len(texts))
	for _, text := range texts {
		link, ok := found[text]
		if !ok || link.Entity != f.Relation {
			return change.Value{}, fmt.Sprintf("%s %s is not linked yet", f.Relation, text), nil
		}
		if side == ledger.CRM && link.Page == "" || side == ledger.Notion && link.Key == "" {
			return change.Value{}, fmt.Sprintf("%s %s has no counterpart yet", f.Relation, text), nil
		}
		ids = append(ids, change.TextValue(strconv.FormatInt(link.ID, 10)))
	}
	return change.SetValue(ids...), "", nil
}

func endTexts(ends change.Value) []string {
	switch ends.Kind() {
	case change.Set, change.List:
		texts := make([]string, 0, len(ends.Items()))
		for _, v := range ends.Items() {
			texts = append(texts, v.String())
		}
		return texts
	case change.Null, change.Absent:
		return nil
	}
	return []string{ends.String()}
}

// endsOf turns a set of link ids into the set of their keys or pages.
func (t *translation) endsOf(ctx context.Context, set change.Value, side ledger.Side) (ends change.Value, waits string, err error) {
	if len(set.Items()) == 0 {
		return change.SetValue(), "", nil
	}
	ids := make([]int64, 0, len(set.Items()))
	for _, v := range set.Items() {
		id, err := strconv.ParseInt(v.Text(), 10, 64)
		if err != nil {
			return change.Value{}, "", fmt.Errorf("read link id %q: %w", v.Text(), err)
		}
		ids = append(ids, id)
	}
	found, err := t.links.ByID(ctx, ids)
	if err != nil {
		return change.Value{}, "", fmt.Errorf("look up links: %w", err)
	}
	out := make([]change.Value, 0, len(ids))
	for _, id := range ids {
		link, ok := found[id]
		end := link.Key
		if side == ledger.Notion {
			end = link.Page
		}
		if !ok || end == "" {
			return change.Value{}, fmt.Sprintf("link %d has no counterpart yet", id), nil
		}
		out = append(out, change.TextValue(end))
	}
	return change.SetValue(out...), "", nil
}
