// Package alert tells people where they are: in chats, by e-mail, on their phones, through webhooks. The services are shoutrrr's
// (github.com/nicholas-fedor/shoutrrr): Slack, Teams, Discord, Mattermost, Matrix, Telegram, SMTP, ntfy, PagerDuty, generic webhooks and more, each
// named by one URL that holds its secrets.
//
// An address never prints: a [Target] is known by its service and a hash, and what a service says of a failure is freed of every part of the
// address first.
package alert

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// Message is what a target is told.
type Message struct {
	ID    string // the same for every attempt: who gets a message twice can tell
	Title string // one short line, where the service has a place for it
	Text  string
}

// Target is one service at one address. Send may be called by one goroutine at a time.
type Target struct {
	name    string
	service types.Service
	titled  bool
	hide    []string      // parts of the address that no message may hold
	busy    chan struct{} // holds one token while a request is under way, also one that nobody waits for any more
	timeout time.Duration
}

// timeoutDefault is how long a target is waited for. Some services have no limit of their own.
const timeoutDefault = 20 * time.Second

// New makes a target of a service's URL; nothing is asked yet. Errors do not hold the URL.
func New(address string) (*Target, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" {
		return nil, errors.New("it is not a URL; write SERVICE://…, for example slack://…, smtp://… or generic+https://…")
	}
	t := &Target{hide: secrets(u), busy: make(chan struct{}, 1), timeout: timeoutDefault}
	kind, _, _ := strings.Cut(u.Scheme, "+")
	r := &router.ServiceRouter{}
	if t.service, err = r.Locate(address); err != nil {
		if errors.Is(err, router.ErrUnknownService) {
			services := r.ListServices()
			slices.Sort(services)
			return nil, fmt.Errorf("there is no service %q; there are %s", kind, strings.Join(services, ", "))
		}
		return nil, fmt.Errorf("the service %s does not take it: %s", kind, t.clean(err))
	}
	sum := sha256.Sum256([]byte(address))
	t.name = fmt.Sprintf("%s-%x", kind, sum[:4])
	t.titled = slices.Contains(titled, kind)
	return t, nil
}

// titled are the services that have a place for a title. Others refuse a message with one.
var titled = []string{"smtp", "generic", "ntfy", "gotify", "pushover", "slack", "discord", "teams", "mattermost"}

// Parse reads addresses with blanks or line ends between them, and reports everything that is wrong with them, by their place.
func Parse(addresses string) ([]*Target, error) {
	var targets []*Target
	var errs []error
	for i, address := range strings.Fields(addresses) {
		t, err := New(address)
		if err != nil {
			errs = append(errs, fmt.Errorf("address %d: %w", i+1, err))
			continue
		}
		targets = append(targets, t)
	}
	return targets, errors.Join(errs...)
}

// Name is the service with a hash of the address.
func (t *Target) Name() string { return t.name }

// String is the name: an address does not print.
func (t *Target) String() string { return t.name }

// Send tells the target. An error may also mean that it was told and nobody heard of it: the message then comes a second time, with its id.
func (t *Target) Send(ctx context.Context, m Message) error {
	select {
	case t.busy <- struct{}{}:
	default:
		return errors.New("the message before is still under way")
	}
	done := make(chan error, 1) // who does not wait any more leaves the answer there
	go func() {
		defer func() { <-t.busy }()
		params := types.Params{}
		text := m.Text
		if t.titled {
			params.SetTitle(m.Title)
		} else {
			text = m.Title + "\n" + text
		}
		done <- t.service.Send(text+"\n("+m.ID+")", &params)
	}()
	timer := time.NewTimer(t.timeout)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			return errors.New(t.clean(err))
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("no answer within %s", t.timeout)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// address finds what looks like one in an error's text.
var addressLike = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"']+`)

// clean frees an error's text of the address.
func (t *Target) clean(err error) string {
	text := addressLike.ReplaceAllString(err.Error(), "[address]")
	for _, part := range t.hide {
		text = strings.ReplaceAll(text, part, "[hidden]")
	}
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "…"
	}
	return text
}

// secrets are the parts of an address that may be a secret: all but the service and short words.
func secrets(u *url.URL) []string {
	parts := []string{u.User.Username()}
	if password, ok := u.User.Password(); ok {
		parts = append(parts, password)
	}
	parts = append(parts, strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")...)
	parts = append(parts, strings.Split(strings.Trim(u.Path, "/"), "/")...)
	for _, values := range u.Query() {
		parts = append(parts, values...)
	}
	if strings.Count(u.Hostname(), ".") == 0 { // a token stands at the host's place: slack://token@channel, discord://token@id
		parts = append(parts, u.Hostname())
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return len(p) < 5 || p == "localhost" })
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) }) // a part of another one goes after it
	return parts
}
