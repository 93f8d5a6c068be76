package notionapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// Defaults of [Config], with their reasons.
const (
	DefaultBaseURL = "https://api.notion.com"
	// DefaultVersion is the oldest version with data sources; older ones break when a person adds a second source to a database.
	DefaultVersion = "2025-09-03"
	// DefaultConcurrencyMax keeps a slow answer (Notion works on a request for up to 60 s) from holding up all others.
	DefaultConcurrencyMax = 4
	// DefaultRequestTimeout is a little over the 60 s after which Notion itself gives up with a 503.
	DefaultRequestTimeout = 65 * time.Second
	// DefaultAttemptsMax counts the first attempt too.
	DefaultAttemptsMax = 6
	// DefaultRetryElapsedMax bounds all waits between attempts of one request; a workspace-wide 429 may ask for more than a minute.
	DefaultRetryElapsedMax = 5 * time.Minute

	requestBytesMax = 500_000    // "body 500 KB", https://developers.notion.com/reference/request-limits
	answerBytesMax  = 32_000_000 // 100 rows of 2.5 MB cannot come in one answer; far above what was seen, far below our memory
)

// Config says how a [Client] reaches Notion. The zero value of every field but Token means its default.
type Config struct {
	Token   Token  // an integration's secret; required
	Version string // Notion-Version header, DefaultVersion or later
	BaseURL string // scheme, host and an optional path prefix, without "/v1"

	// Transport makes the exchange; nil means a transport of our own, closed by Close. The simulation passes the emulator's.
	Transport http.RoundTripper
	// Budget is asked once per attempt; nil means a [LocalBudget] of 180 requests a minute for this client alone.
	Budget Budget
	// Logger gets one line per attempt at Debug, and a line at Warn when Notion limits us.
	Logger *slog.Logger
	// Recorder writes down every attempt to change something before it leaves; nil is nobody.
	Recorder Recorder
	// OnAttempt is told of each attempt after it ended, from the caller's goroutine; metrics are made of it.
	OnAttempt func(Attempt)

	ConcurrencyMax  int           // requests in flight at a time
	RequestTimeout  time.Duration // one attempt, from the first byte sent to the last byte read
	AttemptsMax     int           // attempts of one request, the first included
	RetryElapsedMax time.Duration // all waits of one request together

	Now    func() time.Time                           // the clock; time.Now
	Sleep  func(context.Context, time.Duration) error // waits, or returns the context's error
	Jitter func() float64                             // in [0, 1); rand.Float64
}

// Validate reports everything that is wrong with c, one line each.
func (c Config) Validate() error {
	var problems []error
	if c.Token == "" {
		problems = append(problems, errors.New("token: missing; make an integration at notion.so/profile/integrations and give its secret"))
	}
	if c.Version != "" && !validVersion(c.Version) {
		problems = append(problems, fmt.Errorf("version: %q is no date from %s on", c.Version, DefaultVersion))
	}
	if err := validBaseURL(c.BaseURL); err != nil {
		problems = append(problems, err)
	}
	if c.ConcurrencyMax < 0 || c.AttemptsMax < 0 {
		problems = append(problems, errors.New("concurrency and attempts: must not be negative"))
	}
	if c.RequestTimeout < 0 || c.RetryElapsedMax < 0 {
		problems = append(problems, errors.New("request timeout and retry time: must not be negative"))
	}
	return errors.Join(problems...)
}

func validVersion(v string) bool {
	_, err := time.Parse(time.DateOnly, v)
	return err == nil && v >= DefaultVersion
}

func validBaseURL(base string) error {
	if base == "" {
		return nil
	}
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("base url: want http(s)://host[:port][/prefix]")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("base url: must not carry a user, a query or a fragment")
	}
	return nil
}

// withDefaults fills what was left out; it is the only place that knows the defaults.
func (c Config) withDefaults() Config {
	c.Version = cmp.Or(c.Version, DefaultVersion)
	c.BaseURL = cmp.Or(c.BaseURL, DefaultBaseURL)
	c.ConcurrencyMax = cmp.Or(c.ConcurrencyMax, DefaultConcurrencyMax)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, DefaultRequestTimeout)
	c.AttemptsMax = cmp.Or(c.AttemptsMax, DefaultAttemptsMax)
	c.RetryElapsedMax = cmp.Or(c.RetryElapsedMax, DefaultRetryElapsedMax)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.OnAttempt == nil {
		c.OnAttempt = func(Attempt) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	if c.Budget == nil {
		c.Budget = NewLocalBudget(LocalBudgetConfig{Now: c.Now, Sleep: c.Sleep})
	}
	return c
}

// sleep waits for d or until ctx ends, whichever is first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	return lifecycle.Pause(ctx, d)
}
