package simulation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// truth knows what every edit was, and what became of its value as far as somebody saw it: the simulation's own memory, which
// Tandem never sees. Every write of a person returns the value that it replaced (Hughes et al., Mysteries of Dropbox).
type truth struct {
	w       *world
	edits   map[string]edit   // token → the edit that made it
	gone    map[string]string // token → who replaced it knowingly
	windows map[string]string // token → it was overwritten within the read→write window
	wrong   []string          // violations seen while running
	serial  int
}

type edit struct {
	at    time.Time
	where string // "crm contact/3 note"
}

func newTruth(w *world) *truth {
	return &truth{w: w, edits: map[string]edit{}, gone: map[string]string{}, windows: map[string]string{}}
}

// token makes a value that never was before, in a field's syntax.
func (t *truth) token(field, where string) string {
	t.serial++
	value := fmt.Sprintf("%s%d", field[:1], t.serial)
	if field == "email" {
		value += "@x.io"
	}
	t.edits[value] = edit{t.w.now, where}
	return value
}

// replaced records that a person's write took tokens away that it showed.
func (t *truth) replaced(old, next []string, who string) {
	for _, token := range old {
		if !slices.Contains(next, token) {
			t.gone[token] = who
		}
	}
}

func (t *truth) violation(format string, args ...any) {
	t.wrong = append(t.wrong, t.w.now.Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// tokensOf are a value's words: one of a text, one an element of a set.
func tokensOf(v change.Value) []string {
	switch v.Kind() {
	case change.Null, change.Absent:
		return nil
	case change.Set, change.List:
		var out []string
		for _, item := range v.Items() {
			out = append(out, item.String())
		}
		return out
	}
	if v.String() == "" {
		return nil
	}
	return []string{v.String()}
}

// plain is a property's value as words with bars between them, whatever its type.
func plain(raw json.RawMessage) string { return strings.Join(words(raw), "|") }

func words(raw json.RawMessage) []string {
	var p struct {
		Type  string `json:"type"`
		Title []struct {
			Plain string `json:"plain_text"`
		} `json:"title"`
		RichText []struct {
			Plain string `json:"plain_text"`
		} `json:"rich_text"`
		Email       *string                 `json:"email"`
		Select      *struct{ Name string }  `json:"select"`
		MultiSelect []struct{ Name string } `json:"multi_select"`
		Relation    []struct{ ID string }   `json:"relation"`
	}
	if json.Unmarshal(raw, &p) != nil {
		return []string{string(raw)}
	}
	var out []string
	switch p.Type {
	case "title", "rich_text":
		text := ""
		for _, part := range append(p.Title, p.RichText...) {
			text += part.Plain
		}
		if text != "" {
			out = append(out, text)
		}
	case "email":
		if p.Email != nil {
			out = append(out, *p.Email)
		}
	case "select":
		if p.Select != nil {
			out = append(out, p.Select.Name)
		}
	case "multi_select":
		for _, o := range p.MultiSelect {
			out = append(out, o.Name)
		}
	case "relation":
		for _, o := range p.Relation {
			out = append(out, o.ID)
		}
	}
	slices.Sort(out)
	return out
}

// botWrites looks over Tandem's shoulder right before a page is written: what would be overwritten that this process has not read is
// the window that no client of Notion can close.
func (t *truth) botWrites(pageID string, body []byte, read map[string]string) {
	var write struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if pageID == "" || json.Unmarshal(body, &write) != nil {
		return
	}
	current, err := t.w.person().Properties(pageID)
	if err != nil {
		return
	}
	for _, name := range change.Sorted(current) {
		var p struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(current[name], &p) != nil {
			continue
		}
		sent, writes := write.Properties[p.ID]
		if !writes {
			if sent, writes = write.Properties[name]; !writes {
				continue
			}
		}
		was, known := read[name]
		switch {
		case !known:
			t.violation("page %s: %s was written without having been read", pageID, name)
		case was != plain(current[name]):
			for _, token := range words(current[name]) {
				if !strings.Contains(string(sent), `"`+token+`"`) {
					t.windows[token] = pageID
					t.w.effect("window %s %s", pageID, token)
				}
			}
		}
	}
}

// forget takes back an edit that Notion refused.
func (t *truth) forget(tokens, keep []string) {
	for _, token := range tokens {
		if !slices.Contains(keep, token) {
			delete(t.edits, token)
		}
	}
}
