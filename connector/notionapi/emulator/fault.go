package emulator

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// Fault kinds. Those named "…_committed" and "drop_committed" and
// "timeout_committed" answer so after the request took effect.
const (
	FaultRateLimited  = "rate_limited"          // 429 with Retry-After
	FaultBlocked      = "blocked"               // 429 public_api_request_blocked, not to be retried
	FaultOverload     = "service_overload"      // 529
	FaultConflict     = "conflict"              // 409
	FaultInternal     = "internal_error"        // 500
	FaultBadGateway   = "bad_gateway"           // 502, an HTML page without Notion's headers
	FaultUnavailable  = "unavailable"           // 503, not saved
	FaultConnection   = "database_unavailable"  // 503 database_connection_unavailable, not saved
	FaultCommitted    = "unavailable_committed" // 503, saved: says so, with committed_resource_id for creates
	FaultGatewayAfter = "timeout_committed"     // 504, saved, no hint
	FaultGateway      = "timeout"               // 504, not saved
	FaultSlow         = "slow"                  // the usual answer, Delay late
	FaultDrop         = "drop"                  // connection closed, nothing done
	FaultDropAfter    = "drop_committed"        // connection closed, request took effect
)

// Fault says what goes wrong with which requests. It stays on until Count
// requests met it; Count 0 is without end.
type Fault struct {
	Kind string `json:"kind"`
	// Method and Path (path.Match pattern, e.g. /v1/pages/*) choose the requests; empty is any.
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	// Skip lets that many matching requests pass first.
	Skip  int `json:"skip,omitempty"`
	Count int `json:"count,omitempty"`
	// Chance below 1 meets a request with that probability; 0 is always.
	Chance float64 `json:"chance,omitempty"`
	// RetryAfter in seconds for 429, 503 and 529; 0 sends none.
	RetryAfter int           `json:"retry_after,omitempty"`
	Delay      time.Duration `json:"delay,omitempty"` // nanoseconds in JSON
	// After is set by the kind: the request takes effect first.
	After bool `json:"-"`
}

// Validate fills in After and reports what is wrong.
func (f *Fault) Validate() error {
	if f == nil {
		return errors.New("fault: must not be nil")
	}
	var errs []error
	switch f.Kind {
	case FaultCommitted, FaultGatewayAfter, FaultDropAfter:
		f.After = true
	case FaultRateLimited, FaultBlocked, FaultOverload, FaultConflict, FaultInternal, FaultBadGateway,
		FaultUnavailable, FaultConnection, FaultGateway, FaultSlow, FaultDrop:
		f.After = false
	default:
		errs = append(errs, fmt.Errorf("kind: %q is unknown", f.Kind))
	}
	if _, err := path.Match(f.Path, ""); err != nil {
		errs = append(errs, fmt.Errorf("path: %q is not a pattern", f.Path))
	}
	if f.Chance < 0 || f.Chance > 1 || f.Skip < 0 || f.Count < 0 || f.Delay < 0 || f.RetryAfter < 0 {
		errs = append(errs, errors.New("skip, count, delay and retry_after must not be negative, chance within 0 to 1"))
	}
	return errors.Join(errs...)
}

// faultFor takes the first fault that meets this request.
func (s *State) faultFor(method, p string) *Fault {
	for i, f := range s.faults {
		if !f.matches(method, p) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Chance > 0 && s.chance.Float64() >= f.Chance {
			continue
		}
		hit := *f
		if f.Count > 0 {
			if f.Count--; f.Count == 0 {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			}
		}
		return &hit
	}
	if s.cfg.FaultFunc != nil {
		if f := s.cfg.FaultFunc(method, p); f != nil && f.Validate() == nil {
			return f
		}
	}
	return nil
}

func (f *Fault) matches(method, p string) bool {
	if f.Method != "" && !strings.EqualFold(f.Method, method) {
		return false
	}
	if f.Path == "" {
		return true
	}
	ok, err := path.Match(f.Path, p)
	return err == nil && ok
}

// answer is what the fault sends instead; stop is false when the usual answer follows.
func (f *Fault) answer(c *call, requestID string) (r Response, stop bool) {
	refuse := func(e *apiError) (Response, bool) {
		if e.retry == 0 && f.RetryAfter > 0 {
			e.retry = f.RetryAfter
			if e.data == nil {
				e.data = obj()
			}
			e.data.set("retry_after", fmt.Sprint(f.RetryAfter))
		}
		return Response{Status: e.status, RequestID: requestID, RetryAfter: e.retry, Body: e.body(requestID), Delay: f.Delay}, true
	}
	switch f.Kind {
	case FaultRateLimited:
		return refuse(errRate("public_api_request_rate_limit", f.RetryAfter))
	case FaultBlocked:
		return refuse(errRate("public_api_request_blocked", f.RetryAfter))
	case FaultOverload:
		return refuse(&apiError{status: 529, code: "service_overload", message: "Notion is overloaded, please try again later."})
	case FaultConflict:
		return refuse(errConflict())
	case FaultInternal:
		return refuse(&apiError{status: 500, code: "internal_server_error", message: "Unexpected error occurred."})
	case FaultConnection:
		return refuse(&apiError{status: 503, code: "database_connection_unavailable", message: "Notion is unavailable, please try again later."})
	case FaultUnavailable:
		e := &apiError{status: 503, code: "service_unavailable", message: "Notion is unavailable, please try again later."}
		if strings.HasSuffix(c.req.Path, "/query") { // documented for query alone
			e.data = obj("endpoint_name", "public_queryDataSource", "notion_error_name", "PgPoolWaitConnectionTimeout",
				"retry_guidance", []string{"Wait before you try again.", "Use a smaller page_size.", "Narrow the filter."})
		}
		return refuse(e)
	case FaultCommitted:
		return refuse(f.committed(c))
	case FaultGateway, FaultGatewayAfter:
		return refuse(&apiError{status: 504, code: "gateway_timeout", message: "Gateway Timeout"})
	case FaultBadGateway:
		return Response{Status: 502, HTML: true, Delay: f.Delay, Body: []byte(badGateway)}, true
	case FaultDrop, FaultDropAfter:
		return Response{Drop: true, Delay: f.Delay}, true
	}
	return Response{}, false // slow
}

// committed is the documented 503 of a request that was saved but not answered in time.
func (f *Fault) committed(c *call) *apiError {
	e := &apiError{
		status: 503, code: "service_unavailable",
		message: "The request took too long to respond, but your changes were saved. Do not retry this request; read the object to see its state.",
		data: obj("deadline_ms", "55000", "retry_guidance",
			[]string{"The change was saved.", "Read the resource to confirm its state.", "Do not repeat the request."}),
	}
	if c.made != "" {
		e.data.set("committed_resource_id", c.made)
	}
	if len(c.blocks) > 0 {
		e.data.set("committed_child_ids", c.blocks)
	}
	return e
}

const badGateway = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n" +
	"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
