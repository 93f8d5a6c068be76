package emulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"
)

// Config is all that an emulator can be told. The zero value of every field
// but Token has a meaning, given with the field.
type Config struct {
	// Token is the integration token that clients send as a bearer.
	Token string
	// IntegrationName appears in "not found" messages and as the bot's name. Default "Tandem".
	IntegrationName string
	// Others are further integrations, each with a bot and a rate window of its own.
	Others []Integration
	// WorkspaceName as webhooks and /users/me say it. Default "Local workspace".
	WorkspaceName string
	// People of the workspace; the first one owns the root page. Default: Ada and Grace.
	People []PersonInfo
	// RootPageTitle and RootPageID of the page that is shared with the tokens.
	// Defaults: "Tandem", a drawn id.
	RootPageTitle string
	RootPageID    string

	// Limit is the number of requests a token may make in a fixed window of 60 s.
	// 0 is Notion's 180; a negative one is none. Business plans have 600.
	Limit int
	// WorkspaceLimit is shared by all tokens in WorkspaceWindow (default 60 s); 0 is none.
	WorkspaceLimit  int
	WorkspaceWindow time.Duration
	// IndexLag makes query and search answer from the state as it was that long
	// ago (0 to 10 min), while a GET is current.
	IndexLag time.Duration
	// ShortPages lets query answers hold fewer rows than page_size while has_more is true.
	ShortPages bool
	// QueryMax is where a query ends with request_status incomplete. Default 10,000.
	QueryMax int
	// MinuteDates cuts written date-times to the minute, as the application's own editor does.
	MinuteDates bool
	// BlockMax is the number of blocks and pages a workspace may hold before
	// creates answer 403 (free workspaces: 1,000). 0 is none.
	BlockMax int
	// RowMax is the number of rows a data source may hold before creates answer
	// 409 row_limit_exceeded. Default 250,000.
	RowMax int

	// Webhook is the one subscription. No URL: no webhooks.
	Webhook WebhookConfig
	// Faults that are on from the start. More come through Emulator.Inject.
	Faults []*Fault
	// FaultFunc decides for each request, after Faults; nil is no fault. It runs
	// under the lock and must not call the emulator.
	FaultFunc func(method, path string) *Fault

	// File keeps the workspace. With FileSync every change is on disk before it
	// is answered; without, on Flush and Close. Empty: memory only.
	File     string
	FileSync bool

	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Random is where ids come from. Default: seeded by the runtime.
	Random rand.Source
	// Sleep waits for slow answers. Default: a timer that ends with the context.
	Sleep func(ctx context.Context, d time.Duration)
	// Logger may be nil.
	Logger *slog.Logger
}

// Integration is one more token.
type Integration struct{ Token, Name string }

// PersonInfo is a human member of the workspace.
type PersonInfo struct{ ID, Name, Email string }

// WebhookConfig describes the subscription that is made in Notion's UI.
type WebhookConfig struct {
	URL string
	// Secret is the verification token and HMAC key. Default: drawn.
	Secret string
	// Window is how long changes to one object are gathered. Default 1 s.
	Window time.Duration
	// APIVersion of the events. Default 2025-09-03.
	APIVersion string
	// Handshake sends the verification token first and holds events back until
	// Emulator.ConfirmWebhook is called with it.
	Handshake bool
	// RetryBase is the wait before the second try; it grows fourfold. Default 16 s:
	// 8 tries then span about a day.
	RetryBase time.Duration
	// Shuffle delivers ready events in a drawn order. LossChance drops and
	// RepeatChance repeats events, each with that probability.
	Shuffle      bool
	LossChance   float64
	RepeatChance float64
	// Client posts. Default: a client with a 10 s timeout.
	Client *http.Client
}

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	def := func(s *string, d string) {
		if *s == "" {
			*s = d
		}
	}
	def(&c.IntegrationName, "Tandem")
	def(&c.WorkspaceName, "Local workspace")
	def(&c.RootPageTitle, "Tandem")
	def(&c.Webhook.APIVersion, "2025-09-03")
	if len(c.People) == 0 {
		c.People = []PersonInfo{{Name: "Ada Lovelace", Email: "ada@example.com"}, {Name: "Grace Hopper", Email: "grace@example.com"}}
	}
	if c.Limit == 0 {
		c.Limit = 180
	}
	if c.WorkspaceWindow == 0 {
		c.WorkspaceWindow = time.Minute
	}
	if c.QueryMax == 0 {
		c.QueryMax = 10_000
	}
	if c.RowMax == 0 {
		c.RowMax = 250_000
	}
	if c.Webhook.Window == 0 {
		c.Webhook.Window = time.Second
	}
	if c.Webhook.RetryBase == 0 {
		c.Webhook.RetryBase = 16 * time.Second
	}
	if c.Webhook.Client == nil {
		c.Webhook.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.NewPCG(rand.Uint64(), rand.Uint64())
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports every problem of the configuration at once.
func (c Config) Validate() error {
	var errs []error
	if c.Token == "" {
		errs = append(errs, errors.New("token: must not be empty"))
	}
	if c.RootPageID != "" {
		if id, ok := parseUUID(c.RootPageID); !ok || id != c.RootPageID {
			errs = append(errs, fmt.Errorf("root page id: %q is not a lower-case uuid with dashes", c.RootPageID))
		}
	}
	if c.IndexLag < 0 || c.IndexLag > indexLagMax {
		errs = append(errs, fmt.Errorf("index lag: %v is not within 0 to %v", c.IndexLag, indexLagMax))
	}
	seen := map[string]bool{c.Token: true}
	for i, in := range c.Others {
		if in.Token == "" || in.Name == "" || seen[in.Token] {
			errs = append(errs, fmt.Errorf("others[%d]: needs a name and a token of its own", i))
		}
		seen[in.Token] = true
	}
	if _, ok := versions[c.Webhook.APIVersion]; !ok && c.Webhook.APIVersion != "" {
		errs = append(errs, fmt.Errorf("webhook api version: %q is unknown", c.Webhook.APIVersion))
	}
	if c.FileSync && c.File == "" {
		errs = append(errs, errors.New("file sync: needs a file"))
	}
	for i, f := range c.Faults {
		if err := f.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("faults[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
