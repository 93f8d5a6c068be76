package mapping

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tandem-sync/tandem/connector/change"
)

// Guard says what a value of Notion must be like before it may go to the CRM. An empty value passes all but NeverEmpty.
type Guard struct {
	Email      bool       `json:"email,omitempty"`
	Phone      PhoneGuard `json:"phone,omitempty"`
	Pattern    string     `json:"pattern,omitempty"` // RE2 syntax; the whole value must match
	OneOf      []string   `json:"one_of,omitempty"`
	MaxLength  int        `json:"max_length,omitempty"` // characters (code points), as PostgreSQL counts them
	NeverEmpty bool       `json:"never_empty,omitempty"`
}

// PhoneGuard is a region, whose numbers may be written without their country code, or AnyRegion.
type PhoneGuard string

// AnyRegion takes phone numbers by their form alone: JSON has true.
const AnyRegion PhoneGuard = "any"

// UnmarshalJSON reads true, false or "FR".
func (p *PhoneGuard) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "true":
		*p = AnyRegion
		return nil
	case "false":
		*p = ""
		return nil
	}
	var region string
	if err := json.Unmarshal(data, &region); err != nil {
		return err
	}
	*p = PhoneGuard(region)
	return nil
}

// MarshalJSON writes the form that UnmarshalJSON reads.
func (p PhoneGuard) MarshalJSON() ([]byte, error) {
	if p == AnyRegion {
		return []byte("true"), nil
	}
	return json.Marshal(string(p))
}

// Refuses tells in plain words why a canonical value must not go to the CRM; "" if it may.
func (f Field) Refuses(v change.Value) string {
	g := f.handling.Guard
	if g == nil || v.IsAbsent() {
		return ""
	}
	members := []change.Value{v}
	if v.Kind() == change.Set || v.Kind() == change.List {
		members = v.Items()
	}
	if v.IsNull() || len(members) == 0 {
		if g.NeverEmpty {
			return "it is empty, and the CRM is to have a value"
		}
		return ""
	}
	for _, m := range members {
		if reason := g.refuses(m.String(), f.pattern); reason != "" {
			return reason
		}
	}
	return ""
}

func (g *Guard) refuses(text string, pattern *regexp.Regexp) string {
	if g.MaxLength > 0 && utf8.RuneCountInString(text) > g.MaxLength {
		return fmt.Sprintf("%q has %d characters; the CRM takes %d", shorten(text), utf8.RuneCountInString(text), g.MaxLength)
	}
	if g.Email {
		if why := noEmail(text); why != "" {
			return fmt.Sprintf("%q is not an e-mail address (%s)", shorten(text), why)
		}
	}
	if g.Phone != "" {
		if why := noPhone(text, g.Phone); why != "" {
			return fmt.Sprintf("%q is not a phone number (%s)", shorten(text), why)
		}
	}
	if pattern != nil && !pattern.MatchString(text) {
		return fmt.Sprintf("%q does not have the form that the mapping asks for (%s)", shorten(text), g.Pattern)
	}
	if len(g.OneOf) > 0 && !slices.Contains(g.OneOf, text) {
		return fmt.Sprintf("%q is none of the values that the CRM takes: %s", shorten(text), shortList(g.OneOf))
	}
	return ""
}

func shortList(values []string) string {
	const shown = 8
	if len(values) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(values[:shown], ", "), len(values)-shown)
	}
	return strings.Join(values, ", ")
}

var (
	domainLabel = regexp.MustCompile(`^[\p{L}\p{N}]([\p{L}\p{N}-]*[\p{L}\p{N}])?$`)
	topLevel    = regexp.MustCompile(`^(\p{L}{2,}|xn--[a-z0-9-]+)$`)
)

// invisible are characters that come along with copied text and that nobody sees: zero-width spaces and joiners, marks of direction, controls.
func invisible(r rune) bool { return unicode.In(r, unicode.Cf, unicode.Cc) }

// noEmail tells what an address lacks. It is stricter than RFC 5322, which takes johndoe@gmai: an address that people write to has a domain with a
// dot in it, no comment and no name before it.
func noEmail(text string) string {
	parsed, err := mail.ParseAddress(text)
	_, domain, ok := strings.Cut(text, "@")
	switch {
	case strings.ContainsFunc(text, invisible):
		return "there is an invisible character in it"
	case !ok:
		return "it has no @"
	case err != nil || parsed.Name != "" || parsed.Address != text:
		return "it is not of the form name@example.com"
	}
	domain = domain[strings.LastIndex(domain, "@")+1:]
	labels := strings.Split(domain, ".")
	switch {
	case len(labels) < 2:
		return fmt.Sprintf("its domain %q has no dot", domain)
	case len(domain) > 253 || len(text)-len(domain)-1 > 64:
		return "it is longer than any address"
	case slices.ContainsFunc(labels, func(l string) bool { return !domainLabel.MatchString(l) }), !topLevel.MatchString(labels[len(labels)-1]):
		return fmt.Sprintf("%q is no domain", domain)
	}
	return ""
}
