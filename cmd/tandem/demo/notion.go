package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// syncName is the example mappings'.
const syncName = "crm"

// notionReader reads Notion by its API. Which page belongs to which row, and which property to which field, it learns from the ledger.
type notionReader struct {
	client   *notionapi.Client
	pool     *pgxpool.Pool
	entities entities
}

// openNotion makes a client that keeps no rate: the demo's Notion has no limit.
func openNotion(state State) (*notionapi.Client, error) {
	return notionapi.New(notionapi.Config{
		Token: notionapi.Token(state.Token), BaseURL: state.Notion, Budget: notionapi.NewLocalBudget(notionapi.LocalBudgetConfig{RatePerMinute: 1_000_000, Burst: 1000}),
	})
}

// schema is where an entity stands in Notion.
func (n *notionReader) schema(ctx context.Context, name string) (ledger.Schema, error) {
	var s ledger.Schema
	var text []byte
	err := n.pool.QueryRow(ctx, "SELECT schema FROM tandem.entity WHERE sync = $1 AND entity = $2", syncName, name).Scan(&text)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read where %s stands in Notion: %w", name, err)
	}
	return s, nil
}

// links are the pairs of rows and pages: page → record.
func (n *notionReader) links(ctx context.Context) (map[string]Ref, error) {
	rows, err := n.pool.Query(ctx, "SELECT entity, coalesce(key, ''), page FROM tandem.link WHERE sync = $1 AND page IS NOT NULL", syncName)
	if err != nil {
		return nil, fmt.Errorf("read the links: %w", err)
	}
	defer rows.Close()
	out := map[string]Ref{}
	for rows.Next() {
		var ref Ref
		var page string
		if err := rows.Scan(&ref.Entity, &ref.Key, &page); err != nil {
			return nil, fmt.Errorf("read the links: %w", err)
		}
		out[page] = ref
	}
	return out, rows.Err()
}

// page gives the page of a record, "" if it has none.
func (n *notionReader) page(ctx context.Context, ref Ref) (string, error) {
	links, err := n.links(ctx)
	if err != nil {
		return "", err
	}
	for page, r := range links {
		if r == ref {
			return page, nil
		}
	}
	return "", nil
}

// read gives all pages of an entity that are not in the trash, by page id.
func (n *notionReader) read(ctx context.Context, name string) (map[string]record, error) {
	schema, err := n.schema(ctx, name)
	if err != nil {
		return nil, err
	}
	links, err := n.links(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]record{}
	for page, err := range n.client.Rows(ctx, schema.DataSource, notionapi.Query{}) {
		if err != nil {
			return nil, fmt.Errorf("read the pages of %s: %w", name, err)
		}
		if err := n.client.Complete(ctx, &page); err != nil {
			return nil, fmt.Errorf("read the long values of a page of %s: %w", name, err)
		}
		out[page.ID] = n.entities[name].fromNotion(page, schema, links)
	}
	return out, nil
}

// readPage gives one page, and whether it is in the trash.
func (n *notionReader) readPage(ctx context.Context, name, id string) (rec record, trashed bool, err error) {
	schema, err := n.schema(ctx, name)
	if err != nil {
		return nil, false, err
	}
	links, err := n.links(ctx)
	if err != nil {
		return nil, false, err
	}
	page, err := n.client.Page(ctx, id)
	if err == nil {
		err = n.client.Complete(ctx, &page)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read a page of %s: %w", name, err)
	}
	return n.entities[name].fromNotion(page, schema, links), page.InTrash, nil
}

// fromNotion brings a page's values into canonical form.
func (e *entity) fromNotion(page notionapi.Page, schema ledger.Schema, links map[string]Ref) record {
	rec := record{}
	for field, id := range schema.Properties {
		property, ok := page.Property(id)
		if !ok {
			continue
		}
		text := textOf(property.Value)
		kind := mapping.Type("")
		if r, ok := e.rule(field); ok {
			kind = r.Type
		}
		if kind == mapping.TypeRelation {
			text = keysOf(text, links)
		}
		if strings.HasPrefix(field, mapping.CustomPrefix) {
			rec.putCustom(field, text)
			continue
		}
		rec[field] = canon(kind, text)
	}
	return rec
}

// keysOf turns pages into the keys of their rows. A page that has none yet stays as it is, and equals nothing.
func keysOf(pages string, links map[string]Ref) string {
	var keys []string
	for page := range strings.SplitSeq(pages, listMark) {
		if ref, ok := links[page]; ok && ref.Key != "" {
			page = ref.Key
		}
		keys = append(keys, page)
	}
	return canonList(keys)
}

// property writes a text into a property as the API wants it from an editor.
func (e *entity) property(r mapping.Rule, text string) (map[string]any, error) {
	var null any
	value := func(kind string, v any) map[string]any {
		if text == "" {
			v = null
		}
		return map[string]any{r.Property: map[string]any{kind: v}}
	}
	rich := []any{map[string]any{"type": "text", "text": map[string]any{"content": text}}}
	if text == "" {
		rich = []any{}
	}
	switch r.Type {
	case mapping.TypeTitle:
		return map[string]any{r.Property: map[string]any{"title": rich}}, nil
	case mapping.TypeText:
		return map[string]any{r.Property: map[string]any{"rich_text": rich}}, nil
	case mapping.TypePhone:
		return value("phone_number", text), nil
	case mapping.TypeEmail, mapping.TypeURL:
		return value(string(r.Type), text), nil
	case mapping.TypeSelect, mapping.TypeStatus:
		return value(string(r.Type), map[string]any{"name": option(r, text)}), nil
	case mapping.TypeDate, mapping.TypeDateTime:
		return value("date", map[string]any{"start": text}), nil
	case mapping.TypeNumber:
		return value("number", json.Number(text)), nil
	case mapping.TypeCheckbox:
		return map[string]any{r.Property: map[string]any{"checkbox": text == "true"}}, nil
	case mapping.TypeMultiSelect:
		options := []any{}
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != "" {
				options = append(options, map[string]any{"name": name})
			}
		}
		return map[string]any{r.Property: map[string]any{"multi_select": options}}, nil
	case mapping.TypeRelation:
	}
	return nil, fmt.Errorf("field %s is a relation: it cannot be written from here", r.Name)
}
