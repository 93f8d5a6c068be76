package mapping

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatchKeys(t *testing.T) {
	t.Parallel()
	const document = `{"sync": "s", "entity": "e", "crm": {"table": "public.t", "key": "id"}, "notion": {"database": "T"}, "fields": [
		{"name": "n", "column": "n", "type": "title"}, {"name": "email", "column": "m", "type": "email"}, {"name": "vip", "column": "v", "type": "checkbox"}], "match": KEYS}`
	e := compileAll(t, strings.Replace(document, "KEYS", `["email", ["n", "vip"]]`, 1))["e"]
	if diff := cmp.Diff([][]string{{"email"}, {"n", "vip"}}, e.Match); diff != "" {
		t.Error(diff)
	}
	_, ds := Parse([]byte(strings.Replace(document, "KEYS", `[["emial"], "vip", ["n", "n"], ["n", "email"], ["email", "n"]]`, 1)))
	var got []string
	for _, d := range ds {
		got = append(got, d.Path+": "+d.Summary+" "+d.Detail)
	}
	for _, want := range []string{
		`match[0]: there is no field "emial" did you mean "email"?`, "match[1]: a checkbox does not tell records apart", `match[2]: the field "n" stands twice`,
		"match[4]: this key stands twice the other one is match[3]",
	} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("nothing says %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
	if _, ds := Parse([]byte(strings.Replace(document, "KEYS", `[[]]`, 1))); !ds.HasErrors() {
		t.Error("a key without fields is taken")
	}
}
