package mapping

import (
	"fmt"
	"slices"
)

func (r *Rule) validate(path string, ds *Diagnostics) {
	r.validateSource(path, ds)
	if len(r.Options) > 0 && !hasOptions(r.Type) {
		ds.errorf(join(path, "options"), "", "options belong to select, status and multi_select, not to %s", r.Type)
	}
	r.validateOptions(path, ds)
	r.validateUnknown(path, ds)
	if r.Empty != nil && !slices.Contains([]Type{TypeTitle, TypeText, TypeURL, TypeEmail, TypePhone, TypeSelect, TypeStatus}, r.Type) {
		ds.errorf(join(path, "empty"), "", "an empty text cannot be written for the type %s", r.Type)
	}
	if r.Format != "" && r.Type != TypeNumber {
		ds.errorf(join(path, "format"), "", "a format belongs to numbers")
	}
	if r.Function != nil && r.Relation != nil {
		ds.errorf(join(path, "function"), "", "a relation's values are links; no function can change them")
	}
	r.Handling.validate(path, r.Type, r.Direction, ds)
}

func (r *Rule) validateSource(path string, ds *Diagnostics) {
	sources := 0
	for _, has := range []bool{r.Column != "", r.Lookup != nil, r.Relation != nil} {
		if has {
			sources++
		}
	}
	if sources != 1 {
		ds.errorf(path, "", "give exactly one of column, lookup and relation")
	}
	if (r.Type == TypeRelation) != (r.Relation != nil) {
		ds.errorf(join(path, "type"), "", "the type relation and a relation go together")
	}
	if r.Lookup != nil {
		r.validateLookup(join(path, "lookup"), ds)
	}
	if rel := r.Relation; rel != nil {
		rel.validate(join(path, "relation"), ds)
	}
}

func (r *Rule) validateLookup(path string, ds *Diagnostics) {
	l := r.Lookup
	checkTable(ds, join(path, "table"), l.Table)
	checkNewKey(ds, join(path, "new_key"), l.NewKey)
	if (l.Column == "") == (l.Join == nil) {
		ds.errorf(path, "", "give exactly one of column and join")
	}
	if l.Join != nil {
		l.Join.validate(join(path, "join"), ds)
		if len(l.Join.Target) != 1 {
			ds.errorf(join(path, "join.target"), "", "a lookup's key has one column")
		}
	}
	if (l.Join != nil) != (r.Type == TypeMultiSelect) {
		ds.errorf(join(path, "join"), "", "a join table gives a multi_select, a foreign key any other type")
	}
	if l.Unknown == "create" && r.Direction == ToNotion {
		ds.warnf(join(path, "unknown"), "", "nothing is created by a field that only goes to Notion")
	}
}

func (rel *Relation) validate(path string, ds *Diagnostics) {
	if (len(rel.Column) == 0) == (rel.Join == nil) {
		ds.errorf(path, "", "give exactly one of column and join")
	}
	checkDistinct(ds, join(path, "column"), rel.Column)
	if rel.Join != nil {
		rel.Join.validate(join(path, "join"), ds)
	}
}

func (j *Join) validate(path string, ds *Diagnostics) {
	checkTable(ds, join(path, "table"), j.Table)
	checkDistinct(ds, path, slices.Concat(j.Source, j.Target))
}

func (r *Rule) validateOptions(path string, ds *Diagnostics) {
	values, names := map[string]string{}, map[string]string{}
	for i, o := range r.Options {
		at := fmt.Sprintf("%s.options[%d]", path, i)
		value := "value " + deref(o.CRM)
		if o.CRM == nil {
			value = "null"
		}
		once(ds, values, value, join(at, "crm"), "the CRM's value stands twice")
		if o.Notion == "" {
			ds.errorf(join(at, "notion"), "", "the option for no value needs a name")
			continue
		}
		if _, err := canonOption(textOrNull(o.Notion)); err != nil {
			ds.errorf(join(at, "notion"), "", "%v", err)
		}
		once(ds, names, fold(tidy(o.Notion)), join(at, "notion"), "the option %q stands twice; Notion does not tell capital letters apart", o.Notion)
		if o.Group != "" && r.Type != TypeStatus {
			ds.errorf(join(at, "group"), "", "groups belong to the type status")
		}
		if o.CRM == nil && r.Type == TypeMultiSelect {
			ds.errorf(join(at, "crm"), "", "an empty multi_select has no option")
		}
	}
}

func (r *Rule) validateUnknown(path string, ds *Diagnostics) {
	at := join(path, "unknown_options")
	policy := UnknownOptions(r.Unknown)
	switch {
	case r.Unknown != "" && !hasOptions(r.Type):
		ds.errorf(at, "", "unknown options belong to select, status and multi_select, not to %s", r.Type)
	case policy == OptionsCreate && r.Type == TypeStatus && r.Direction != ToCRM:
		ds.warnf(at, "an alert names each such moment", "Notion takes the options of a status as a whole: one that somebody adds in the second in which another one is made is lost")
	case policy == OptionsMap && r.Type == TypeMultiSelect && r.Function != nil:
		ds.errorf(at, "", "what stands for an unknown option cannot be told from what a function makes of it; leave one of the two away")
	}
	at = join(path, "unknown_as")
	named := Field{Options: r.Options}
	switch _, ok := named.Declared(tidy(r.UnknownAs)); {
	case policy == OptionsMap && !ok:
		ds.errorf(at, "", "map needs one of the field's options, by its name in Notion")
	case policy != OptionsMap && r.UnknownAs != "":
		ds.errorf(at, `"unknown_options": "map"`, "this option stands for unknown ones where those are mapped")
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
