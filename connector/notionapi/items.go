package notionapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// itemPagesMax bounds one property: two-way relations end at 10,000 entries.
const itemPagesMax = 200

// PropertyItems reads all values of one property of a page, also beyond the 25 that a page gives. The answer has no name. It costs a
// request for each hundred values.
func (c *Client) PropertyItems(ctx context.Context, pageID, propertyID string) (Property, error) {
	id, err := idPath("page", pageID)
	if err != nil {
		return Property{}, err
	}
	var all itemList
	query := url.Values{"page_size": {strconv.Itoa(PageSizeMax)}}
	for range itemPagesMax {
		var cl call
		var list wireList
		path := "/v1/pages/" + id + "/properties/" + CanonicalID(propertyID)
		if err := c.do(ctx, http.MethodGet, path+"?"+query.Encode(), &cl, nil, &list); err != nil {
			return Property{}, err
		}
		if list.Results == nil { // one property_item: the value itself
			return DecodeProperty("", cl.answer), nil
		}
		if err := all.add(list); err != nil {
			return Property{}, fmt.Errorf("decode property items (request %s): %w", cmp.Or(list.RequestID, cl.requestID), err)
		}
		if !list.HasMore || list.NextCursor == "" {
			return all.property()
		}
		query.Set("start_cursor", list.NextCursor)
	}
	return Property{}, fmt.Errorf("read property %s of page %s: more than %d values", propertyID, id, itemPagesMax*PageSizeMax)
}

// Complete reads the rest of every property in ids (all, if none is named) that Notion cut, and puts it into page. Page.ReadTo moves
// with it: the values are read one after the other.
func (c *Client) Complete(ctx context.Context, page *Page, ids ...string) error {
	if ids == nil {
		for id := range page.Properties {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		cut, ok := page.Property(id)
		if !ok || !cut.HasMore || cut.Type == TypeRollup {
			continue
		}
		whole, err := c.PropertyItems(ctx, page.ID, cut.ID)
		if err != nil {
			return fmt.Errorf("read the rest of property %q: %w", cut.Name, err)
		}
		whole.ID, whole.Name = cut.ID, cut.Name
		page.Properties[CanonicalID(id)] = whole
		page.ReadTo = c.now()
	}
	return nil
}

// itemList gathers the pages of one property.
type itemList struct {
	head   map[string]json.RawMessage // property_item of the newest page
	values []json.RawMessage          // what stands under each item's type
	typed  []json.RawMessage          // the items whole, for rollups
}

func (l *itemList) add(list wireList) error {
	if err := json.Unmarshal(list.PropertyItem, &l.head); err != nil {
		return err
	}
	for _, raw := range list.Results {
		var item map[string]json.RawMessage
		if err := json.Unmarshal(raw, &item); err != nil {
			return err
		}
		l.values = append(l.values, item[textIn(item, "type")])
		l.typed = append(l.typed, raw)
	}
	return nil
}

// property puts the items together as a page would show them.
func (l *itemList) property() (Property, error) {
	kind := textIn(l.head, "type")
	var inner any = append([]json.RawMessage{}, l.values...)
	if kind == TypeRollup {
		inner = l.rollup()
	}
	raw, err := marshal(map[string]any{"id": textIn(l.head, "id"), "type": kind, kind: inner, "has_more": false})
	if err != nil {
		return Property{}, err
	}
	return DecodeProperty("", raw), nil
}

// rollup is the aggregate where there is one, else the array of all items.
func (l *itemList) rollup() any {
	var rollup map[string]json.RawMessage
	if json.Unmarshal(l.head[TypeRollup], &rollup) != nil || textIn(rollup, "type") != "array" {
		return l.head[TypeRollup]
	}
	elements := make([]json.RawMessage, 0, len(l.typed))
	for _, raw := range l.typed {
		elements = append(elements, element(raw))
	}
	return map[string]any{"type": "array", "array": elements}
}

// element is one item of a rollup as the array of a page has it: of title, rich text, people and relation an item holds one value
// where the array's element holds a list (the types of @notionhq/client: TitlePropertyItemObjectResponse and its like).
func element(raw json.RawMessage) json.RawMessage {
	var item map[string]json.RawMessage
	if json.Unmarshal(raw, &item) != nil {
		return raw
	}
	kind := textIn(item, "type")
	switch kind {
	case TypeTitle, TypeRichText, TypePeople, TypeRelation:
	default:
		return raw
	}
	if v := item[kind]; len(v) == 0 || v[0] != '{' {
		return raw
	}
	item[kind] = append(append(json.RawMessage{'['}, item[kind]...), ']')
	out, err := marshal(item)
	if err != nil {
		return raw
	}
	return out
}
