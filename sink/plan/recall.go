package plan

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink/match"
)

// recall links rows to the pages that were made for them, where the ledger has forgotten that: it was restored from a backup from before, or begun anew. A
// page says by its id for which row it was made; whether the two still are one record is seen by their keys or titles, for a restored database gives keys a
// second time. Where that cannot be seen, a person decides.
func (s *survey) recall(ctx context.Context) error {
	tags, err := s.strangers(ctx)
	if err != nil || len(tags) == 0 {
		return err
	}
	rows, pages := map[string]bool{}, map[string]bool{}
	for _, r := range s.loose {
		of := tags[ledger.ExternalTag(s.e.Sync, s.e.Name, r.ID)]
		if len(of) == 0 {
			continue
		}
		rows[r.ID] = true
		for _, page := range of {
			pages[page] = true
		}
		why, err := s.unlike(ctx, r.ID, of)
		if err != nil {
			return err
		}
		if why == "" {
			if err := s.pair(ctx, r.ID, of[0], "the page was made for this row", true); err != nil {
				return err
			}
			continue
		}
		if err := s.tell(Item{Do: Held, Doubt: true, Entity: s.e.Name, Key: r.ID, Why: []string{why}}); err != nil {
			return err
		}
		for _, page := range of {
			if err := s.tell(Item{Do: Held, Doubt: true, Entity: s.e.Name, Page: page, Why: []string{why}}); err != nil {
				return err
			}
		}
	}
	own := func(ids map[string]bool) func(match.Record) bool {
		return func(r match.Record) bool { return ids[r.ID] }
	}
	s.loose, s.single = slices.DeleteFunc(s.loose, own(rows)), slices.DeleteFunc(s.single, own(pages))
	return nil
}

// strangers are the unlinked pages that carry an id which no link has, by the tag of the row that it was made for.
func (s *survey) strangers(ctx context.Context) (map[string][]string, error) {
	tags := map[string][]string{}
	var ids []string
	for _, p := range s.single {
		if id := s.firm[p.ID].Seen.External; ledger.TagOf(id) != "" {
			ids = append(ids, id)
		}
	}
	known, err := s.planned.Ledger.ByExternal(ctx, s.e.Sync, ids)
	if err != nil {
		return nil, err
	}
	for _, p := range s.single {
		id := s.firm[p.ID].Seen.External
		if _, has := known[id]; has || ledger.TagOf(id) == "" {
			continue
		}
		tags[ledger.TagOf(id)] = append(tags[ledger.TagOf(id)], p.ID)
	}
	return tags, nil
}

// unlike says why a row and the pages that were made for it cannot be linked by themselves, "" if there is one page and it is like the row.
func (s *survey) unlike(ctx context.Context, key string, pages []string) (string, error) {
	if len(pages) > 1 {
		return fmt.Sprintf("%d pages were made for row %s: put all but one in the trash, or link the right one with tandem links import", len(pages), key), nil
	}
	snapshot, err := s.read(ctx, []string{key})
	if err != nil {
		return "", err
	}
	row, err := s.Reader.Worker.RowImage(ctx, s.e.Name, s.schema, snapshot.Rows[key])
	if err != nil {
		return "", err
	}
	page, err := s.Reader.Worker.PageImage(ctx, s.e.Name, s.schema, s.firm[pages[0]].Seen)
	if err != nil {
		return "", err
	}
	if alike(s.e, likeness(s.e), row, page) {
		return "", nil
	}
	return fmt.Sprintf("page %s was made for a row %s and says something else than this one: the key may have been another record's before the database was restored. Link the two with tandem links import, or put the page in the trash", pages[0], key), nil
}

// likeness are the keys by which a recalled pair must be alike: the mapping's, else the title.
func likeness(e *mapping.Entity) [][]string {
	return append(append([][]string{}, e.Match...), []string{e.Title().Name})
}

// alike compares by the first key of which both sides have a value.
func alike(e *mapping.Entity, keys [][]string, row, page change.Image) bool {
	row, page = inLikeness(e, row), inLikeness(e, page)
	for _, key := range keys {
		a, _, ok := match.ValueOf(key, row)
		b, _, both := match.ValueOf(key, page)
		if ok && both {
			return a == b
		}
	}
	return false
}

// inLikeness gives the image with its match keys' values as they are compared.
func inLikeness(e *mapping.Entity, image change.Image) change.Image {
	out := image.Clone()
	maps.Copy(out, e.Likeness(image))
	return out
}
