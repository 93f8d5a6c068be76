package builtin

import (
	"encoding/json"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// Default stands in Notion for what is missing in the CRM.
type Default struct {
	Value json.RawMessage `json:"value" required:"true" doc:"the value, as Tandem stores it: \"unknown\", true, {\"int\":\"0\"}"`
	Back  string          `json:"back" enum:"keep,null" doc:"what the default is when it comes back from Notion: a value as any other, or null again"`

	value change.Value
}

var (
	_ sdk.Function  = (*Default)(nil)
	_ sdk.Validator = (*Default)(nil)
)

// Validate reads the value.
func (d *Default) Validate() []sdk.Diagnostic {
	if err := json.Unmarshal(d.Value, &d.value); err != nil {
		return []sdk.Diagnostic{sdk.Problem("value", "write \"text\", true, {\"int\":\"0\"}, {\"date\":\"2026-01-01\"}", "it is no value: %v", err)}
	}
	if missing(d.value) {
		return []sdk.Diagnostic{sdk.Problem("value", "", "the default is missing itself")}
	}
	return nil
}

func missing(v change.Value) bool {
	return v.IsNull() || v.Kind() == change.Text && v.Text() == ""
}

// ToNotion fills in.
func (d *Default) ToNotion(row change.Value) (change.Value, error) {
	if missing(row) {
		return d.value, nil
	}
	return row, nil
}

// ToCRM may take it out again.
func (d *Default) ToCRM(field change.Value) (change.Value, error) {
	if d.Back == "null" && change.Equal(field, d.value) {
		return change.NullValue(), nil
	}
	return field, nil
}

// FullName joins two columns into one field, and splits at the last space: what stands before it is the first name. That is wrong for
// names such as "van Dyk", which is why an unedited name is never split.
type FullName struct {
	First  string `json:"first" doc:"the first name's field in the row"`
	Last   string `json:"last" doc:"the last name's field in the row"`
	Full   string `json:"full" doc:"the field for Notion"`
	Single string `json:"single" enum:"last,first" doc:"which of the two a name of one word is"`
}

var (
	_ sdk.Mapper    = (*FullName)(nil)
	_ sdk.Validator = (*FullName)(nil)
)

// Validate wants three names.
func (f *FullName) Validate() []sdk.Diagnostic {
	var diags []sdk.Diagnostic
	for path, name := range map[string]string{"first": f.First, "last": f.Last, "full": f.Full} {
		if name == "" {
			diags = append(diags, sdk.Problem(path, "", "the name is empty"))
		}
	}
	if f.First == f.Last || f.First == f.Full || f.Last == f.Full {
		diags = append(diags, sdk.Problem("full", "use three names", "one name is used twice"))
	}
	return diags
}

// ToNotion joins. Without both of them read, the full name is not known either.
func (f *FullName) ToNotion(row change.Image) (change.Image, error) {
	out := row.Clone()
	delete(out, f.First)
	delete(out, f.Last)
	first, last := row.Get(f.First), row.Get(f.Last)
	if first.IsAbsent() || last.IsAbsent() {
		return out, nil
	}
	for _, v := range []change.Value{first, last} {
		if v.Kind() != change.Text && !v.IsNull() {
			return nil, sdk.BadValue("a name must be text, got %v", v.Kind())
		}
	}
	if full := collapse(first.Text() + " " + last.Text()); full != "" {
		out[f.Full] = change.TextValue(full)
	} else {
		out[f.Full] = change.NullValue()
	}
	return out, nil
}

// ToCRM splits.
func (f *FullName) ToCRM(fields change.Image) (change.Image, error) {
	out := fields.Clone()
	delete(out, f.Full)
	full := fields.Get(f.Full)
	switch full.Kind() {
	case change.Absent:
		return out, nil
	case change.Null, change.Text:
	default:
		return nil, sdk.BadValue("a name must be text, got %v", full.Kind())
	}
	first, last := f.split(collapse(full.Text()))
	out[f.First], out[f.Last] = change.TextValue(first), change.TextValue(last)
	return out, nil
}

func (f *FullName) split(full string) (first, last string) {
	i := strings.LastIndexByte(full, ' ')
	switch {
	case i >= 0:
		return full[:i], full[i+1:]
	case f.Single == "first":
		return full, ""
	default:
		return "", full
	}
}
