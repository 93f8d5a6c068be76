package emulator

import (
	"net/url"
	"strings"
	"time"
)

// version is a Notion-Version, ordered by age.
type version int

const (
	v2022 version = iota // 2022-06-28
	v2025                // 2025-09-03: data sources
	v2026                // 2026-03-11: no archived, position, meeting_notes
)

var versions = map[string]version{"2022-06-28": v2022, "2025-09-03": v2025, "2026-03-11": v2026}

// versionNames in the order in which the service's message lists them.
var versionNames = []string{"2022-06-28", "2025-09-03", "2026-03-11"}

// bodyMax is the documented limit of a request body.
const bodyMax = 500 << 10

// Request is one API request, free of net/http.
type Request struct {
	Method        string
	Path          string // escaped, e.g. /v1/pages/…/properties/f%5C
	Query         url.Values
	Authorization string
	Version       string
	Beta          string // Notion-Beta; no beta is served here
	ContentType   string
	Body          []byte
}

// Response is what to send. Delay and Drop are faults that the transport carries out.
type Response struct {
	Status      int
	ContentType string
	RequestID   string
	RetryAfter  int // seconds; 0 is none
	Body        []byte
	Delay       time.Duration
	Drop        bool // close the connection without an answer
	HTML        bool // an edge answer without Notion's headers
}

// call is one request while it is being served.
type call struct {
	s      *State
	now    time.Time
	ver    version
	integ  *integration
	actor  string // user id of whoever does this
	bot    bool   // actor is an integration
	path   map[string]string
	query  url.Values
	body   any // parsed JSON, undefined{} when there was none
	req    *Request
	made   string   // id of what was created
	blocks []string // ids of appended blocks
	late   []func() // changes of rows that wait until the whole schema request holds
	events []change // told to webhooks once the request succeeded
}

// serve answers one request. The order of checks is the service's: route and
// method, JSON, token, version, then faults and limits, then the request itself.
func (s *State) serve(now time.Time, req *Request) Response {
	id := newUUID(s.reqs)
	refuse := func(e *apiError) Response {
		return Response{Status: e.status, RequestID: id, RetryAfter: e.retry, Body: e.body(id)}
	}
	rt, params := findRoute(req.Method, req.Path)
	if rt == nil {
		return refuse(errURL())
	}
	c := &call{s: s, now: now, path: params, query: req.Query, req: req, body: undefined{}, bot: true}
	if len(req.Body) > 0 && req.Method != "GET" && !strings.HasPrefix(req.ContentType, "multipart/") {
		v, err := parseJSON(req.Body)
		if err != nil {
			return refuse(errInvalidJSON())
		}
		c.body = v
	}
	if e := c.identify(); e != nil {
		return refuse(e)
	}
	if c.ver < rt.since || c.ver > rt.until {
		return refuse(errURL())
	}
	f := s.faultFor(req.Method, req.Path)
	if f != nil && !f.After {
		if r, stop := f.answer(c, id); stop {
			return r
		}
	}
	if e := s.count(c.integ, now); e != nil {
		return refuse(e)
	}
	if len(req.Body) > bodyMax {
		return refuse(invalid("Request body is too large: at most 500 KB are allowed."))
	}
	out, e := rt.op(c)
	if e != nil {
		return refuse(e)
	}
	c.tell()
	if !out.has("templates") {
		out.set("request_id", id)
	}
	if f != nil && f.After {
		if r, stop := f.answer(c, id); stop {
			return r
		}
	}
	r := Response{Status: 200, RequestID: id, Body: appendJSON(nil, out)}
	if f != nil {
		r.Delay = f.Delay
	}
	return r
}

// identify checks the token, then the version.
func (c *call) identify() *apiError {
	token, ok := strings.CutPrefix(c.req.Authorization, "Bearer ")
	if !ok || token == "" {
		return errUnauthorized(`Authorization header must use the format "Bearer <token>".`)
	}
	for _, in := range c.s.integs {
		if in.Token == token {
			c.integ, c.actor = in, in.BotID
		}
	}
	if c.integ == nil {
		return errUnauthorized("API token is invalid.")
	}
	if c.req.Version == "" {
		return &apiError{status: 400, code: "missing_version",
			message: "Notion-Version header failed validation: Notion-Version header should be defined, instead was `undefined`."}
	}
	v, ok := versions[c.req.Version]
	if !ok {
		return invalid("Notion-Version header failed validation: %s", should("Notion-Version header", oneOf(versionNames, false), c.req.Version))
	}
	c.ver = v
	if c.req.Beta != "" {
		return &apiError{status: 400, code: "invalid_beta",
			message: "Notion-Beta header failed validation: " + should("Notion-Beta header", "a known beta", c.req.Beta)}
	}
	return nil
}

// pathID reads a path parameter that must be a uuid.
func (c *call) pathID(name string) (string, *apiError) {
	id, ok := parseUUID(c.path[name])
	if !ok {
		return "", failed("path", one(should("path."+name, "a valid uuid", c.path[name])))
	}
	return id, nil
}

// bodyObject reads the body as an object; an absent body is an empty one.
func (c *call) bodyObject() (*object, *apiError) {
	switch b := c.body.(type) {
	case undefined:
		return obj(), nil
	case *object:
		return b, nil
	default:
		return nil, invalid("body failed validation: body should be an object, instead was %s.", quoted(b))
	}
}

// bodyKeys is bodyObject that refuses keys which are not in the list.
func (c *call) bodyKeys(keys ...string) (*object, *apiError) {
	b, e := c.bodyObject()
	if e != nil {
		return nil, e
	}
	return b, failed("body", allowed("body", b, keys...))
}
