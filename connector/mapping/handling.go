package mapping

import (
	"cmp"
	"regexp"
	"slices"
	"time"

	"github.com/nyaruka/phonenumbers"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Handling is what a document says of how edits to one field are treated. It is no part of what makes the field's value: it can be changed at
// any time, and every base stays one.
type Handling struct {
	Conflict    string `json:"conflict,omitempty"`     // last_write_wins (default), crm_wins, notion_wins, hold
	NeverBlank  *bool  `json:"never_blank,omitempty"`  // an empty value never takes the place of a value
	WriteOnce   bool   `json:"write_once,omitempty"`   // the first value that both agree on stays
	TypingDelay string `json:"typing_delay,omitempty"` // how long a value of Notion must stay unchanged before it goes to the CRM: "10s"
	Guard       *Guard `json:"guard,omitempty"`        // what a value of Notion must be like before it goes to the CRM
}

// typed are the types that people type letter by letter; the entity's typing delay is for them.
var typed = []Type{TypeTitle, TypeText, TypeNumber, TypeURL, TypeEmail, TypePhone}

// guardable are the types whose values have a text that a guard can look at.
var guardable = []Type{TypeTitle, TypeText, TypeNumber, TypeURL, TypeEmail, TypePhone, TypeSelect, TypeStatus, TypeMultiSelect}

const typingDelayMax = time.Hour

func (h *Handling) validate(path string, t Type, direction Direction, ds *Diagnostics) {
	if direction != Both && h.Conflict != "" {
		ds.warnf(join(path, "conflict"), "edits on the other side are put back, and kept in the history", "a field that travels one way has no conflicts")
	}
	if t == TypeCheckbox && h.NeverBlank != nil && *h.NeverBlank {
		ds.errorf(join(path, "never_blank"), "", "a checkbox is never empty: not ticked is a value")
	}
	if t == TypeCheckbox && h.WriteOnce {
		ds.errorf(join(path, "write_once"), "", "a checkbox has a value from the beginning; it cannot be written once")
	}
	if h.TypingDelay != "" {
		checkDelay(join(path, "typing_delay"), h.TypingDelay, ds)
		if direction == ToNotion {
			ds.warnf(join(path, "typing_delay"), "", "nothing of this field goes to the CRM")
		}
	}
	if h.Guard != nil {
		h.Guard.validate(join(path, "guard"), t, ds)
		if direction == ToNotion {
			ds.warnf(join(path, "guard"), "", "nothing of this field goes to the CRM")
		}
	}
}

func checkDelay(path, delay string, ds *Diagnostics) {
	switch d, err := time.ParseDuration(delay); {
	case err != nil:
		ds.errorf(path, `write "10s", "1m30s"`, "%q is no duration", delay)
	case d < 0 || d > typingDelayMax:
		ds.errorf(path, "", "a delay lies between 0 and %s", typingDelayMax)
	}
}

func (g *Guard) validate(path string, t Type, ds *Diagnostics) {
	textual := g.Email || g.Phone != "" || g.Pattern != "" || len(g.OneOf) > 0 || g.MaxLength > 0
	switch {
	case !textual && !g.NeverEmpty:
		ds.errorf(path, "", "the guard guards nothing")
	case textual && !slices.Contains(guardable, t):
		ds.errorf(path, "never_empty is all that can be asked of it", "a value of the type %s has no text to look at", t)
	case g.NeverEmpty && t == TypeCheckbox:
		ds.errorf(join(path, "never_empty"), "", "a checkbox is never empty: not ticked is a value")
	}
	if _, err := wholly(g.Pattern); err != nil {
		ds.errorf(join(path, "pattern"), "RE2 syntax: github.com/google/re2/wiki/Syntax", "the pattern cannot be read: %v", err)
	}
	if region := string(g.Phone); region != "" && g.Phone != AnyRegion {
		if known := phonenumbers.GetSupportedRegions(); !known[region] {
			ds.errorf(join(path, "phone"), didYouMean(region, sortedKeys(known)), "no region has the code %q; true takes numbers of all countries", region)
		}
	}
	seen := map[string]string{}
	for _, v := range g.OneOf {
		once(ds, seen, v, join(path, "one_of"), "the value %q stands twice", v)
	}
}

// wholly compiles a pattern that the whole value must match.
func wholly(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}

// handled puts a document's word on a field's edits into the field. The document is valid: what it says can be read.
func (f *Field) handled(h Handling, critical *bool, d *Document) {
	f.handling, f.WriteOnce, f.Critical = h, h.WriteOnce, d.Defaults.Critical
	if critical != nil {
		f.Critical = *critical
	}
	f.Conflict = ledger.ConflictRule(cmp.Or(h.Conflict, d.Defaults.Conflict, string(ledger.LastWriteWins)))
	if f.NeverBlank = d.Defaults.NeverBlank && f.Type != TypeCheckbox; h.NeverBlank != nil {
		f.NeverBlank = *h.NeverBlank
	}
	delay := h.TypingDelay
	if delay == "" && slices.Contains(typed, f.Type) {
		delay = d.TypingDelay
	}
	if delay != "" && f.ToCRM() {
		f.TypingDelay, _ = time.ParseDuration(delay)
	}
	if h.Guard != nil {
		f.pattern, _ = wholly(h.Guard.Pattern)
	}
}
