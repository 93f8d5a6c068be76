// Package match says which rows and pages that nobody has linked yet are the same record, by ordered keys: e-mail, then phone, then name with company.
//
// It is a pure function over what both sides show, and it never guesses: one row and one page under one value of a key are a pair; where
// several stand under it on either side they are put aside together, and no later key decides about them.
//
//	                 pages under the value
//	                 none        one         several
//	rows   none       –           –          duplicate
//	       one        –          exact       ambiguous
//	       several   duplicate   ambiguous   ambiguous
//
// What no key says anything of is left: it belongs to one side only.
package match

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// Record is one row or page that is not linked, under the name by which the caller knows it, with its canonical values.
type Record struct {
	ID    string
	Image change.Image
}

// Class says what is known of the records under one value of a key.
type Class string

// The classes. A record that is in none of the findings stands on one side only, as far as the keys tell.
const (
	Exact     Class = "exact"     // one row and one page: the same record
	Ambiguous Class = "ambiguous" // several on either side, and something on both
	Duplicate Class = "duplicate" // several on one side, and nothing on the other
)

// Finding is what stands under one value of one key.
type Finding struct {
	Class Class
	Key   int    // which of the keys, from 0
	Value string // the key's values as people read them
	Rows  []string
	Pages []string
}

// Report is the whole answer. Every record is in exactly one finding, or among those that are left. All lists are in order.
type Report struct {
	Findings []Finding // by key, then value
	Rows     []string  // of which no key says anything
	Pages    []string
}

// Match compares rows with pages. Ids are unique on their side. The answer does not depend on the order of the records, and swapping the sides
// swaps them in the answer.
func Match(keys [][]string, rows, pages []Record) Report {
	var report Report
	openRows, openPages := byID(rows), byID(pages)
	for i, key := range keys {
		groups := map[string]*Finding{}
		gather(groups, key, openRows, func(f *Finding) *[]string { return &f.Rows })
		gather(groups, key, openPages, func(f *Finding) *[]string { return &f.Pages })
		for _, value := range change.Sorted(groups) {
			f := groups[value]
			if f.Class = classify(len(f.Rows), len(f.Pages)); f.Class == "" {
				continue
			}
			f.Key = i
			slices.Sort(f.Rows)
			slices.Sort(f.Pages)
			report.Findings = append(report.Findings, *f)
			settle(openRows, f.Rows)
			settle(openPages, f.Pages)
		}
	}
	report.Rows, report.Pages = left(openRows), left(openPages)
	return report
}

func byID(records []Record) map[string]change.Image {
	open := make(map[string]change.Image, len(records))
	for _, r := range records {
		open[r.ID] = r.Image
	}
	return open
}

// gather puts records under their values of a key. A record that lacks one of its fields, or shows nothing in it, has no value.
func gather(groups map[string]*Finding, key []string, open map[string]change.Image, side func(*Finding) *[]string) {
	for id, image := range open {
		value, shown, ok := ValueOf(key, image)
		if !ok {
			continue
		}
		f := groups[value]
		if f == nil {
			f = &Finding{Value: shown}
			groups[value] = f
		}
		// Values that compare equal may read differently; the answer must not depend on which came first.
		f.Value = min(f.Value, shown)
		ids := side(f)
		*ids = append(*ids, id)
	}
}

func classify(rows, pages int) Class {
	switch {
	case rows == 1 && pages == 1:
		return Exact
	case rows > 0 && pages > 0:
		return Ambiguous
	case rows+pages > 1:
		return Duplicate
	}
	return ""
}

func settle(open map[string]change.Image, ids []string) {
	for _, id := range ids {
		delete(open, id)
	}
}

func left(open map[string]change.Image) []string {
	ids := make([]string, 0, len(open))
	for id := range open {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// ValueOf gives an image's value of a key: the same for images that are the same under it, and a form for people. It is false where a field is
// missing or empty, for nothing is no likeness.
func ValueOf(key []string, image change.Image) (value, shown string, ok bool) {
	parts, words := make([]json.RawMessage, len(key)), make([]string, len(key))
	for i, field := range key {
		v, there := image[field]
		if !there || empty(v) {
			return "", "", false
		}
		text, err := json.Marshal(v)
		if err != nil {
			return "", "", false // a value that cannot be written down cannot be compared
		}
		parts[i], words[i] = text, v.String()
	}
	text, err := json.Marshal(parts)
	if err != nil {
		return "", "", false
	}
	return string(text), strings.Join(words, ", "), true
}

func empty(v change.Value) bool {
	return v.IsAbsent() || v.IsNull() || v.Kind() == change.Set && len(v.Items()) == 0 || v.Kind() == change.Text && strings.TrimSpace(v.Text()) == ""
}

// Pairs lists the exact ones as row and page.
func (r Report) Pairs() [][2]string {
	var pairs [][2]string
	for _, f := range r.Findings {
		if f.Class == Exact {
			pairs = append(pairs, [2]string{f.Rows[0], f.Pages[0]})
		}
	}
	return pairs
}

// Count says how many rows and pages are in findings of a class.
func (r Report) Count(c Class) (rows, pages int) {
	for _, f := range r.Findings {
		if f.Class == c {
			rows, pages = rows+len(f.Rows), pages+len(f.Pages)
		}
	}
	return rows, pages
}

// Reason says in a sentence why a record of a finding is not linked.
func (f Finding) Reason(keys [][]string) string {
	name := strings.Join(keys[f.Key], " and ")
	switch f.Class {
	case Ambiguous:
		return fmt.Sprintf("%s and %s have the same %s %q: which of them belong together is not guessed", some("row", f.Rows), some("page", f.Pages), name, f.Value)
	case Duplicate:
		kind, ids := "row", f.Rows
		if len(ids) == 0 {
			kind, ids = "page", f.Pages
		}
		return fmt.Sprintf("%s have the same %s %q: they may be one record twice", some(kind, ids), name, f.Value)
	case Exact:
	}
	return fmt.Sprintf("row %s and page %s have the same %s %q", f.Rows[0], f.Pages[0], name, f.Value)
}

// someMax is how many ids a sentence bears.
const someMax = 5

func some(what string, ids []string) string {
	if len(ids) != 1 {
		what += "s"
	}
	list := strings.Join(ids[:min(len(ids), someMax)], ", ")
	if len(ids) > someMax {
		list += ", …"
	}
	return fmt.Sprintf("%d %s (%s)", len(ids), what, list)
}
