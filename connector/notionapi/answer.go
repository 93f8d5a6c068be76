package notionapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answeredError makes the error of an answer: Notion's error object, the edge's HTML, a status we never asked for, or a 200 that
// could not be read to its end (readErr).
func answeredError(req *http.Request, resp *http.Response, body []byte, readErr error) *Error {
	e := &Error{Method: req.Method, Path: req.URL.Path, Status: resp.StatusCode, Err: readErr}
	if !e.readObject(body) {
		e.Message = excerpt(body)
		if ray := resp.Header.Get("Cf-Ray"); ray != "" {
			e.Message = strings.TrimSpace(e.Message + " cf-ray " + ray)
		}
	}
	if readErr != nil {
		e.Message = strings.TrimPrefix(e.Message+"; "+readErr.Error(), "; ")
	}
	if e.RequestID == "" {
		e.RequestID = resp.Header.Get("X-Notion-Request-Id")
	}
	e.RetryAfter = retryAfter(resp.Header, e.AdditionalData)
	e.CommittedID = canonObjectID(e.AdditionalData["committed_resource_id"])
	if isWrite(req) {
		e.Outcome = outcome(e)
	}
	return e
}

// readObject reads Notion's error object: https://developers.notion.com/reference/status-codes. A 200 is none.
func (e *Error) readObject(body []byte) bool {
	var object struct {
		Object         string                     `json:"object"`
		Code           string                     `json:"code"`
		Message        string                     `json:"message"`
		RequestID      string                     `json:"request_id"`
		AdditionalData map[string]json.RawMessage `json:"additional_data"`
	}
	if json.Unmarshal(body, &object) != nil || object.Code == "" {
		return false
	}
	e.Code, e.Message, e.RequestID = object.Code, object.Message, object.RequestID
	if len(object.AdditionalData) > 0 {
		e.AdditionalData = make(map[string]string, len(object.AdditionalData))
		for name, raw := range object.AdditionalData {
			e.AdditionalData[name] = additional(raw)
		}
	}
	return true
}

// additional reads a value of additional_data: a string or an array of strings; anything newer stays JSON.
func additional(raw json.RawMessage) string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return strings.Join(many, ", ")
	}
	return string(raw)
}

// outcome says what became of a write that was answered with e. https://developers.notion.com/reference/request-limits: a 5xx may
// come after the write was saved, and some 503 name what they saved.
func outcome(e *Error) Outcome {
	switch {
	case e.CommittedID != "":
		return Applied
	case e.Status == statusOverload:
		return NotApplied
	case e.Status == http.StatusRequestTimeout: // a proxy's; it does not know
		return OutcomeUnknown
	case e.Status >= 300 && e.Status < 500:
		return NotApplied
	default: // a 200 that could not be read, a 202, a 5xx
		return OutcomeUnknown
	}
}

// retryAfter reads the header (seconds, or a date), else additional_data, which repeats it.
func retryAfter(header http.Header, data map[string]string) time.Duration {
	for _, text := range []string{header.Get("Retry-After"), data["retry_after"]} {
		if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds < 86_400 {
			return time.Duration(seconds * float64(time.Second))
		}
		if at, err := http.ParseTime(text); err == nil {
			sent, err := http.ParseTime(header.Get("Date"))
			if err != nil {
				continue
			}
			return max(at.Sub(sent), 0)
		}
	}
	return 0
}

// excerpt gives the start of a body that is not Notion's JSON: the title of an HTML page, else its first characters, in one line. What
// looks like JSON may hold people's data, and stays out of messages.
func excerpt(body []byte) string {
	const charactersMax = 200
	text := strings.TrimSpace(string(body[:min(len(body), 4096)]))
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return fmt.Sprintf("%d bytes that are no error object", len(body))
	}
	if _, rest, ok := strings.Cut(text, "<title>"); ok {
		text, _, _ = strings.Cut(rest, "</title>")
	}
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?")
	if runes := []rune(text); len(runes) > charactersMax {
		text = string(runes[:charactersMax]) + "…"
	}
	return text
}
