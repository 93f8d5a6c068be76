package emulator

import (
	"fmt"
	"strconv"
	"strings"
)

// apiError is one refusal: the error object of Notion's "Status codes" page.
type apiError struct {
	status  int
	code    string
	message string
	data    *object // additional_data, nil when there is none
	retry   int     // Retry-After in seconds, 0 when there is none
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func (e *apiError) body(requestID string) []byte {
	o := obj("object", "error", "status", e.status, "code", e.code, "message", e.message)
	if e.data != nil {
		o.set("additional_data", e.data)
	}
	o.set("request_id", requestID)
	return appendJSON(nil, o)
}

func invalid(format string, args ...any) *apiError {
	return &apiError{status: 400, code: "validation_error", message: fmt.Sprintf(format, args...)}
}

func errURL() *apiError {
	return &apiError{status: 400, code: "invalid_request_url", message: "Invalid request URL."}
}

func errInvalidJSON() *apiError {
	return &apiError{status: 400, code: "invalid_json", message: "Error parsing JSON body."}
}

func errUnauthorized(message string) *apiError {
	return &apiError{status: 401, code: "unauthorized", message: message}
}

func errRestricted() *apiError {
	return &apiError{status: 403, code: "restricted_resource", message: "API token does not have access to this resource."}
}

// notFound says that kind (page, database, data_source, block) is absent or not shared: Notion does not tell which.
func (c *call) notFound(kind, id string) *apiError {
	return &apiError{
		status: 404, code: "object_not_found",
		message: fmt.Sprintf("Could not find %s with ID: %s. Make sure the relevant pages and databases are shared with your integration %q.",
			kind, id, c.integ.Name),
		data: obj("integration_id", c.integ.BotID),
	}
}

func errConflict() *apiError {
	return &apiError{status: 409, code: "conflict_error", message: "Conflict occurred while saving. Please try again."}
}

// errRate is a 429. after of 0 gives no Retry-After.
func errRate(reason string, after int) *apiError {
	e := &apiError{
		status: 429, code: "rate_limited", message: "You have been rate limited. Please try again in a few minutes.",
		data: obj("rate_limit_reason", reason), retry: after,
	}
	if after > 0 {
		e.data.set("retry_after", strconv.Itoa(after))
	}
	return e
}

func errTrashed() *apiError {
	return invalid("Can't edit block that is archived. You must unarchive the block before editing.")
}

func errWrongKind(id, is, want string) *apiError {
	name := strings.ReplaceAll(is, "_", " ")
	return invalid("Provided ID %s is a %s, not a %s. Use the retrieve %s API instead: https://developers.notion.com/reference/retrieve-a-%s",
		id, name, strings.ReplaceAll(want, "_", " "), name, strings.ReplaceAll(is, "_", "-"))
}

func (c *call) errManySources(db *database) *apiError {
	ids := make([]string, 0, len(db.Sources))
	ids = append(ids, db.Sources...)
	e := invalid("Databases with multiple data sources are not supported in this API version.")
	e.data = obj("error_type", "multiple_data_sources_for_database", "database_id", db.ID,
		"child_data_source_ids", ids, "minimum_api_version", "2025-09-03")
	return e
}
