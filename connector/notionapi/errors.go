package notionapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Outcome is what became of a request that ended in an error.
type Outcome uint8

// The outcomes. Reads change nothing: theirs is NotApplied.
const (
	NotApplied     Outcome = iota // Notion holds what it held before
	Applied                       // the write is saved, although the answer is an error
	OutcomeUnknown                // it may or may not be saved: look it up before writing again
)

// String gives the outcome in words.
func (o Outcome) String() string {
	switch o {
	case Applied:
		return "applied"
	case OutcomeUnknown:
		return "unknown whether applied"
	default:
		return "not applied"
	}
}

// Codes of Notion's error objects that programs branch on; they are stable, messages are not.
// https://developers.notion.com/reference/status-codes
const (
	CodeValidation         = "validation_error"
	CodeUnauthorized       = "unauthorized"
	CodeRestricted         = "restricted_resource"
	CodeNotFound           = "object_not_found"
	CodeConflict           = "conflict_error"
	CodeRowLimit           = "row_limit_exceeded"
	CodeRateLimited        = "rate_limited"
	CodeServiceOverload    = "service_overload"
	CodeServiceUnavailable = "service_unavailable"
)

// Error is a request that did not end in a plain 200: an error object, a page of HTML from the edge, a 202, or no answer at all.
type Error struct {
	Method string // GET, POST, PATCH
	Path   string // without the query, as it was sent: /v1/pages/…

	Status         int               // 0: no answer was read
	Code           string            // Notion's code; "" where the answer was not Notion's JSON
	Message        string            // Notion's message, or our own words
	RequestID      string            // for Notion's support; "" where the edge answered
	AdditionalData map[string]string // additional_data; arrays are joined with ", "
	RetryAfter     time.Duration     // 0: not said

	Outcome Outcome
	// CommittedID is the page or database that a write left behind although it was answered with an error.
	CommittedID string
	// Err is the transport's error where there was no answer, or what could not be read of one.
	Err error
}

// Error says what was asked, what came back, and what became of it. It holds no secret and no property value but those in
// Notion's own message.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: ", e.Method, e.Path)
	switch {
	case e.Status != 0 && e.Code != "":
		fmt.Fprintf(&b, "%d %s: %s", e.Status, e.Code, e.Message)
	case e.Status != 0:
		fmt.Fprintf(&b, "%d %s: %s", e.Status, http.StatusText(e.Status), e.Message)
	case e.Err != nil:
		b.WriteString(e.Err.Error())
	default:
		b.WriteString(e.Message)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	if e.Outcome != NotApplied {
		fmt.Fprintf(&b, " [%s]", e.Outcome)
	}
	return b.String()
}

// Unwrap gives the transport's error.
func (e *Error) Unwrap() error { return e.Err }

// Unknown reports that the write may have been applied. It is not a failure: look first.
func (e *Error) Unknown() bool { return e.Outcome == OutcomeUnknown }

// Applied gives the id that was committed, if Notion named one.
func (e *Error) Applied() (id string, ok bool) { return e.CommittedID, e.Outcome == Applied }

// Retryable reports that the same request may succeed later and does no harm when sent again. False for everything unknown.
func (e *Error) Retryable() bool {
	if e.Outcome != NotApplied {
		return false
	}
	switch e.Status {
	case 0, http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusTooManyRequests, statusOverload:
		return !e.blocked()
	case http.StatusConflict:
		return e.Code == CodeConflict
	case http.StatusBadRequest:
		// Seen in an outage of 2023: github.com/minwook-shin/notion-database#18
		return strings.HasPrefix(e.Message, "Unsaved transactions")
	}
	return e.Status >= 500
}

// blocked is the one 429 that must not be repeated: https://developers.notion.com/reference/request-limits
func (e *Error) blocked() bool {
	return e.AdditionalData["rate_limit_reason"] == "public_api_request_blocked"
}

// statusOverload is Notion's 529 service_overload; net/http has no name for it.
const statusOverload = 529

// ValueError says in plain words why Notion cannot hold a value. Nothing was sent; sending it again will not help.
type ValueError struct {
	Property string // name or id, where known
	Reason   string // "a text of 210,000 characters; Notion takes 200,000"
}

// Error gives the reason, with the property where it is known.
func (e *ValueError) Error() string {
	if e.Property == "" {
		return e.Reason
	}
	return fmt.Sprintf("property %q: %s", e.Property, e.Reason)
}

// Retryable is false: the value must change.
func (*ValueError) Retryable() bool { return false }

// Unknown is false: nothing was sent.
func (*ValueError) Unknown() bool { return false }

func valueErrorf(format string, args ...any) error {
	return &ValueError{Reason: fmt.Sprintf(format, args...)}
}

// Unknown reports that err may hide a write that was applied. Any error in the chain may answer.
func Unknown(err error) bool {
	var e interface{ Unknown() bool }
	return errors.As(err, &e) && e.Unknown()
}

// Retryable reports that what failed may be done again later. Any error in the chain may answer.
func Retryable(err error) bool {
	var e interface{ Retryable() bool }
	return errors.As(err, &e) && e.Retryable()
}

// IsNotFound reports Notion's 404. The object does not exist or is not shared with the integration: Notion does not say which.
func IsNotFound(err error) bool { return hasCode(err, CodeNotFound) }

// IsUnauthorized reports that the token is wrong or was withdrawn.
func IsUnauthorized(err error) bool { return hasCode(err, CodeUnauthorized) }

// IsRestricted reports that the token lacks a capability, or that a free workspace is full.
func IsRestricted(err error) bool { return hasCode(err, CodeRestricted) }

// IsConflict reports a 409 that two writes to one page at once give. Nothing was applied: read again, decide again, write again.
func IsConflict(err error) bool { return hasCode(err, CodeConflict) }

// IsRowLimit reports that the data source takes no more rows.
func IsRowLimit(err error) bool { return hasCode(err, CodeRowLimit) }

// IsRateLimited reports a 429 or 529 that outlasted our patience.
func IsRateLimited(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == http.StatusTooManyRequests || e.Status == statusOverload)
}

// IsTrashed reports that a write was refused because the page, or one above it, is in the trash.
func IsTrashed(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == CodeValidation && (strings.HasPrefix(e.Message, "Can't edit block that is archived") ||
		strings.HasPrefix(e.Message, "Can't edit page on block with an archived ancestor"))
}

// IsValidation reports that Notion refuses what was sent, and would again. A page in the trash and a transient error are not meant.
func IsValidation(err error) bool {
	var e *Error
	return hasCode(err, CodeValidation) && errors.As(err, &e) && !IsTrashed(err) && !e.Retryable()
}

// IsInvalidCursor reports that a scan's cursor is no longer known: start the scan again.
func IsInvalidCursor(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == CodeValidation && strings.Contains(e.Message, "start_cursor")
}

func hasCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
