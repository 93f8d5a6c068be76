package config

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest finds the defined key that name was probably meant to be: one that differs by a few letters, by a forgotten unit, or in its
// dots, dashes and case only. Keys that are given already are no candidates. Empty where nothing is near.
func nearest(name string, set *Set, given Map) string {
	const lettersMax = 120 // longer names are not typed by hand, and the distance is quadratic
	if len(name) > lettersMax {
		return ""
	}
	best, bestAt := "", max(2, len(name)/6)+1
	for _, e := range set.entries {
		if _, taken := given[e.Name]; taken || e.Prefix {
			continue
		}
		if bare(e.Name) == bare(name) || e.Name == name+".ms" {
			return e.Name
		}
		if d := levenshtein.ComputeDistance(name, e.Name); d < bestAt {
			best, bestAt = e.Name, d
		}
	}
	return best
}

func bare(name string) string {
	return strings.NewReplacer(".", "", "_", "", "-", "").Replace(strings.ToLower(name))
}
