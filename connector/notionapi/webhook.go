package notionapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// SignatureHeader carries a webhook's signature.
const SignatureHeader = "X-Notion-Signature"

// webhookBytesMax is far above what an event without content can take; a receiver reads no more.
const webhookBytesMax = 1 << 20

// VerifySignature reports that header is Notion's signature ("sha256=" and the hex HMAC-SHA256) of the raw body under the
// subscription's verification token. Takes the same time for every wrong signature. Verify before decoding.
// https://developers.notion.com/reference/webhooks#step-3-validating-event-payloads-recommended
func VerifySignature(body []byte, header string, token Token) bool {
	text, ok := strings.CutPrefix(header, "sha256=")
	if !ok || token == "" {
		return false
	}
	got, err := hex.DecodeString(text)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write(body)
	return hmac.Equal(got, mac.Sum(nil))
}

// WebhookEvent is a hint that something changed. It carries no content, may come late, twice, out of order or never, and may be
// staler than a read.
type WebhookEvent struct {
	// VerificationToken is set in the handshake alone, where everything else is empty: a person pastes it into Notion.
	VerificationToken Token

	ID             string // of the event; the same in every delivery
	Time           time.Time
	Type           string // page.properties_updated, data_source.schema_updated, …
	WorkspaceID    string
	SubscriptionID string
	IntegrationID  string
	APIVersion     string
	Attempt        int // 1..8
	Authors        []Author
	EntityID       string
	EntityType     string // page, data_source, database, block, comment, …
	ParentID       string
	ParentType     string
	DataSourceID   string // the parent's, or the entity itself where it is one
	PageID         string // the entity where it is a page, a comment's page
	// UpdatedProperties are canonical ids: of a page's values, or of a data source's columns.
	UpdatedProperties []string
}

// Author is somebody whose edits an event sums up.
type Author struct{ ID, Type string } // Type: person, bot, agent

// OnlyBy reports that nobody but the user had a part in the event: one that names others beside our bot is news.
func (e WebhookEvent) OnlyBy(userID string) bool {
	id := canonObjectID(userID)
	for _, a := range e.Authors {
		if a.ID != id {
			return false
		}
	}
	return len(e.Authors) > 0
}

// DecodeWebhook reads a delivery whose signature was verified. Unknown types and fields are no error.
func DecodeWebhook(body []byte) (WebhookEvent, error) {
	if len(body) > webhookBytesMax {
		return WebhookEvent{}, fmt.Errorf("decode webhook: %d bytes, want at most %d", len(body), webhookBytesMax)
	}
	var wire wireEvent
	if err := json.Unmarshal(body, &wire); err != nil {
		return WebhookEvent{}, fmt.Errorf("decode webhook: %w", err)
	}
	if wire.VerificationToken != "" {
		return WebhookEvent{VerificationToken: Token(wire.VerificationToken)}, nil
	}
	if wire.ID == "" || wire.Type == "" {
		return WebhookEvent{}, errors.New("decode webhook: neither an event nor a handshake")
	}
	return wire.event(), nil
}

type wireEvent struct {
	VerificationToken string     `json:"verification_token"`
	ID                string     `json:"id"`
	Timestamp         wireTime   `json:"timestamp"`
	WorkspaceID       string     `json:"workspace_id"`
	SubscriptionID    string     `json:"subscription_id"`
	IntegrationID     string     `json:"integration_id"`
	Type              string     `json:"type"`
	Authors           []wireHead `json:"authors"`
	AttemptNumber     int        `json:"attempt_number"`
	APIVersion        string     `json:"api_version"`
	Entity            wireHead   `json:"entity"`
	Data              struct {
		Parent struct {
			wireHead
			DataSourceID string `json:"data_source_id"`
		} `json:"parent"`
		PageID            string            `json:"page_id"`
		UpdatedProperties []json.RawMessage `json:"updated_properties"`
	} `json:"data"`
}

type wireHead struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

func (w wireEvent) event() WebhookEvent {
	e := WebhookEvent{
		ID: w.ID, Time: w.Timestamp.Time, Type: w.Type, WorkspaceID: w.WorkspaceID, SubscriptionID: w.SubscriptionID,
		IntegrationID: w.IntegrationID, APIVersion: w.APIVersion, Attempt: w.AttemptNumber,
		EntityID: canonObjectID(w.Entity.ID), EntityType: w.Entity.Type,
		ParentID: canonObjectID(w.Data.Parent.ID), ParentType: w.Data.Parent.Type,
		DataSourceID: canonObjectID(w.Data.Parent.DataSourceID), PageID: canonObjectID(w.Data.PageID),
	}
	for _, a := range w.Authors {
		e.Authors = append(e.Authors, Author{ID: canonObjectID(a.ID), Type: a.Type})
	}
	switch w.Entity.Type {
	case "page":
		e.PageID = e.EntityID
	case "data_source":
		e.DataSourceID = e.EntityID
	}
	for _, raw := range w.Data.UpdatedProperties {
		if id := updatedProperty(raw); id != "" {
			e.UpdatedProperties = append(e.UpdatedProperties, CanonicalID(id))
		}
	}
	return e
}

// updatedProperty reads an id (page events) or an object with one (schema events).
func updatedProperty(raw json.RawMessage) string {
	var id string
	if json.Unmarshal(raw, &id) == nil {
		return id
	}
	var head wireHead
	if json.Unmarshal(raw, &head) == nil {
		return head.ID
	}
	return ""
}
