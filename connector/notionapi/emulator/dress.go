package emulator

import "strings"

var (
	iconKinds  = []string{"emoji", "external", "custom_emoji", "file_upload", "icon", "file"}
	coverKinds = []string{"external", "file_upload", "file"}
)

// iconColors are those of Notion's own icons.
var iconColors = []string{"gray", "lightgray", "brown", "yellow", "orange", "green", "blue", "purple", "pink", "red"}

// checkDress checks icon and cover.
func checkDress(b *object) []string {
	if bad := checkPicture("body.icon", b.get("icon"), iconKinds); bad != nil {
		return bad
	}
	return checkPicture("body.cover", b.get("cover"), coverKinds)
}

// checkPicture checks an icon or a cover, which may be absent or null.
func checkPicture(path string, v any, kinds []string) []string {
	if _, absent := v.(undefined); absent || v == nil {
		return nil
	}
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	var lines []string
	for _, kind := range kinds {
		if !o.has(kind) {
			lines = append(lines, should(path+"."+kind, "defined", undefined{}))
			continue
		}
		if bad := allowed(path, o, kind, "type"); bad != nil {
			return bad
		}
		return checkPictureKind(path+"."+kind, kind, o.get(kind))
	}
	return lines
}

func checkPictureKind(path, kind string, v any) []string {
	if kind == "emoji" {
		_, bad := wantString(path, v, 1, 0, false)
		return bad
	}
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	switch kind {
	case "external", "file":
		_, bad = wantString(path+".url", o.get("url"), 1, linkMax, false)
	case "icon":
		if _, bad = wantString(path+".name", o.get("name"), 1, 0, false); bad == nil {
			bad = optOneOf(path+".color", o.get("color"), iconColors...)
		}
	default:
		_, bad = wantUUID(path+".id", o.get("id"))
	}
	return bad
}

// dress stores a checked icon and cover.
func (c *call) dress(b *object, icon, cover **object) {
	set := func(k string, to **object) {
		if to == nil || !b.has(k) {
			return
		}
		o, _ := b.get(k).(*object)
		if o == nil {
			*to = nil
			return
		}
		for _, kind := range iconKinds {
			if !o.has(kind) {
				continue
			}
			in, _ := o.get(kind).(*object)
			switch kind {
			case "file_upload":
				kind = "file"
				in = obj("url", "https://prod-files-secure.s3.us-west-2.amazonaws.com/"+k, "expiry_time", zuluTime(c.now.Add(fileLife)))
			case "icon":
				color := in.get("color")
				if !in.has("color") {
					color = "gray"
				}
				in = obj("name", in.get("name"), "color", color)
			case "custom_emoji":
				in = emojiJSON(in)
			case "emoji":
				*to = obj("type", kind, kind, o.get(kind))
				return
			}
			*to = obj("type", kind, kind, in)
			return
		}
	}
	set("icon", icon)
	set("cover", cover)
}

func (c *call) addMarkdown(pg *page, b *object) {
	md, _ := b.get("markdown").(string)
	var blocks []any
	for _, line := range strings.Split(md, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			blocks = append(blocks, obj("paragraph", obj("rich_text", []any{obj("text", obj("content", line))})))
		}
	}
	c.addBlocks(parent{Kind: "page", ID: pg.ID}, blocks)
}
