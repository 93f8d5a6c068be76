package emulator

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
	"time"
)

// uploadMax is the size of a single-part upload in a paid workspace.
const uploadMax = 5 << 20

// upload is a file upload; its bytes are not kept.
type upload struct {
	ID        string    `json:"id"`
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
	Status    string    `json:"status"`
	Filename  string    `json:"filename"`
	Type      string    `json:"type"`
	Size      int       `json:"size"`
	Parts     int       `json:"parts,omitempty"`
	Sent      int       `json:"sent,omitempty"`
}

const uploadLife = time.Hour

func (c *call) uploadJSON(u *upload) *object {
	opt := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	status := u.Status
	if status == "pending" && c.now.Sub(u.Created) > uploadLife {
		status = "expired"
	}
	o := obj("object", "file_upload", "id", u.ID, "created_time", minuteTime(u.Created),
		"created_by", obj("id", u.CreatedBy, "type", "bot"), "last_edited_time", minuteTime(u.Created), "expiry_time", nil)
	if status != "expired" {
		o.set("expiry_time", minuteTime(u.Created.Add(uploadLife)))
	}
	if status == "pending" {
		o.set("upload_url", "https://api.notion.com/v1/file_uploads/"+u.ID+"/send")
	}
	o.set("in_trash", false)
	if c.ver < v2026 {
		o.set("archived", false)
	}
	o.set("status", status).set("filename", opt(u.Filename)).set("content_type", opt(u.Type))
	if u.Size > 0 {
		o.set("content_length", u.Size)
	} else {
		o.set("content_length", nil)
	}
	if u.Parts > 0 {
		o.set("number_of_parts", obj("total", u.Parts, "sent", u.Sent))
	}
	return o
}

func (c *call) createUpload() (*object, *apiError) {
	b, e := c.bodyKeys("mode", "filename", "content_type", "number_of_parts", "external_url")
	if e != nil {
		return nil, e
	}
	if e := failed("body", checkUpload(b)); e != nil {
		return nil, e
	}
	u := &upload{ID: newUUID(c.s.ids), Created: c.now, CreatedBy: c.actor, Status: "pending"}
	u.Filename, _ = b.get("filename").(string)
	u.Type, _ = b.get("content_type").(string)
	if n, ok := b.get("number_of_parts").(float64); ok && b.get("mode") == "multi_part" {
		u.Parts = int(n)
	}
	if b.get("mode") == "external_url" {
		u.Status = "uploaded"
	}
	c.s.data.Uploads[u.ID] = u
	c.s.data.Uploaded = append(c.s.data.Uploaded, u.ID)
	c.s.dirty = true
	c.made = u.ID
	return c.uploadJSON(u), nil
}

func checkUpload(b *object) []string {
	if bad := optOneOf("body.mode", b.get("mode"), "single_part", "multi_part", "external_url"); bad != nil {
		return bad
	}
	need := map[any]string{"multi_part": "number_of_parts", "external_url": "external_url"}[b.get("mode")]
	if need != "" && !b.has(need) {
		return one(should("body."+need, "defined", undefined{}))
	}
	for _, k := range []string{"filename", "content_type", "external_url"} {
		if b.has(k) {
			if _, bad := wantString("body."+k, b.get(k), 1, 0, false); bad != nil {
				return bad
			}
		}
	}
	if n, ok := b.get("number_of_parts").(float64); b.has("number_of_parts") && (!ok || n < 1 || n > partsMax) {
		return one(should("body.number_of_parts", fmt.Sprintf("a number from 1 to %d", partsMax), b.get("number_of_parts")))
	}
	return nil
}

// partsMax is the largest number of parts of an upload.
const partsMax = 1000

func (c *call) pathUpload() (*upload, *apiError) {
	id, e := c.pathID("file_upload_id")
	if e != nil {
		return nil, e
	}
	u := c.s.data.Uploads[id]
	if u == nil {
		return nil, c.notFound("file_upload", id)
	}
	return u, nil
}

func (c *call) getUpload() (*object, *apiError) {
	u, e := c.pathUpload()
	if e != nil {
		return nil, e
	}
	return c.uploadJSON(u), nil
}

func (c *call) sendUpload() (*object, *apiError) {
	u, e := c.pathUpload()
	if e != nil {
		return nil, e
	}
	if u.Status != "pending" {
		return nil, invalid("File upload %s has status %s and cannot be sent to.", u.ID, u.Status)
	}
	if u.Parts > 0 && u.Sent == u.Parts {
		return nil, invalid("File upload %s has all of its %d parts.", u.ID, u.Parts)
	}
	if e := c.readPart(u); e != nil {
		return nil, e
	}
	if u.Parts == 0 {
		u.Status = "uploaded"
	} else {
		u.Sent++
	}
	c.s.dirty = true
	return c.uploadJSON(u), nil
}

// readPart takes what it needs of a multipart body: the file's size, and its
// name and type where the upload has none.
func (c *call) readPart(u *upload) *apiError {
	missing := failed("body", one(should("body.file", "defined", undefined{})))
	_, params, err := mime.ParseMediaType(c.req.ContentType)
	if err != nil || params["boundary"] == "" {
		return missing
	}
	form := multipart.NewReader(bytes.NewReader(c.req.Body), params["boundary"])
	next, found := *u, false
	for {
		p, err := form.NextPart()
		if err == io.EOF && found {
			*u = next
			return nil
		}
		if err != nil {
			return missing
		}
		raw, _ := io.ReadAll(p)
		switch p.FormName() {
		case "file":
			found = true
			next.Size += len(raw)
			if next.Filename == "" {
				next.Filename = p.FileName()
			}
			if next.Type == "" {
				next.Type = p.Header.Get("Content-Type")
			}
		case "part_number":
			if n, err := strconv.Atoi(string(raw)); err != nil || n < 1 || n > max(u.Parts, 1) {
				return failed("body", one(should("body.part_number", fmt.Sprintf("a number from 1 to %d", max(u.Parts, 1)), string(raw))))
			}
		}
	}
}

func (c *call) completeUpload() (*object, *apiError) {
	u, e := c.pathUpload()
	if e != nil {
		return nil, e
	}
	if u.Parts == 0 || u.Sent < u.Parts {
		return nil, invalid("File upload %s has %d of %d parts and cannot be completed.", u.ID, u.Sent, u.Parts)
	}
	u.Status = "uploaded"
	c.s.dirty = true
	return c.uploadJSON(u), nil
}

func (c *call) listUploads() (*object, *apiError) {
	status := c.query.Get("status")
	var ids []string
	for i := len(c.s.data.Uploaded) - 1; i >= 0; i-- {
		u := c.s.data.Uploads[c.s.data.Uploaded[i]]
		if status == "" || u.Status == status {
			ids = append(ids, u.ID)
		}
	}
	part, next, e := c.slice(ids, true)
	if e != nil {
		return nil, e
	}
	out := []any{}
	for _, id := range part {
		out = append(out, c.uploadJSON(c.s.data.Uploads[id]))
	}
	return list(out, next, "file_upload"), nil
}
