package notionapi

import (
	"context"
	"encoding/json"
	"fmt"

	jomei "github.com/jomei/notionapi"
)

// commentsPagesMax bounds a listing: a page with more open remarks than that is no place for another one to be looked for.
const commentsPagesMax = 20

// Comments lists the remarks on a page that are not resolved, oldest first. It needs the capability to read comments, and costs a request for each
// hundred.
func (c *Client) Comments(ctx context.Context, pageID string) ([]Comment, error) {
	id, err := idPath("page", pageID)
	if err != nil {
		return nil, err
	}
	var out []Comment
	err = c.pages(ctx, commentsPagesMax, "comments", func(ctx context.Context, at *jomei.Pagination) error {
		_, err := c.lib.Comment.Get(ctx, jomei.BlockID(id), at)
		return err
	}, func(raw json.RawMessage) error {
		var wire struct {
			ID           string         `json:"id"`
			DiscussionID string         `json:"discussion_id"`
			RichText     []wireRichText `json:"rich_text"`
		}
		if err := json.Unmarshal(raw, &wire); err != nil {
			return fmt.Errorf("decode a comment: %w", err)
		}
		out = append(out, Comment{ID: canonObjectID(wire.ID), DiscussionID: canonObjectID(wire.DiscussionID), PageID: id, Text: joinText(wire.RichText)})
		return nil
	})
	return out, err
}
