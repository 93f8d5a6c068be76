package main

import (
	"context"
	"maps"
	"time"

	"github.com/tandem-sync/tandem/connector/notionapi"
)

// names gives the names of those Notion users whose ids each yields, as far as they can be had: from the ledger, and for those that it does not
// know, with a token that may read users, from Notion.
func (s *session) names(ctx context.Context, each func(yield func(id string))) map[string]string {
	var ids []string
	each(func(id string) {
		if id != "" {
			ids = append(ids, id)
		}
	})
	if len(ids) == 0 {
		return nil
	}
	names, err := s.store.People(ctx, ids)
	if err != nil {
		s.log.DebugContext(ctx, "names of people are not known", "reason", err.Error())
	}
	unknown := false
	for _, id := range ids {
		unknown = unknown || names[id] == ""
	}
	if !unknown || s.client == nil {
		return names
	}
	users, err := s.client.Users(ctx)
	if err != nil {
		if !notionapi.IsRestricted(err) {
			s.log.DebugContext(ctx, "names of people are not known", "reason", err.Error())
		}
		return names
	}
	fresh := map[string]string{}
	for _, u := range users {
		fresh[u.ID] = u.Name
	}
	if err := s.store.SavePeople(ctx, fresh, time.Now()); err != nil {
		s.log.DebugContext(ctx, "names of people are not kept", "reason", err.Error())
	}
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, fresh) // a guest is in the ledger and not in the list
	return names
}
