package match

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
)

var keys = [][]string{{"email"}, {"phone"}, {"name", "company"}}

func person(id, email, phone, name, company string) Record {
	im := change.Image{}
	for field, text := range map[string]string{"email": email, "phone": phone, "name": name, "company": company} {
		switch text {
		case "":
			im[field] = change.NullValue()
		case "-":
		default:
			im[field] = change.TextValue(text)
		}
	}
	return Record{ID: id, Image: im}
}

// Two address books that met before anybody linked them.
func TestWhatIsLinkedAndWhatIsNot(t *testing.T) {
	t.Parallel()
	rows := []Record{
		person("1", "ann@x", "", "Ann", "X"),     // by e-mail
		person("2", "", "+331", "Bob", "X"),      // by phone
		person("3", "", "", "Cy", "Y"),           // by name and company
		person("4", "dup@x", "+332", "Dan", "Z"), // two rows with one e-mail, one page: no guess, and not by the phone either
		person("5", "dup@x", "", "Dan", "Z"),
		person("6", "two@x", "", "Eve", "Z"), // twice in the CRM, not in Notion
		person("7", "two@x", "", "Eve", "Z"),
		person("8", " ", "-", "Fay", ""), // nothing is no likeness
	}
	pages := []Record{
		person("a", "ann@x", "", "Anna", ""), person("b", "bob@x", "+331", "", ""), person("c", "", "", "Cy", "Y"),
		person("d", "dup@x", "+332", "Dan", "Z"), person("h", "", "", "Fay", ""), person("i", "", "+339", "I", ""), person("j", "", "+339", "J", ""),
	}
	want := Report{
		Findings: []Finding{
			{Class: Exact, Key: 0, Value: "ann@x", Rows: []string{"1"}, Pages: []string{"a"}},
			{Class: Ambiguous, Key: 0, Value: "dup@x", Rows: []string{"4", "5"}, Pages: []string{"d"}},
			{Class: Duplicate, Key: 0, Value: "two@x", Rows: []string{"6", "7"}},
			{Class: Exact, Key: 1, Value: "+331", Rows: []string{"2"}, Pages: []string{"b"}},
			{Class: Duplicate, Key: 1, Value: "+339", Pages: []string{"i", "j"}},
			{Class: Exact, Key: 2, Value: "Cy, Y", Rows: []string{"3"}, Pages: []string{"c"}},
		},
		Rows: []string{"8"}, Pages: []string{"h"},
	}
	got := Match(keys, rows, pages)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if r, p := got.Count(Ambiguous); r != 2 || p != 1 || len(got.Pairs()) != 3 {
		t.Errorf("counts: %d rows, %d pages, pairs %v", r, p, got.Pairs())
	}
	for i, sentence := range map[int]string{
		1: `2 rows (4, 5) and 1 page (d) have the same email "dup@x": which of them belong together is not guessed`,
		4: `2 pages (i, j) have the same phone "+339": they may be one record twice`,
		5: `row 3 and page c have the same name and company "Cy, Y"`,
	} {
		if got := got.Findings[i].Reason(keys); got != sentence {
			t.Errorf("got  %s\nwant %s", got, sentence)
		}
	}
}

func drawSide(t *rapid.T, prefix string) []Record {
	texts := rapid.SampledFrom([]string{"", "-", "a", "b", "c", "d"})
	n := rapid.IntRange(0, 8).Draw(t, prefix)
	var out []Record
	for i := range n {
		out = append(out, person(fmt.Sprint(prefix, i), texts.Draw(t, "email"), texts.Draw(t, "phone"), texts.Draw(t, "name"), texts.Draw(t, "company")))
	}
	return out
}

// The laws: the order of the records does not matter, the sides mirror, everything is answered once, pairs agree in their key, and whatever was
// linked leaves nothing that is linked when it is asked again.
func TestLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows, pages := drawSide(t, "r"), drawSide(t, "p")
		got := Match(keys, rows, pages)
		mixedRows, mixedPages := slices.Clone(rows), slices.Clone(pages)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "shuffle"), 1))
		rng.Shuffle(len(rows), func(i, j int) { mixedRows[i], mixedRows[j] = mixedRows[j], mixedRows[i] })
		rng.Shuffle(len(pages), func(i, j int) { mixedPages[i], mixedPages[j] = mixedPages[j], mixedPages[i] })
		if diff := cmp.Diff(got, Match(keys, mixedRows, mixedPages)); diff != "" {
			t.Fatalf("the order matters:\n%s", diff)
		}
		mirror := Match(keys, pages, rows)
		for i, f := range mirror.Findings {
			mirror.Findings[i].Rows, mirror.Findings[i].Pages = f.Pages, f.Rows
		}
		mirror.Rows, mirror.Pages = mirror.Pages, mirror.Rows
		if diff := cmp.Diff(got, mirror); diff != "" {
			t.Fatalf("the sides do not mirror:\n%s", diff)
		}
		once(t, rows, got.Rows, got.Findings, func(f Finding) []string { return f.Rows })
		once(t, pages, got.Pages, got.Findings, func(f Finding) []string { return f.Pages })
		images := map[string]change.Image{}
		for _, r := range slices.Concat(rows, pages) {
			images[r.ID] = r.Image
		}
		for _, f := range got.Findings {
			first, _, _ := ValueOf(keys[f.Key], images[slices.Concat(f.Rows, f.Pages)[0]])
			for _, id := range slices.Concat(f.Rows, f.Pages) {
				if v, _, ok := ValueOf(keys[f.Key], images[id]); !ok || v != first {
					t.Fatalf("%s stands under a value of another: %q, %q", id, v, first)
				}
			}
		}
		linked := map[string]bool{}
		for _, p := range got.Pairs() {
			linked[p[0]], linked[p[1]] = true, true
		}
		rest := func(all []Record) []Record {
			return slices.DeleteFunc(slices.Clone(all), func(r Record) bool { return linked[r.ID] })
		}
		for _, f := range Match(keys, rest(rows), rest(pages)).Findings {
			if f.Class == Exact {
				t.Fatalf("what was put aside is linked when it is asked again: %+v", f)
			}
		}
	})
}

func once(t *rapid.T, all []Record, left []string, findings []Finding, side func(Finding) []string) {
	seen := map[string]int{}
	for _, id := range left {
		seen[id]++
	}
	for _, f := range findings {
		for _, id := range side(f) {
			seen[id]++
		}
	}
	for _, r := range all {
		if seen[r.ID] != 1 {
			t.Fatalf("%s is answered %d times", r.ID, seen[r.ID])
		}
	}
	if len(seen) != len(all) {
		t.Fatalf("%d answers for %d records", len(seen), len(all))
	}
}
