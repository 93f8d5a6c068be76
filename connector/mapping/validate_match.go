package mapping

import (
	"fmt"
	"slices"
	"strings"
)

// validateMatch reports keys that cannot tell records apart: fields that are not there, that stand twice, or that are yes or no.
func (d *Document) validateMatch(names map[string]string, ds *Diagnostics) {
	seen := map[string]string{}
	for i, key := range d.Match {
		path := fmt.Sprintf("match[%d]", i)
		checkKeyFields(key, path, ds)
		weak := true
		for _, name := range key {
			at := slices.IndexFunc(d.Fields, func(r Rule) bool { return r.Name == name })
			if at < 0 {
				ds.errorf(path, didYouMean(name, sortedKeys(names)), "there is no field %q", name)
				continue
			}
			weak = weak && d.Fields[at].Type == TypeCheckbox
		}
		if weak && len(key) > 0 && names[key[0]] != "" {
			ds.errorf(path, "add a field that has a value of its own", "a checkbox does not tell records apart")
		}
		sorted := slices.Sorted(slices.Values(key))
		once(ds, seen, strings.Join(sorted, "\x00"), path, "this key stands twice")
	}
}

func checkKeyFields(key Columns, path string, ds *Diagnostics) {
	seen := map[string]bool{}
	for _, name := range key {
		if seen[name] {
			ds.errorf(path, "", "the field %q stands twice", name)
		}
		seen[name] = true
	}
}
