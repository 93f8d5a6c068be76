package builtin

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// Email checks and normalizes an e-mail address. The part before the @ keeps its case: it is the receiving server's business.
type Email struct {
	Lower   bool   `json:"lower" doc:"the part before the @ in lower case too"`
	Invalid string `json:"invalid" enum:"park,keep" doc:"what becomes of a text that is no address: the record is parked, or the text kept as it is"`
}

var _ sdk.Function = (*Email)(nil)

// A check against typing errors, not a grammar of RFC 5322: something, an @, and a domain of at least two labels. Letters beyond
// ASCII are allowed on both sides (RFC 6531).
var emailRule = regexp.MustCompile(`^[^\s@<>",;:()\[\]\\]{1,64}@([\p{L}\p{N}]([\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?\.)+[\p{L}\p{M}\p{N}-]{2,63}$`)

// ToNotion normalizes.
func (e *Email) ToNotion(row change.Value) (change.Value, error) { return e.each(row) }

// ToCRM normalizes.
func (e *Email) ToCRM(field change.Value) (change.Value, error) { return e.each(field) }

func (e *Email) each(v change.Value) (change.Value, error) {
	return onText(v, func(s string) (change.Value, error) {
		s = strings.TrimSpace(s)
		switch {
		case s == "":
		case !emailRule.MatchString(s):
			if e.Invalid == invalidPark {
				return change.Value{}, sdk.BadValue("%q is no e-mail address: correct it, or configure \"invalid\": \"keep\"", s)
			}
		default:
			at := strings.LastIndexByte(s, '@')
			local := s[:at]
			if e.Lower {
				local = lower(local)
			}
			s = local + "@" + lower(s[at+1:])
		}
		return change.TextValue(s), nil
	})
}

// URL checks and normalizes a web address.
type URL struct {
	Scheme  string `json:"scheme" enum:"https,http" doc:"what an address without a scheme gets"`
	Invalid string `json:"invalid" enum:"park,keep" doc:"what becomes of a text that is no address: the record is parked, or the text kept as it is"`
}

var _ sdk.Function = (*URL)(nil)

// ToNotion normalizes.
func (u *URL) ToNotion(row change.Value) (change.Value, error) { return u.each(row) }

// ToCRM normalizes.
func (u *URL) ToCRM(field change.Value) (change.Value, error) { return u.each(field) }

func (u *URL) each(v change.Value) (change.Value, error) {
	return onText(v, func(s string) (change.Value, error) {
		s = strings.TrimSpace(s)
		if s == "" {
			return change.TextValue(""), nil
		}
		full, ok := u.normalize(s)
		switch {
		case ok:
			s = full
		case u.Invalid == invalidPark:
			return change.Value{}, sdk.BadValue("%q is no web address: correct it, or configure \"invalid\": \"keep\"", s)
		}
		return change.TextValue(s), nil
	})
}

// normalize changes scheme and host only: the rest belongs to the server, and re-encoding it could name something else.
func (u *URL) normalize(s string) (string, bool) {
	if strings.ContainsAny(s, " \t\r\n") {
		return "", false
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = u.Scheme, strings.TrimPrefix(s, "//")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	at := strings.LastIndexByte(authority, '@') + 1
	full := lower(scheme) + "://" + authority[:at] + lower(authority[at:]) + rest[end:]
	parsed, err := url.Parse(full)
	if err != nil || parsed.Hostname() == "" || !strings.ContainsAny(parsed.Hostname(), ".:") && parsed.Hostname() != "localhost" {
		return "", false
	}
	return full, true
}
