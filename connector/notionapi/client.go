package notionapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	jomei "github.com/jomei/notionapi"
)

// Client speaks to Notion with one token. Its methods may be called from any goroutine.
type Client struct {
	lib  *jomei.Client // services whose paths and request bodies are right, over stack
	http *http.Client  // our own calls, over the same stack
	now  func() time.Time
	idle func() // closes idle connections of a transport of our own
}

// New checks cfg and makes a client. It sends nothing.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure notion client: %w", err)
	}
	cfg = cfg.withDefaults()
	c := &Client{now: cfg.Now, idle: func() {}}
	if cfg.Transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxIdleConnsPerHost = cfg.ConcurrencyMax
		cfg.Transport, c.idle = own, own.CloseIdleConnections
	}
	c.http = &http.Client{Transport: assemble(cfg)}
	// The library never sees the token: adapt puts it on. One attempt: it would repeat a 429 with an empty body, and none reaches it.
	c.lib = jomei.NewClient("", jomei.WithHTTPClient(c.http), jomei.WithVersion(cfg.Version), jomei.WithRetry(1))
	return c, nil
}

// Close lets go of idle connections. Requests in flight are not disturbed.
func (c *Client) Close() { c.idle() }

// call is what one method tells the transport beside the request, and what it hears from it. It travels in the request's context
// because that is the one way through the library. One goroutine uses it at a time.
type call struct {
	path  string                                // replaces the path; "" keeps it
	query string                                // raw query, appended
	edit  func(body map[string]json.RawMessage) // changes the body's top level before it is sent
	hide  bool                                  // the library gets "{}": we decode, it could not

	answer    []byte // the body of the 200
	from, to  time.Time
	requestID string
}

type callKey struct{}

func withCall(ctx context.Context, cl *call) context.Context {
	return context.WithValue(ctx, callKey{}, cl)
}

func callOf(ctx context.Context) *call {
	if cl, ok := ctx.Value(callKey{}).(*call); ok {
		return cl
	}
	return &call{}
}

// viaLibrary runs send, which calls one service of the library, and decodes the answer into out.
func (c *Client) viaLibrary(ctx context.Context, cl *call, out any, send func(context.Context) error) error {
	cl.hide = true
	if err := send(withCall(ctx, cl)); err != nil {
		return plain(err)
	}
	return cl.decode(out)
}

// do makes a call that the library has no service for. Path begins with "/v1/", with its parts escaped.
func (c *Client) do(ctx context.Context, method, path string, cl *call, body, out any) error {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encode %s %s: %w", method, path, err)
		}
	}
	req, err := http.NewRequestWithContext(withCall(ctx, cl), method, DefaultBaseURL+path, bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("make request %s %s: %w", method, path, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return plain(err)
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	return cl.decode(out)
}

// decode reads the 200's body. It was valid JSON already, or exchange would have refused it: a mismatch is a shape we do not know.
func (cl *call) decode(out any) error {
	if err := json.Unmarshal(cl.answer, out); err != nil {
		return fmt.Errorf("decode notion's answer (request %s): %w", cl.requestID, err)
	}
	return nil
}

// plain takes net/http's wrapping off, so that a message names the request once.
func plain(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// idPath gives the canonical id for a path, or says that the text is none.
func idPath(what, id string) (string, error) {
	canonical, ok := ObjectID(id)
	if !ok {
		return "", valueErrorf("%q is not the id of a %s: want 32 hexadecimal digits, dashes aside", id, what)
	}
	return canonical, nil
}
