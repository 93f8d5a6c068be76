package emulator

import (
	"fmt"
	"strings"
)

// Limits of rich text (reference/request-limits).
const (
	textMax     = 2000
	linkMax     = 2000
	equationMax = 1000
	arrayMax    = 100
	mentionsMax = 25 // page and person mentions shown in a page object
)

// text is one rich text item.
type text struct {
	Kind    string  `json:"kind"` // text, mention, equation
	Content string  `json:"content,omitempty"`
	Link    string  `json:"link,omitempty"`
	Mention *object `json:"mention,omitempty"`
	Marks   marks   `json:"marks"`
}

type marks struct {
	Bold   bool   `json:"bold,omitempty"`
	Italic bool   `json:"italic,omitempty"`
	Strike bool   `json:"strike,omitempty"`
	Under  bool   `json:"under,omitempty"`
	Code   bool   `json:"code,omitempty"`
	Color  string `json:"color,omitempty"`
}

var colors = []string{"default", "gray", "brown", "orange", "yellow", "green", "blue", "purple", "pink", "red"}

func textColors() []string {
	out := append([]string(nil), colors...)
	for _, c := range colors {
		out = append(out, c+"_background")
	}
	return out
}

func plainText(s string) []*text {
	if s == "" {
		return nil
	}
	return []*text{{Kind: "text", Content: s}}
}

// plain is the text without its marks.
func (s *State) plain(ts []*text) string { return s.plainAt(ts, 0) }

func (s *State) plainAt(ts []*text, depth int) string {
	var b strings.Builder
	for _, t := range ts {
		if t.Kind == "mention" {
			b.WriteString(s.plainMention(t.Mention, depth))
		} else {
			b.WriteString(t.Content)
		}
	}
	return b.String()
}

func (s *State) richItem(t *text) *object {
	o := obj("type", t.Kind)
	var href any
	switch t.Kind {
	case "mention":
		o.set("mention", t.Mention)
		if p, ok := t.Mention.get("page").(*object); ok {
			id, _ := p.get("id").(string)
			href = pageURL("", id)
		}
	case "equation":
		o.set("equation", obj("expression", t.Content))
	default:
		var link any
		if t.Link != "" {
			link = obj("url", t.Link)
			href = t.Link
		}
		o.set("text", obj("content", t.Content, "link", link))
	}
	color := t.Marks.Color
	if color == "" {
		color = "default"
	}
	o.set("annotations", obj("bold", t.Marks.Bold, "italic", t.Marks.Italic, "strikethrough", t.Marks.Strike,
		"underline", t.Marks.Under, "code", t.Marks.Code, "color", color))
	o.set("plain_text", s.plain([]*text{t}))
	return o.set("href", href)
}

// rich is a rich text array; page and person mentions above limit are left out (0 is no limit).
func (s *State) rich(ts []*text, limit int) []any {
	out := make([]any, 0, len(ts))
	mentions := 0
	for _, t := range ts {
		if t.Mention.has("user") || t.Mention.has("page") {
			if mentions++; limit > 0 && mentions > limit {
				continue
			}
		}
		out = append(out, s.richItem(t))
	}
	return out
}

// checkRich checks the shape of a rich text array of a request.
func checkRich(path string, v any) []string {
	items, bad := wantArray(path, v, arrayMax)
	if bad != nil {
		return bad
	}
	for i, it := range items {
		if bad := checkRichItem(fmt.Sprintf("%s[%d]", path, i), it); bad != nil {
			return bad
		}
	}
	return nil
}

func checkRichItem(path string, v any) []string {
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	if bad := allowed(path, o, "type", "text", "mention", "equation", "annotations", "plain_text", "href", "id"); bad != nil {
		return bad
	}
	if bad := optOneOf(path+".type", o.get("type"), "text", "mention", "equation"); bad != nil {
		return bad
	}
	if o.has("annotations") {
		a, bad := optObject(path+".annotations", o.get("annotations"))
		if bad != nil {
			return bad
		}
		if bad := checkMarks(path+".annotations", a); bad != nil {
			return bad
		}
	}
	switch {
	case o.has("text"):
		return checkText(path+".text", o.get("text"))
	case o.has("equation"):
		e, bad := wantObject(path+".equation", o.get("equation"))
		if bad != nil {
			return bad
		}
		_, bad = wantString(path+".equation.expression", e.get("expression"), 1, equationMax, false)
		return bad
	case o.has("mention"):
		return checkMention(path+".mention", o.get("mention"))
	}
	return []string{
		should(path+".text", "defined", undefined{}),
		should(path+".mention", "defined", undefined{}),
		should(path+".equation", "defined", undefined{}),
	}
}

func checkText(path string, v any) []string {
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	if bad := allowed(path, o, "content", "link"); bad != nil {
		return bad
	}
	if _, bad := wantString(path+".content", o.get("content"), 0, textMax, false); bad != nil {
		return bad
	}
	switch l := o.get("link").(type) {
	case undefined, nil:
		return nil
	case *object:
		_, bad := wantString(path+".link.url", l.get("url"), 1, linkMax, false)
		return bad
	default:
		return one(should(path+".link", "an object, `null`, or `undefined`", l))
	}
}

func checkMarks(path string, a *object) []string {
	if bad := allowed(path, a, "bold", "italic", "strikethrough", "underline", "code", "color"); bad != nil {
		return bad
	}
	for _, k := range []string{"bold", "italic", "strikethrough", "underline", "code"} {
		if bad := optBool(path, a, k); bad != nil {
			return bad
		}
	}
	return optOneOf(path+".color", a.get("color"), textColors()...)
}

// readRich turns a checked rich text array into items. Empty text leaves no trace.
func (s *State) readRich(v any) []*text {
	items, _ := v.([]any)
	var out []*text
	for _, it := range items {
		o := it.(*object)
		t := &text{Kind: "text"}
		if a, ok := o.get("annotations").(*object); ok {
			flag := func(k string) bool { b, _ := a.get(k).(bool); return b }
			t.Marks = marks{flag("bold"), flag("italic"), flag("strikethrough"), flag("underline"), flag("code"), ""}
			if c, _ := a.get("color").(string); c != "default" {
				t.Marks.Color = c
			}
		}
		switch {
		case o.has("text"):
			in := o.get("text").(*object)
			t.Content, _ = in.get("content").(string)
			if l, ok := in.get("link").(*object); ok {
				t.Link, _ = l.get("url").(string)
			}
			if t.Content == "" {
				continue
			}
		case o.has("equation"):
			t.Kind = "equation"
			t.Content, _ = o.get("equation").(*object).get("expression").(string)
		default:
			t.Kind = "mention"
			t.Mention = s.readMention(o.get("mention").(*object))
		}
		out = append(out, t)
	}
	return out
}
