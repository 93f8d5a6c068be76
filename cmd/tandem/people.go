package main

import (
	"context"
	"maps"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
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

// peopleEvery is how often Notion is asked for its users where an alert names one whom the ledger does not know.
const peopleEvery = time.Hour

// people gives names for alerts: the ledger's, and with a client those of Notion.
func (a *app) people(store *pgledger.Store, client *notionapi.Client) func(ctx context.Context, ids []string) map[string]string {
	var asked time.Time
	return func(ctx context.Context, ids []string) map[string]string {
		s := &session{store: store, log: a.log}
		if time.Since(asked) > peopleEvery {
			s.client, asked = client, time.Now()
		}
		return s.names(notionapi.WithLane(ctx, notionapi.Backfill), func(yield func(string)) {
			for _, id := range ids {
				yield(id)
			}
		})
	}
}
