package mapping

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"
	"time"
)

// Parse reads one document strictly, fills in its defaults, and reports everything that is wrong with it by itself. A
// document with errors is not to be compiled.
func Parse(data []byte) (Document, Diagnostics) {
	ds := judge(data)
	if ds.HasErrors() {
		return Document{}, ds
	}
	var d Document
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields() // the schema has the same keys; a test keeps it so
	if err := dec.Decode(&d); err != nil {
		ds.errorf("", err.Error(), "the document cannot be read")
		return Document{}, ds
	}
	d.fill()
	d.validate(&ds)
	return d, ds
}

const (
	defaultExternalID = "Tandem ID"
	defaultQuiet      = 60
	defaultKey        = "default"
)

func (d *Document) fill() {
	orDefault(&d.CRM.TimeZone, "UTC")
	orDefault(&d.CRM.NewKey, defaultKey)
	orDefault(&d.Notion.ExternalID, defaultExternalID)
	for i := range d.Fields {
		d.Fields[i].fill(d.Defaults)
	}
	if c := d.Custom; c != nil {
		orDefault(&c.Empty, "remove")
		d.Defaults.fill(&c.Direction, &c.Tie, &c.Initial)
	}
	orDefault(&d.Deletes.ToNotion, "trash")
	orDefault(&d.Deletes.ToCRM, "hold")
	orDefault(&d.Deletes.Children, "stream")
	if d.Creates.ToNotion == nil {
		d.Creates.ToNotion = new(true)
	}
	if d.Creates.ToCRM == nil {
		d.Creates.ToCRM = new(false)
	}
	if d.Creates.Quiet == nil {
		d.Creates.Quiet = new(defaultQuiet)
	}
	orDefault(&d.Mode.ToNotion, Observe)
	orDefault(&d.Mode.ToCRM, Observe)
}

// fill says what a field does not say of its own.
func (d Defaults) fill(direction *Direction, tie, initial *string) {
	orDefault(direction, cmp.Or(d.Direction, Both))
	orDefault(tie, cmp.Or(d.Tie, "crm"))
	orDefault(initial, cmp.Or(d.Initial, "crm"))
}

func (r *Rule) fill(d Defaults) {
	orDefault(&r.Property, r.Name)
	d.fill(&r.Direction, &r.Tie, &r.Initial)
	for i := range r.Options {
		if o := &r.Options[i]; o.CRM != nil {
			orDefault(&o.Notion, *o.CRM)
		}
	}
	if r.Lookup != nil {
		orDefault(&r.Lookup.Unknown, "park")
		orDefault(&r.Lookup.NewKey, defaultKey)
	}
}

func orDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// location loads the zone; a document with another one does not get past validate.
func (d *Document) location() *time.Location {
	zone, err := time.LoadLocation(d.CRM.TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// customKey is a custom field's name in the CRM.
func customKey(field string) (string, bool) { return strings.CutPrefix(field, CustomPrefix) }
