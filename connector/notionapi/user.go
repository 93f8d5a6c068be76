package notionapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	jomei "github.com/jomei/notionapi"
)

// User is a person or a bot.
type User struct {
	ID, Type, Name string // Type: person, bot
	Email          string // of a person, where the integration has the capability
	WorkspaceID    string // of our own bot
	WorkspaceName  string // of our own bot
}

// Me gives the integration's own bot: the author of our writes. It costs one request.
func (c *Client) Me(ctx context.Context) (User, error) {
	var cl call
	var wire wireUser
	err := c.viaLibrary(ctx, &cl, &wire, func(ctx context.Context) error {
		_, err := c.lib.User.Me(ctx)
		return err
	})
	return wire.user(), err
}

// Users lists the workspace's people and bots; guests are not among them. It costs a request for each hundred, and needs the
// capability to read users ([IsRestricted] without).
func (c *Client) Users(ctx context.Context) ([]User, error) {
	var out []User
	err := c.pages(ctx, usersPagesMax, "users", func(ctx context.Context, at *jomei.Pagination) error {
		_, err := c.lib.User.List(ctx, at)
		return err
	}, func(raw json.RawMessage) error {
		var wire wireUser
		if err := json.Unmarshal(raw, &wire); err != nil {
			return fmt.Errorf("decode a user: %w", err)
		}
		out = append(out, wire.user())
		return nil
	})
	return out, err
}

type wireUser struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Name   string `json:"name"`
	Person struct {
		Email string `json:"email"`
	} `json:"person"`
	Bot struct {
		WorkspaceID   string `json:"workspace_id"`
		WorkspaceName string `json:"workspace_name"`
	} `json:"bot"`
}

func (w wireUser) user() User {
	return User{
		ID: canonObjectID(w.ID), Type: w.Type, Name: w.Name, Email: w.Person.Email,
		WorkspaceID: canonObjectID(w.Bot.WorkspaceID), WorkspaceName: w.Bot.WorkspaceName,
	}
}

// Comment is a remark on a page.
type Comment struct{ ID, DiscussionID, PageID, Text, RequestID string }

// CreateComment writes a remark on a page, for somebody (a user's id) who is mentioned in front of it; "" mentions nobody. It needs the capability
// to insert comments, and costs one request.
func (c *Client) CreateComment(ctx context.Context, pageID, mention, text string) (Comment, error) {
	id, err := idPath("page", pageID)
	if err != nil {
		return Comment{}, err
	}
	parts := splitText(text)
	if len(parts) == 0 || len(parts) > RichTextItemsMax-2 {
		return Comment{}, valueErrorf("a comment of %d characters; Notion takes 1 to %d", units(text), TextUnitsMax)
	}
	var body []jomei.RichText
	if user, ok := ObjectID(mention); ok {
		body = append(body, jomei.RichText{Type: "mention", Mention: &jomei.Mention{Type: "user", User: &jomei.User{ID: jomei.UserID(user)}}},
			jomei.RichText{Type: "text", Text: &jomei.Text{Content: " "}})
	}
	for _, part := range parts {
		body = append(body, jomei.RichText{Type: "text", Text: &jomei.Text{Content: part}})
	}
	var cl call
	var wire struct {
		ID           string         `json:"id"`
		DiscussionID string         `json:"discussion_id"`
		RichText     []wireRichText `json:"rich_text"`
		RequestID    string         `json:"request_id"`
	}
	err = c.viaLibrary(ctx, &cl, &wire, func(ctx context.Context) error {
		_, err := c.lib.Comment.Create(ctx, &jomei.CommentCreateRequest{Parent: jomei.Parent{Type: "page_id", PageID: jomei.PageID(id)}, RichText: body})
		return err
	})
	if err != nil {
		return Comment{}, err
	}
	return Comment{
		ID: canonObjectID(wire.ID), DiscussionID: canonObjectID(wire.DiscussionID), PageID: id, Text: joinText(wire.RichText),
		RequestID: cmp.Or(wire.RequestID, cl.requestID),
	}, nil
}
