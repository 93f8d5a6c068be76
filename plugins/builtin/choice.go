package builtin

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// Enum puts labels for codes. Sets and lists are turned member by member; the empty text, if it is no code, is null.
type Enum struct {
	Labels  map[string]string `json:"labels" required:"true" doc:"the label of each code: {\"1\": \"Lead\", \"2\": \"Customer\"}"`
	Row     string            `json:"row" enum:"text,int" doc:"what the column holds"`
	Unknown string            `json:"unknown" enum:"park,keep" doc:"what becomes of a code without a label, and of a label without a code: the record is parked, or it stands on both sides as it is"`

	codes map[string]string // by label
}

var (
	_ sdk.Function  = (*Enum)(nil)
	_ sdk.Validator = (*Enum)(nil)
)

// Validate wants labels that differ, and codes that the column can hold.
func (e *Enum) Validate() []sdk.Diagnostic {
	var diags []sdk.Diagnostic
	if len(e.Labels) == 0 {
		diags = append(diags, sdk.Problem("labels", "give each code a label", "there are no labels"))
	}
	e.codes = map[string]string{}
	for _, code := range sortedKeys(e.Labels) {
		label, path := e.Labels[code], "labels."+code
		if other, twice := e.codes[label]; twice {
			diags = append(diags, sdk.Problem(path, "give each code a label of its own, else the way back is not known", "%q is the label of %q too", label, other))
		}
		e.codes[label] = code
		if label == "" {
			diags = append(diags, sdk.Problem(path, "leave the code out if it means nothing", "the label is empty"))
		}
		if n, err := strconv.ParseInt(code, 10, 64); e.Row == rowInt && (err != nil || strconv.FormatInt(n, 10) != code) {
			diags = append(diags, sdk.Problem(path, "write 7, not 07 or seven", "the code %q is no integer", code))
		}
		if strings.Contains(label, ",") {
			diags = append(diags, sdk.Warning(path, "Notion allows no comma in the name of an option", "the label %q has a comma", label))
		}
	}
	return diags
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// ToNotion gives the label.
func (e *Enum) ToNotion(row change.Value) (change.Value, error) { return members(row, e.label) }

// ToCRM gives the code.
func (e *Enum) ToCRM(field change.Value) (change.Value, error) { return members(field, e.code) }

// members applies turn to the members of a list or set, or to v itself.
func members(v change.Value, turn func(change.Value) (change.Value, error)) (change.Value, error) {
	if v.Kind() != change.List && v.Kind() != change.Set {
		return turn(v)
	}
	var out []change.Value
	for _, item := range v.Items() {
		got, err := turn(item)
		if err != nil {
			return change.Value{}, err
		}
		if !got.IsNull() {
			out = append(out, got)
		}
	}
	if v.Kind() == change.Set {
		return change.SetValue(out...), nil
	}
	return change.ListValue(out...), nil
}

func (e *Enum) label(v change.Value) (change.Value, error) {
	switch v.Kind() {
	case change.Null:
		return v, nil
	case change.Text, change.Int:
	default:
		return change.Value{}, sdk.BadValue("want a code as text or integer, got %v", v.Kind())
	}
	code := e.plain(v.String())
	if label, ok := e.Labels[code]; ok {
		return change.TextValue(label), nil
	}
	switch {
	case code == "":
		return change.NullValue(), nil
	case e.Unknown == invalidKeep && e.holds(code):
		return change.TextValue(code), nil
	default:
		return change.Value{}, sdk.BadValue("code %q has no label: add it to \"labels\", or configure \"unknown\": \"keep\"", code)
	}
}

// plain writes an integer column's code as the integer it is: "07" is "7".
func (e *Enum) plain(code string) string {
	if n, err := strconv.ParseInt(code, 10, 64); e.Row == rowInt && err == nil {
		return strconv.FormatInt(n, 10)
	}
	return code
}

// holds tells whether the column can hold a code.
func (e *Enum) holds(code string) bool {
	if e.Row != rowInt {
		return true
	}
	_, err := strconv.ParseInt(code, 10, 64)
	return err == nil
}

func (e *Enum) code(v change.Value) (change.Value, error) {
	return onText(v, func(label string) (change.Value, error) {
		code, ok := e.codes[label]
		switch {
		case ok:
		case label == "":
			return change.NullValue(), nil
		case e.Unknown == invalidKeep && e.holds(label):
			code = e.plain(label)
		default:
			return change.Value{}, sdk.BadValue("%q is not among the labels: choose one of them, or add it to \"labels\"", label)
		}
		if e.Row == rowInt {
			n, err := strconv.ParseInt(code, 10, 64)
			if err != nil {
				return change.Value{}, sdk.BadValue("code %q is no integer", code)
			}
			return change.IntValue(n), nil
		}
		return change.TextValue(code), nil
	})
}

// BoolText is a checkbox for what the CRM writes as text or number. The empty text, if it is neither, is null.
type BoolText struct {
	True        string   `json:"true" required:"true" doc:"what the CRM writes for yes: \"Y\", \"oui\", \"1\""`
	False       string   `json:"false" required:"true" doc:"what it writes for no"`
	AlsoTrue    []string `json:"also_true" doc:"what else it may have written for yes"`
	AlsoFalse   []string `json:"also_false" doc:"what else it may have written for no"`
	IgnoreCase  bool     `json:"ignore_case" doc:"\"y\" is read as \"Y\""`
	NullIsFalse bool     `json:"null_is_false" doc:"null is an empty checkbox, which Notion cannot tell from no"`
	Row         string   `json:"row" enum:"text,int" doc:"what the column holds"`

	meaning map[string]bool
}

var (
	_ sdk.Function  = (*BoolText)(nil)
	_ sdk.Validator = (*BoolText)(nil)
)

// Validate wants words that mean one thing.
func (b *BoolText) Validate() []sdk.Diagnostic {
	var diags []sdk.Diagnostic
	b.meaning = map[string]bool{}
	add := func(path, word string, means bool) {
		if before, known := b.meaning[b.fold(word)]; known && before != means {
			diags = append(diags, sdk.Problem(path, "let each word mean one thing", "%q means yes and no", word))
		}
		b.meaning[b.fold(word)] = means
		if _, err := strconv.ParseInt(word, 10, 64); b.Row == rowInt && err != nil {
			diags = append(diags, sdk.Problem(path, "the column holds integers", "%q is no integer", word))
		}
	}
	add("true", b.True, true)
	add("false", b.False, false)
	for i, word := range b.AlsoTrue {
		add("also_true."+strconv.Itoa(i), word, true)
	}
	for i, word := range b.AlsoFalse {
		add("also_false."+strconv.Itoa(i), word, false)
	}
	return diags
}

func (b *BoolText) fold(word string) string {
	if b.IgnoreCase {
		return lower(word)
	}
	return word
}

// ToNotion reads the word.
func (b *BoolText) ToNotion(row change.Value) (change.Value, error) {
	switch row.Kind() {
	case change.Null:
		return b.none(), nil
	case change.Text, change.Int:
	default:
		return change.Value{}, sdk.BadValue("want text or an integer, got %v", row.Kind())
	}
	word := row.String()
	if means, ok := b.meaning[b.fold(word)]; ok {
		return change.BoolValue(means), nil
	}
	if word == "" {
		return b.none(), nil
	}
	return change.Value{}, sdk.BadValue("%q means neither yes nor no: add it to \"also_true\" or \"also_false\"", word)
}

func (b *BoolText) none() change.Value {
	if b.NullIsFalse {
		return change.BoolValue(false)
	}
	return change.NullValue()
}

// ToCRM writes the word.
func (b *BoolText) ToCRM(field change.Value) (change.Value, error) {
	var word string
	switch {
	case field.IsNull():
		return field, nil
	case field.Kind() != change.Bool:
		return change.Value{}, sdk.BadValue("want yes or no, got %v", field.Kind())
	case field.Bool():
		word = b.True
	default:
		word = b.False
	}
	if b.Row == rowInt {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return change.Value{}, sdk.BadValue("%q is no integer", word)
		}
		return change.IntValue(n), nil
	}
	return change.TextValue(word), nil
}

// Split makes a multi-select of a text that lists names. Order and repetition are lost, white space around names too.
type Split struct {
	Separator string `json:"separator" doc:"what stands between names"`
	Empty     string `json:"empty" enum:"text,null" doc:"what the CRM holds when there are no names"`
}

var (
	_ sdk.Function  = (*Split)(nil)
	_ sdk.Validator = (*Split)(nil)
)

// Validate wants a separator that survives trimming.
func (s *Split) Validate() []sdk.Diagnostic {
	if strings.TrimSpace(s.Separator) == "" && s.Separator != " " {
		return []sdk.Diagnostic{sdk.Problem("separator", "use \";\", \",\", \"|\" or a single space", "the separator is empty")}
	}
	return nil
}

// ToNotion splits.
func (s *Split) ToNotion(row change.Value) (change.Value, error) {
	return onText(row, func(text string) (change.Value, error) {
		var names []string
		for name := range strings.SplitSeq(text, s.Separator) {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
		if len(names) == 0 && s.Empty == "null" {
			return change.NullValue(), nil
		}
		return change.TextSet(names...), nil
	})
}

// ToCRM joins, in the order of the alphabet.
func (s *Split) ToCRM(field change.Value) (change.Value, error) {
	switch field.Kind() {
	case change.Null:
		return field, nil
	case change.Set, change.List:
	default:
		return change.Value{}, sdk.BadValue("want a set of names, got %v", field.Kind())
	}
	var names []string
	for _, item := range field.Items() {
		name := strings.TrimSpace(item.Text())
		if item.Kind() != change.Text {
			return change.Value{}, sdk.BadValue("want names, got %v", item.Kind())
		}
		if strings.Contains(name, s.Separator) {
			return change.Value{}, sdk.BadValue("the name %q has a %q in it, which separates names in the CRM: rename the option", name, s.Separator)
		}
		if name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 && s.Empty == "null" {
		return change.NullValue(), nil
	}
	return change.TextValue(strings.Join(names, s.Separator)), nil
}
