package emulator

// mentionKinds is what a request may mention, in the order in which a refused
// mention lists its branches.
var mentionKinds = []string{"user", "date", "page", "database", "template_mention", "custom_emoji"}

// titleDepth is how many titles are followed that mention each other: a title
// may mention its own page.
const titleDepth = 1

// plainMention is a mention as plain text; depth counts the titles on the way to it.
func (s *State) plainMention(m *object, depth int) string {
	kind, _ := m.get("type").(string)
	o, _ := m.get(kind).(*object)
	id, _ := o.get("id").(string)
	switch kind {
	case "user":
		if u := s.user(id); u != nil {
			return "@" + u.Name
		}
		return "@Anonymous"
	case "page", "database":
		if depth < titleDepth {
			if name := s.plainAt(s.titleText(id), depth+1); name != "" {
				return name
			}
		}
		return "Untitled"
	case "date":
		start, _ := o.get("start").(string)
		if end, ok := o.get("end").(string); ok {
			return start + " → " + end
		}
		return start
	case "template_mention":
		if d, ok := o.get("template_mention_date").(string); ok {
			return "@" + title(d)
		}
		return "@Me"
	case "custom_emoji":
		name, _ := o.get("name").(string)
		return ":" + name + ":"
	}
	return ""
}

// titleText is the title of a page, database or data source.
func (s *State) titleText(id string) []*text {
	switch {
	case s.data.Pages[id] != nil:
		if v := s.data.Pages[id].now().Props[titleID]; v != nil {
			return v.Text
		}
	case s.data.Databases[id] != nil:
		return s.data.Databases[id].Title
	case s.data.Sources[id] != nil:
		return s.data.Sources[id].Title
	}
	return nil
}

// titleOf is the plain title of a page, database or data source.
func (s *State) titleOf(id string) string { return s.plain(s.titleText(id)) }

func checkMention(path string, v any) []string {
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	for _, kind := range mentionKinds {
		if !o.has(kind) {
			continue
		}
		if bad := allowed(path, o, "type", kind); bad != nil {
			return bad
		}
		if bad := optOneOf(path+".type", o.get("type"), kind); bad != nil {
			return bad
		}
		return checkMentioned(path+"."+kind, kind, o.get(kind))
	}
	var lines []string
	for _, kind := range mentionKinds {
		lines = append(lines, should(path+"."+kind, "defined", undefined{}))
	}
	return lines
}

func checkMentioned(path, kind string, v any) []string {
	if kind == "date" {
		return checkDate(path, v)
	}
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	if kind != "template_mention" {
		_, bad := wantUUID(path+".id", o.get("id"))
		return bad
	}
	if o.has("template_mention_user") {
		return wantOneOf(path+".template_mention_user", o.get("template_mention_user"), "me")
	}
	return wantOneOf(path+".template_mention_date", o.get("template_mention_date"), "today", "now")
}

// readMention turns a checked mention into the form that is answered.
func (s *State) readMention(o *object) *object {
	kind := ""
	for _, k := range mentionKinds {
		if o.has(k) {
			kind = k
			break
		}
	}
	in, _ := o.get(kind).(*object)
	switch kind {
	case "user":
		return obj("type", kind, kind, s.userRef(idOf(in)))
	case "date":
		return obj("type", kind, kind, s.readDate(in).json())
	case "template_mention":
		k := "template_mention_date"
		if in.has("template_mention_user") {
			k = "template_mention_user"
		}
		return obj("type", kind, kind, obj("type", k, k, in.get(k)))
	case "custom_emoji":
		return obj("type", kind, kind, emojiJSON(in))
	}
	return obj("type", kind, kind, obj("id", idOf(in)))
}

// emojiJSON is a custom emoji as answered; a request may name it by id alone.
func emojiJSON(in *object) *object {
	name, ok := in.get("name").(string)
	if !ok {
		name = "emoji"
	}
	link, ok := in.get("url").(string)
	if !ok {
		link = "https://s3-us-west-2.amazonaws.com/public.notion-static.com/" + idOf(in) + "/" + encodeID(name) + ".png"
	}
	return obj("id", idOf(in), "name", name, "url", link)
}
