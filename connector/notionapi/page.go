package notionapi

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"time"

	jomei "github.com/jomei/notionapi"

	"github.com/tandem-sync/tandem/connector/change"
)

// Page is what Notion said of one page, at a moment between ReadFrom and ReadTo.
type Page struct {
	ID     string // dashed, lower case
	Parent Parent
	// InTrash is the only evidence of a deletion. IsArchived is Notion's "Archive" feature: hidden from views and queries, not deleted.
	InTrash, IsArchived, IsLocked bool
	// Created and Edited are cut to the minute: the edit lies in [Edited, Edited+60 s).
	Created, Edited         time.Time
	CreatedBy, LastEditedBy string // user ids; our own bot's for our own writes
	URL                     string
	// Properties by [CanonicalID]. A page without any ([Page.Partial]) is one that the integration may not read.
	Properties map[string]Property
	// Partial: Notion gave the id alone, because the integration lacks the capability to read content.
	Partial bool
	// ReadFrom and ReadTo bracket the read on our clock: the request left after the first, the answer was here before the second.
	ReadFrom, ReadTo time.Time
	RequestID        string
}

// Parent says where a page or database stands. A row's parent carries both ids.
type Parent struct {
	Type         string // data_source_id, database_id, page_id, block_id, workspace, …
	DataSourceID string
	DatabaseID   string
	PageID       string
	BlockID      string
}

// Property gives the property with the id, in any form of it; false if the page has none.
func (p Page) Property(id string) (Property, bool) {
	prop, ok := p.Properties[CanonicalID(id)]
	return prop, ok
}

// ByName finds a property by its present name; for people's commands, not for code that remembers.
func (p Page) ByName(name string) (Property, bool) {
	for _, prop := range p.Properties {
		if prop.Name == name {
			return prop, true
		}
	}
	return Property{}, false
}

// Raw gives the JSON of every property by canonical id, as Notion sent it (with what [Client.Complete] read beyond it).
func (p Page) Raw() map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(p.Properties))
	for id, prop := range p.Properties {
		out[id] = prop.Raw
	}
	return out
}

// Pick gives the JSON of the properties with these ids as one object by canonical id: what the mapping may see, and no more.
func (p Page) Pick(ids []string) (json.RawMessage, error) {
	picked := make(map[string]json.RawMessage, len(ids))
	for _, id := range ids {
		if prop, ok := p.Property(id); ok {
			picked[CanonicalID(id)] = prop.Raw
		}
	}
	return change.Object(picked)
}

// NewPage is a row to make.
type NewPage struct {
	DataSourceID string
	Properties   map[string]PropertyWrite // by id or name
}

// PageUpdate is a change to a row; what is left out stays.
type PageUpdate struct {
	Properties map[string]PropertyWrite // by id or name
	InTrash    *bool                    // true trashes, false restores, nil leaves alone
}

// Page reads one page as it is now. It costs one request.
func (c *Client) Page(ctx context.Context, id string) (Page, error) {
	id, err := idPath("page", id)
	if err != nil {
		return Page{}, err
	}
	var cl call
	return c.page(ctx, &cl, func(ctx context.Context) error {
		_, err := c.lib.Page.Get(ctx, jomei.PageID(id))
		return err
	})
}

// CreatePage makes a row and returns it as Notion then held it. On an error, ask [Unknown] before trying again: a page made twice
// is a duplicate that people see. It costs one request.
func (c *Client) CreatePage(ctx context.Context, page NewPage) (Page, error) {
	source, err := idPath("data source", page.DataSourceID)
	if err != nil {
		return Page{}, err
	}
	// The library knows no data sources: its request goes out with the parent put in.
	cl := call{edit: func(body map[string]json.RawMessage) {
		body["parent"] = json.RawMessage(`{"type":"data_source_id","data_source_id":"` + source + `"}`)
	}}
	return c.page(ctx, &cl, func(ctx context.Context) error {
		_, err := c.lib.Page.Create(ctx, &jomei.PageCreateRequest{Properties: writes(page.Properties)})
		return err
	})
}

// UpdatePage changes a row and returns it as Notion then held it. It sends no more than it is told: a page in the trash stays
// there unless InTrash is false. It costs one request.
func (c *Client) UpdatePage(ctx context.Context, id string, update PageUpdate) (Page, error) {
	id, err := idPath("page", id)
	if err != nil {
		return Page{}, err
	}
	// The library always sends "archived": false, which takes a page out of the trash and is refused from 2026-03-11 on.
	cl := call{edit: func(body map[string]json.RawMessage) {
		delete(body, "archived")
		if update.InTrash != nil {
			body["in_trash"] = strconv.AppendBool(nil, *update.InTrash)
		}
	}}
	return c.page(ctx, &cl, func(ctx context.Context) error {
		_, err := c.lib.Page.Update(ctx, jomei.PageID(id), &jomei.PageUpdateRequest{Properties: writes(update.Properties)})
		return err
	})
}

// page runs a call that answers with a page.
func (c *Client) page(ctx context.Context, cl *call, send func(context.Context) error) (Page, error) {
	var wire wirePage
	if err := c.viaLibrary(ctx, cl, &wire, send); err != nil {
		return Page{}, err
	}
	return wire.page(cl), nil
}

// writes gives the library a non-nil map: it would send null for a nil one.
func writes(properties map[string]PropertyWrite) jomei.Properties {
	out := make(jomei.Properties, len(properties))
	for id, w := range properties {
		out[id] = w
	}
	return out
}

// wirePage is a page object as Notion sends it.
type wirePage struct {
	Object         string                     `json:"object"`
	ID             string                     `json:"id"`
	CreatedTime    wireTime                   `json:"created_time"`
	LastEditedTime wireTime                   `json:"last_edited_time"`
	CreatedBy      wireRef                    `json:"created_by"`
	LastEditedBy   wireRef                    `json:"last_edited_by"`
	Parent         wireParent                 `json:"parent"`
	InTrash        bool                       `json:"in_trash"` // before 2026-03-11 "archived" says the same once more
	IsArchived     bool                       `json:"is_archived"`
	IsLocked       bool                       `json:"is_locked"`
	URL            string                     `json:"url"`
	Properties     map[string]json.RawMessage `json:"properties"`
	RequestID      string                     `json:"request_id"`
}

func (w wirePage) page(cl *call) Page {
	p := Page{
		ID: canonObjectID(w.ID), Parent: w.Parent.parent(),
		InTrash: w.InTrash, IsArchived: w.IsArchived, IsLocked: w.IsLocked,
		Created: w.CreatedTime.Time, Edited: w.LastEditedTime.Time,
		CreatedBy: canonObjectID(w.CreatedBy.ID), LastEditedBy: canonObjectID(w.LastEditedBy.ID),
		URL: w.URL, Partial: w.Properties == nil, Properties: make(map[string]Property, len(w.Properties)),
		ReadFrom: cl.from, ReadTo: cl.to, RequestID: cmp.Or(w.RequestID, cl.requestID),
	}
	for name, raw := range w.Properties {
		prop := DecodeProperty(name, raw)
		p.Properties[CanonicalID(prop.ID)] = prop
	}
	return p
}

// wireParent is where something stands.
type wireParent struct {
	Type         string `json:"type"`
	DataSourceID string `json:"data_source_id"`
	DatabaseID   string `json:"database_id"`
	PageID       string `json:"page_id"`
	BlockID      string `json:"block_id"`
}

func (w wireParent) parent() Parent {
	return Parent{
		Type: w.Type, DataSourceID: canonObjectID(w.DataSourceID), DatabaseID: canonObjectID(w.DatabaseID),
		PageID: canonObjectID(w.PageID), BlockID: canonObjectID(w.BlockID),
	}
}

// wireRef is an object of which only the id matters.
type wireRef struct {
	ID string `json:"id"`
}

// wireTime reads RFC 3339 and takes everything else as "not said": a time is never worth the whole page.
type wireTime struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (t *wireTime) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			t.Time = at.UTC()
		}
	}
	return nil
}
