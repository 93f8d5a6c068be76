package config

import "strings"

// nearest finds the defined key that name was probably meant to be: one that differs by a few letters, by a forgotten unit, or in its
// dots, dashes and case only. Keys that are given already are no candidates. Empty where nothing is near.
func nearest(name string, set *Set, given Map) string {
	const lettersMax = 120 // longer names are not typed by hand, and distance is quadratic
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
		if d := distance(name, e.Name, bestAt); d < bestAt {
			best, bestAt = e.Name, d
		}
	}
	return best
}

func bare(name string) string {
	return strings.NewReplacer(".", "", "_", "", "-", "").Replace(strings.ToLower(name))
}

// distance is Levenshtein's, or limit where it is not below that.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return min(row[len(b)], limit)
}
