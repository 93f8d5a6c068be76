package emulator

import "fmt"

// blockKeys is what each type of block carries under its own key, apart from
// children. Requests may leave out all but those in blockNeeds.
var blockKeys = map[string][]string{
	"paragraph": {"rich_text", "color", "icon"}, "heading_1": {"rich_text", "color", "is_toggleable"},
	"heading_2": {"rich_text", "color", "is_toggleable"}, "heading_3": {"rich_text", "color", "is_toggleable"},
	"heading_4": {"rich_text", "color", "is_toggleable"}, "bulleted_list_item": {"rich_text", "color"},
	"numbered_list_item": {"rich_text", "color"}, "quote": {"rich_text", "color"}, "to_do": {"rich_text", "checked", "color"},
	"toggle": {"rich_text", "color"}, "template": {"rich_text"}, "callout": {"rich_text", "icon", "color"},
	"code": {"rich_text", "caption", "language"}, "equation": {"expression"}, "divider": {}, "breadcrumb": {}, "tab": {},
	"table_of_contents": {"color"}, "embed": {"url", "caption"}, "bookmark": {"url", "caption"},
	"image": mediaKeys, "video": mediaKeys, "pdf": mediaKeys, "audio": mediaKeys, "file": append(mediaKeys[:len(mediaKeys):len(mediaKeys)], "name"),
	"link_to_page": {"type", "page_id", "database_id", "comment_id"}, "table": {"table_width", "has_column_header", "has_row_header"},
	"table_row": {"cells"}, "column_list": {}, "column": {"width_ratio"}, "synced_block": {"synced_from"},
}

var mediaKeys = []string{"type", "external", "file_upload", "caption"}

// blockNeeds is what a new block must have.
var blockNeeds = map[string][]string{
	"code": {"rich_text", "language"}, "equation": {"expression"}, "embed": {"url"}, "bookmark": {"url"}, "table_row": {"cells"},
	"table": {"table_width", "children"}, "column_list": {"children"}, "column": {"children"}, "synced_block": {"synced_from"},
	"paragraph": {"rich_text"}, "heading_1": {"rich_text"}, "heading_2": {"rich_text"}, "heading_3": {"rich_text"},
	"heading_4": {"rich_text"}, "bulleted_list_item": {"rich_text"}, "numbered_list_item": {"rich_text"}, "quote": {"rich_text"},
	"to_do": {"rich_text"}, "toggle": {"rich_text"}, "template": {"rich_text"}, "callout": {"rich_text"},
}

// childless blocks take no children, in requests or later.
var childless = map[string]bool{
	"code": true, "equation": true, "divider": true, "breadcrumb": true, "table_of_contents": true, "embed": true, "bookmark": true,
	"image": true, "video": true, "pdf": true, "audio": true, "file": true, "link_to_page": true, "table_row": true,
}

// nestMax is how many levels of children one request may carry.
const nestMax = 2

// elementsMax is how many blocks one request may hold at all levels (reference/request-limits).
const elementsMax = 1000

// checkAllBlocks checks the blocks of a request and counts them.
func checkAllBlocks(path string, v any) []string {
	if bad := checkBlocks(path, v, 0); bad != nil {
		return bad
	}
	if n := countBlocks(v); n > elementsMax {
		return one(fmt.Sprintf("%s should hold at most `%d` block elements, instead held `%d`.", path, elementsMax, n))
	}
	return nil
}

func countBlocks(v any) int {
	items, _ := v.([]any)
	n := len(items)
	for _, it := range items {
		o, _ := it.(*object)
		in, _ := o.get(blockType(o)).(*object)
		n += countBlocks(in.get("children"))
	}
	return n
}

func blockType(o *object) string {
	if o == nil {
		return ""
	}
	for _, k := range o.keys {
		if blockKeys[k] != nil {
			return k
		}
	}
	return ""
}

// checkBlocks checks an array of block objects of a request; depth counts from 0.
func checkBlocks(path string, v any, depth int) []string {
	items, bad := wantArray(path, v, arrayMax)
	if bad != nil {
		return bad
	}
	for i, it := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		o, bad := wantObject(at, it)
		if bad != nil {
			return bad
		}
		t := blockType(o)
		if t == "" {
			return []string{
				should(at+".embed", "defined", undefined{}), should(at+".bookmark", "defined", undefined{}),
				should(at+".paragraph", "defined", undefined{}),
			}
		}
		if bad := allowed(at, o, t, "type", "object"); bad != nil {
			return bad
		}
		if bad := optOneOf(at+".type", o.get("type"), t); bad != nil {
			return bad
		}
		if bad := checkBlockBody(at+"."+t, t, o.get(t), depth); bad != nil {
			return bad
		}
	}
	return nil
}

func checkBlockBody(path, t string, v any, depth int) []string {
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	for _, k := range blockNeeds[t] {
		if !o.has(k) {
			return one(should(path+"."+k, "defined", undefined{}))
		}
	}
	if kinds := blockKinds(t); kinds != nil && !hasOne(o, kinds) {
		var lines []string
		for _, k := range kinds {
			lines = append(lines, should(path+"."+k, "defined", undefined{}))
		}
		return lines
	}
	if bad := checkBlockFields(path, t, o); bad != nil || !o.has("children") {
		return bad
	}
	switch {
	case t == "column_list": // its columns do not count as a level
		depth--
	case depth >= nestMax:
		return one(should(path+".children", "not present", o.get("children")))
	}
	return checkBlocks(path+".children", o.get("children"), depth+1)
}

// blockKinds are the keys of which a new block must have one.
func blockKinds(t string) []string {
	switch t {
	case "image", "video", "pdf", "audio", "file":
		return []string{"external", "file_upload"}
	case "link_to_page":
		return []string{"page_id", "database_id", "comment_id"}
	}
	return nil
}

func hasOne(o *object, keys []string) bool {
	for _, k := range keys {
		if o.has(k) {
			return true
		}
	}
	return false
}

// checkBlockFields checks what is there, for new blocks and updates alike.
func checkBlockFields(path, t string, o *object) []string {
	keys := blockKeys[t]
	if !childless[t] {
		keys = append(keys[:len(keys):len(keys)], "children")
	}
	if bad := allowed(path, o, keys...); bad != nil {
		return bad
	}
	for i, k := range o.keys {
		if bad := checkBlockField(path+"."+k, k, o.vals[i]); bad != nil {
			return bad
		}
	}
	return nil
}

func checkBlockField(at, k string, v any) (bad []string) {
	switch k {
	case "rich_text", "caption":
		return checkRich(at, v)
	case "color":
		return wantOneOf(at, v, textColors()...)
	case "checked", "is_toggleable", "has_column_header", "has_row_header":
		return wantBool(at, v)
	case "url":
		_, bad = wantString(at, v, 0, linkMax, false)
	case "expression":
		_, bad = wantString(at, v, 1, equationMax, false)
	case "language":
		_, bad = wantString(at, v, 1, 0, false)
	case "name":
		_, bad = wantString(at, v, 0, 0, false)
	case "icon":
		return checkPicture(at, v, iconKinds)
	case "page_id", "database_id", "comment_id":
		_, bad = wantUUID(at, v)
	case "cells":
		return checkEach(at, v, checkRich)
	case "external", "file_upload":
		return checkPictureKind(at, k, v)
	case "table_width", "width_ratio":
		if _, ok := v.(float64); !ok {
			return one(should(at, "a number", v))
		}
	case "synced_from":
		if v == nil {
			return nil
		}
		o, wrong := wantObject(at, v)
		if wrong != nil {
			return wrong
		}
		_, bad = wantUUID(at+".block_id", o.get("block_id"))
	}
	return bad
}

// fillBlock stores the checked fields of a request, in the form that is answered.
func (c *call) fillBlock(b *block, in *object) {
	b.HasText = contains(blockKeys[b.Type], "rich_text")
	for i, k := range in.keys {
		v := in.vals[i]
		switch k {
		case "children":
		case "rich_text":
			b.Text = c.s.readRich(v)
		case "caption":
			b.Body.set(k, c.s.rich(c.s.readRich(v), 0))
		case "cells":
			rows := []any{}
			for _, cell := range v.([]any) {
				rows = append(rows, c.s.rich(c.s.readRich(cell), 0))
			}
			b.Body.set(k, rows)
		case "icon":
			var icon *object
			c.dress(in, &icon, nil)
			b.Body.set(k, icon)
		case "file_upload":
			id, name := idOf(v), ""
			if u := c.s.data.Uploads[id]; u != nil {
				name = u.Filename
			}
			b.Body.set("type", "file").set("file", c.s.fileJSON(&file{Name: name, Upload: id}, c.now).get("file"))
			if b.Type == "file" && !in.has("name") {
				b.Body.set("name", name)
			}
		case "external", "page_id", "database_id", "comment_id":
			b.Body.set("type", k).set(k, v)
		case "synced_from":
			if o, ok := v.(*object); ok {
				v = obj("type", "block_id", "block_id", o.get("block_id"))
			}
			b.Body.set(k, v)
		default:
			if k != "type" {
				b.Body.set(k, v)
			}
		}
	}
	c.completeBlock(b)
}

// completeBlock adds what answers always have.
func (c *call) completeBlock(b *block) {
	for _, k := range blockKeys[b.Type] {
		if b.Body.has(k) {
			continue
		}
		switch k {
		case "color":
			b.Body.set(k, "default")
		case "icon":
			b.Body.set(k, nil)
		case "caption":
			b.Body.set(k, []any{})
		case "checked", "is_toggleable", "has_column_header", "has_row_header":
			b.Body.set(k, false)
		case "name":
			b.Body.set(k, "")
		}
	}
}
