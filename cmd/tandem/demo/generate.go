package demo

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Counts says how large the example CRM is.
type Counts struct{ Contacts, Opportunities, Tasks int }

// CountsDefault is the CRM of a small company.
var CountsDefault = Counts{Contacts: 500, Opportunities: 120, Tasks: 200}

// The least that the scripted edits need: each has a record of its own.
var countsMin = Counts{Contacts: 20, Opportunities: 6, Tasks: 10}

// Validate says what is too small.
func (c Counts) Validate() error {
	if c.Contacts < countsMin.Contacts || c.Opportunities < countsMin.Opportunities || c.Tasks < countsMin.Tasks {
		return fmt.Errorf("at least %d contacts, %d opportunities and %d tasks are needed: each edit that is shown has a record of its own",
			countsMin.Contacts, countsMin.Opportunities, countsMin.Tasks)
	}
	return nil
}

// Total is the number of records.
func (c Counts) Total() int { return c.Contacts + c.Opportunities + c.Tasks }

// table is one table's content, as COPY takes it.
type table struct {
	name    string
	columns []string
	rows    [][]any
}

// seed makes every demo the same: what one newcomer sees, another can be told of.
const seed = 20260105

// generator makes the CRM's content, in an order that foreign keys allow.
type generator struct {
	r      *rand.Rand
	counts Counts
}

// generate gives the tables of a CRM. The same counts give the same content.
func generate(counts Counts) []table {
	g := &generator{r: rand.New(rand.NewPCG(seed, seed)), counts: counts}
	out := []table{
		named("company", companies, "name"), named("tag", tags, "label"),
		g.contacts(), g.contactTags(), g.opportunities(), g.stakeholders(), g.attributes(), g.tasks(),
	}
	return out
}

func named(name string, labels []string, column string) table {
	t := table{name: name, columns: []string{"id", column}}
	for i, label := range labels {
		t.rows = append(t.rows, []any{i + 1, label})
	}
	return t
}

func (g *generator) contacts() table {
	t := table{name: "contact", columns: []string{"id", "company_id", "full_name", "email", "phone", "job_title", "website", "birthday", "newsletter",
		"notes", "custom_fields", "password_hash", "created_at", "updated_at"}}
	for id := 1; id <= g.counts.Contacts; id++ {
		at := g.past()
		t.rows = append(t.rows, []any{
			id, g.maybe(0.8, func() any { return 1 + g.r.IntN(len(companies)) }), g.name(id),
			g.maybe(0.9, func() any {
				return fmt.Sprintf("contact.%d@%s", id, pick(g, "example.com", "exämple.example", "example.org"))
			}),
			g.maybe(0.9, func() any { return g.phone() }), g.maybe(0.7, func() any { return pick(g, jobs...) }),
			g.maybe(0.4, func() any { return fmt.Sprintf("https://www.example.org/%d?q=caf%%C3%%A9", id) }),
			g.maybe(0.5, func() any { return day(1950+g.r.IntN(55), 1+g.r.IntN(12), 1+g.r.IntN(28)) }), g.r.IntN(3) == 0,
			g.notes(id), g.custom(id), "$argon2id$not-for-notion", at, at,
		})
	}
	return t
}

// name numbers a name when all have been used, as people in a CRM are namesakes.
func (g *generator) name(id int) string {
	name := names[(id-1)%len(names)]
	if again := (id - 1) / len(names); again > 0 {
		name = fmt.Sprintf("%s %s", name, roman(again+1))
	}
	return name
}

func roman(n int) string {
	out := ""
	for _, d := range []struct {
		value int
		text  string
	}{{100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}} {
		for ; n >= d.value; n -= d.value {
			out += d.text
		}
	}
	return out
}

// phone writes a number as people do: most French, in several habits, some from abroad.
func (g *generator) phone() string {
	n := func(least, most int) int { return least + g.r.IntN(most-least+1) }
	a, b, c, d := n(10, 28), n(10, 99), n(10, 99), n(10, 99)
	switch g.r.IntN(6) {
	case 0:
		return fmt.Sprintf("06 %d %d %d %d", a, b, c, d)
	case 1:
		return fmt.Sprintf("01.42.%d.%d.%d", b, c, d)
	case 2:
		return fmt.Sprintf("+336%d%d%d%d", a, b, c, d)
	case 3:
		return fmt.Sprintf("06%d%d%d%d", a, b, c, d)
	case 4:
		return fmt.Sprintf("+44 20 7946 0%d%d", n(1, 9), c)
	}
	return fmt.Sprintf("+49 30 %d%d%d", b, c, d)
}

// notes are long for some: Notion cuts a text into pieces of 2,000 characters.
func (g *generator) notes(id int) any {
	switch {
	case id%25 == 5:
		var b strings.Builder
		for i := 1; b.Len() < 3000+g.r.IntN(5000); i++ {
			fmt.Fprintf(&b, "%d. %s\n", i, pick(g, sentences...))
		}
		return strings.TrimRight(b.String(), "\n")
	case g.r.IntN(3) == 0:
		return nil
	}
	return pick(g, sentences...) + " " + pick(g, sentences...)
}

// custom are the fields that the CRM's users added; those that begin with _ are the CRM's own and are left out by the mapping.
func (g *generator) custom(id int) any {
	if id%4 == 0 {
		return nil
	}
	fields := map[string]any{
		"Segment": pick(g, "Gold", "Silver", "Bronze"), "Score": float64(g.r.IntN(1000)) / 10, "_legacy_id": id * 7,
	}
	if g.r.IntN(2) == 0 {
		fields["Next visit"] = day(2026, 1+g.r.IntN(12), 1+g.r.IntN(28)).Format(time.DateOnly)
	}
	if g.r.IntN(3) == 0 {
		fields["Opted in"] = g.r.IntN(2) == 0
	}
	if g.r.IntN(4) == 0 {
		fields["Préférences"] = pick(g, sentences...) + fmt.Sprint(" #", id)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err) // strings, numbers and booleans only
	}
	return json.RawMessage(text)
}

func (g *generator) contactTags() table {
	t := table{name: "contact_tag", columns: []string{"contact_id", "tag_id"}}
	for id := 1; id <= g.counts.Contacts; id++ {
		for _, tag := range g.r.Perm(len(tags))[:g.r.IntN(4)] {
			t.rows = append(t.rows, []any{id, tag + 1})
		}
	}
	return t
}

func (g *generator) opportunities() table {
	t := table{name: "opportunity", columns: []string{"id", "contact_id", "name", "stage", "amount", "probability", "expected_close", "description",
		"created_at", "updated_at"}}
	for id := 1; id <= g.counts.Opportunities; id++ {
		at := g.past()
		t.rows = append(t.rows, []any{
			id, g.maybe(0.9, func() any { return g.contact() }), fmt.Sprintf("%s %d", pick(g, projects...), id),
			pick(g, "new", "new", "qualified", "proposal", "lost"), g.maybe(0.9, func() any { return fmt.Sprintf("%d.%02d", g.r.IntN(90_000), g.r.IntN(100)) }),
			g.maybe(0.8, func() any { return 5 * g.r.IntN(21) }), g.maybe(0.7, func() any { return day(2026, 1+g.r.IntN(12), 1+g.r.IntN(28)) }),
			g.maybe(0.6, func() any { return pick(g, sentences...) }), at, at,
		})
	}
	return t
}

func (g *generator) stakeholders() table {
	t := table{name: "opportunity_contact", columns: []string{"opportunity_id", "contact_id"}}
	for id := 1; id <= g.counts.Opportunities; id++ {
		seen := map[int]bool{}
		for range g.r.IntN(4) {
			if c := g.contact(); !seen[c] {
				seen[c] = true
				t.rows = append(t.rows, []any{id, c})
			}
		}
	}
	return t
}

// attributes are custom fields in rows of their own, with the type beside the value.
func (g *generator) attributes() table {
	t := table{name: "opportunity_attribute", columns: []string{"id", "opportunity_id", "name", "type", "value"}}
	add := func(opportunity int, name, kind, value string) {
		t.rows = append(t.rows, []any{len(t.rows) + 1, opportunity, name, kind, value})
	}
	for id := 1; id <= g.counts.Opportunities; id++ {
		if g.r.IntN(2) == 0 {
			add(id, "Competitor", "text", pick(g, companies...)+fmt.Sprint(" ", id))
		}
		if g.r.IntN(2) == 0 {
			add(id, "Licences", "number", fmt.Sprint(1+g.r.IntN(400)))
		}
		if g.r.IntN(3) == 0 {
			add(id, "Signed", "boolean", pick(g, "true", "false"))
		}
	}
	return t
}

func (g *generator) tasks() table {
	t := table{name: "task", columns: []string{"id", "opportunity_id", "contact_id", "title", "status", "priority", "due_date", "reminder_at", "description",
		"created_at", "updated_at"}}
	for id := 1; id <= g.counts.Tasks; id++ {
		at := g.past()
		t.rows = append(t.rows, []any{
			id, g.maybe(0.6, func() any { return 1 + g.r.IntN(g.counts.Opportunities) }), g.maybe(0.7, func() any { return g.contact() }),
			pick(g, chores...), pick(g, "todo", "todo", "doing", "done"), 1 + g.r.IntN(4),
			g.maybe(0.8, func() any { return day(2026, 1+g.r.IntN(12), 1+g.r.IntN(28)) }),
			g.maybe(0.3, func() any {
				return day(2026, 1+g.r.IntN(12), 1+g.r.IntN(28)).Add(time.Duration(g.r.IntN(1440)) * time.Minute)
			}),
			g.maybe(0.4, func() any { return pick(g, sentences...) }), at, at,
		})
	}
	return t
}

func (g *generator) contact() int { return 1 + g.r.IntN(g.counts.Contacts) }

// maybe gives null to the others.
func (g *generator) maybe(share float64, value func() any) any {
	if g.r.Float64() < share {
		return value()
	}
	return nil
}

// past is a moment of the last two years before the seed's day, in whole seconds as the CRM keeps them.
func (g *generator) past() time.Time {
	return day(2026, 1, 5).Add(-time.Duration(g.r.IntN(2*365*24*3600)) * time.Second)
}

func pick[T any](g *generator, from ...T) T { return from[g.r.IntN(len(from))] }

func day(year, month, date int) time.Time {
	return time.Date(year, time.Month(month), date, 0, 0, 0, 0, time.UTC)
}
