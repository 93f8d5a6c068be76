package notionapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
)

// Recorder writes down every attempt to change something in Notion, before it leaves. What cannot be written down is not sent.
type Recorder interface {
	Sending(ctx context.Context, s Sending) (n int64, err error)
	Answered(ctx context.Context, n int64, a Answered) error
}

// Sending is an attempt that is about to leave. It bears no value.
type Sending struct {
	Method string
	Path   string
	Parts  []string // what it changes: ids of properties, in_trash, and other members of the body's top level
}

// Answered is what came of it.
type Answered struct {
	Outcome   Outcome
	Applied   bool // Outcome says nothing then
	Status    int  // 0: no answer
	RequestID string
	Made      string // id of the object in the answer
}

// recorded asks the recorder around each attempt. It stands under everything that waits, so that what is written down leaves at once.
type recorded struct {
	next     http.RoundTripper
	recorder Recorder
	logger   *slog.Logger
}

// RoundTrip implements http.RoundTripper.
func (r recorded) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.recorder == nil || !isWrite(req) {
		return r.next.RoundTrip(req)
	}
	n, err := r.recorder.Sending(req.Context(), Sending{Method: req.Method, Path: req.URL.Path, Parts: changedBy(req)})
	if err != nil {
		return nil, unsent(req, fmt.Errorf("write down the request: %w", err))
	}
	resp, err := r.next.RoundTrip(req)
	a := Answered{Applied: err == nil}
	var e *Error
	switch {
	case err == nil:
		cl := callOf(req.Context())
		a.Status, a.RequestID, a.Made = resp.StatusCode, cl.requestID, idOf(cl)
	case errors.As(err, &e):
		a.Status, a.Outcome, a.RequestID = e.Status, e.Outcome, e.RequestID
		a.Made, a.Applied = e.Applied() // saved, and answered with an error
	default:
		a.Outcome = OutcomeUnknown
	}
	if err := r.recorder.Answered(context.WithoutCancel(req.Context()), n, a); err != nil {
		r.logger.WarnContext(req.Context(), "what came of a request was not written down", "path", req.URL.Path, "request_id", a.RequestID, "err", err)
	}
	return resp, err
}

// changedBy names what a body changes: the members of its properties, and of its top level where they are something else.
func changedBy(req *http.Request) []string {
	parts := []string{}
	if req.GetBody == nil {
		return parts
	}
	body, err := req.GetBody()
	if err != nil {
		return parts
	}
	defer func() { _ = body.Close() }()
	var top map[string]json.RawMessage
	if data, err := io.ReadAll(body); err != nil || json.Unmarshal(data, &top) != nil {
		return parts
	}
	for name, raw := range top {
		var members map[string]json.RawMessage
		switch name {
		case "parent", "rich_text":
		case "properties":
			_ = json.Unmarshal(raw, &members) // anything else is no object of ours
			for id := range members {
				parts = append(parts, id)
			}
		default:
			parts = append(parts, name)
		}
	}
	slices.Sort(parts)
	return parts
}

// idOf is the id in an answer, as our own code writes ids.
func idOf(cl *call) string {
	var object struct {
		ID        string `json:"id"`
		RequestID string `json:"request_id"`
	}
	if json.Unmarshal(cl.answer, &object) != nil {
		return ""
	}
	if cl.requestID == "" {
		cl.requestID = object.RequestID
	}
	if id, ok := ObjectID(object.ID); ok {
		return id
	}
	return strings.ToLower(object.ID)
}
