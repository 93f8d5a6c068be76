package emulator

import "strings"

// checkDress checks icon and cover.
func checkDress(b *object) []string {
	for _, k := range []string{"icon", "cover"} {
		if !b.has(k) || b.get(k) == nil {
			continue
		}
		o, bad := wantObject("body."+k, b.get(k))
		if bad != nil {
			return bad
		}
		kinds := []string{"external", "file_upload"}
		if k == "icon" {
			kinds = []string{"emoji", "external", "custom_emoji", "file_upload", "icon", "file"}
		}
		found := false
		var lines []string
		for _, kind := range kinds {
			found = found || o.has(kind)
			lines = append(lines, should("body."+k+"."+kind, "defined", undefined{}))
		}
		if !found {
			return lines
		}
		if ext, ok := o.get("external").(*object); ok {
			if _, bad := wantString("body."+k+".external.url", ext.get("url"), 1, linkMax, false); bad != nil {
				return bad
			}
		}
	}
	return nil
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
		for _, kind := range []string{"emoji", "external", "custom_emoji", "file_upload", "icon", "file"} {
			if !o.has(kind) {
				continue
			}
			if kind == "file_upload" {
				*to = obj("type", "file", "file", obj("url", "https://prod-files-secure.s3.us-west-2.amazonaws.com/"+k,
					"expiry_time", zuluTime(c.now.Add(fileLife))))
				return
			}
			*to = obj("type", kind, kind, o.get(kind))
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
