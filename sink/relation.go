package sink

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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

// unremoved looks at the targets that a page's relation does not show any more. Notion hides a target that is in the trash: that is not a
// removal, and the target stays in the set. Whether a removed target is still there must be known from a read that is not older than
// the relation's; sink/crm, which would clear the reference, waits for one.
func (t *translation) unremoved(ctx context.Context, f mapping.Field, set change.Value, readFrom time.Time) (kept change.Value, waits string, err error) {
	var missing []int64
	for _, v := range t.base[f.Name].Value.Items() {
		if !slices.ContainsFunc(set.Items(), v.Equal) {
			if id, err := strconv.ParseInt(v.Text(), 10, 64); err == nil {
				missing = append(missing, id)
			}
		}
	}
	if len(missing) == 0 {
		return set, "", nil
	}
	found, err := t.links.ByID(ctx, missing)
	if err != nil {
		return set, "", fmt.Errorf("look up removed targets of %s: %w", f.Name, err)
	}
	items := slices.Clone(set.Items())
	for _, id := range missing {
		link, ok := found[id]
		switch {
		case !ok:
		case link.State == ledger.PageTrashed || link.State == ledger.Trashed || link.State == ledger.Vanished:
			items, t.masked = append(items, change.TextValue(strconv.FormatInt(id, 10))), true
		case t.verify && link.Page != "" && link.ReadAt.Before(readFrom):
			t.reread = append(t.reread, link)
			waits = fmt.Sprintf("whether %s %s is still there is being looked at", link.Entity, link.Key)
		}
	}
	return change.SetValue(items...), waits, nil
}

// trashed reports that a relation's target is known to be in the trash: by what it has become, or, where its row cannot be found either, by the read of it.
func trashed(link ledger.Link) bool {
	return link.State == ledger.PageTrashed || link.State == ledger.Trashed || link.State == ledger.Vanished && link.Seen != nil && link.Seen.InTrash
}

// inTrash says of a relation's target that a person has to take its page out of the trash first. It is how work that waits for that is known
// again when somebody does.
func inTrash(link ledger.Link) string {
	return fmt.Sprintf("the page of %s %s is in the trash", link.Entity, link.Key)
}

// tooManyRelated says why a relation is not written: one request takes so many pages and replaces all that are there, so that any write would lose
// some. What the page shows stays, and what people add to it or take from it there goes to the CRM.
func tooManyRelated(f mapping.Field, n int) string {
	return fmt.Sprintf("%d related records of %s are more than the %d that a write to Notion takes, and a write replaces all: the page is left as it is; give the relation a reverse, from which they are written one by one, or relate the rest in Notion",
		n, f.Relation, mapping.RelatedWriteMax)
}

// waitsForPerson tells what only a person can end from what time will.
func waitsForPerson(why string) bool {
	return strings.Contains(why, " is in the trash") || strings.Contains(why, "and a write replaces all: ") || strings.Contains(why, " is not offered by the property ")
}

// soon reports that one of the waits will end by itself: worth a moment before a page is made without its relations.
func soon(waits map[string]string) bool {
	for _, why := range waits {
		if !waitsForPerson(why) {
			return true
		}
	}
	return false
}

// wake lets work go on that waited for this link's page to come back from the trash.
func (r *reconciliation) wake(ctx context.Context, c *ledger.Commit) error {
	if c.State == nil || *c.State != ledger.Live || r.link().State != ledger.PageTrashed && r.link().State != ledger.Vanished {
		return nil
	}
	pending, err := r.w.Ledger.Pending(ctx, r.w.Sync, wakeMax)
	if err != nil {
		return fmt.Errorf("look for what waited for the page: %w", err)
	}
	for _, p := range pending {
		for _, work := range p.Work {
			if strings.Contains(work.Parked, inTrash(*r.link())) && p.Link.ID != r.link().ID {
				c.Reasons = append(c.Reasons, ledger.Reason{Link: p.Link.ID, Sync: p.Link.Sync, Entity: p.Link.Entity, Side: work.Side, Lane: work.Lane, Rank: work.Rank, Why: "retry"})
			}
		}
	}
	return nil
}

// wakeMax bounds the look; a sweep finds the rest.
const wakeMax = 10_000

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
		switch {
		case !ok || end == "":
			return change.Value{}, fmt.Sprintf("link %d has no counterpart yet", id), nil
		case side == ledger.Notion && trashed(link):
			return change.Value{}, inTrash(link) + ": Notion would drop the reference", nil
		}
		out = append(out, change.TextValue(end))
	}
	return change.SetValue(out...), "", nil
}
