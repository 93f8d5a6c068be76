package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// judge looks at both sides when everything is still.
type judge struct {
	w *world

	links     map[int64]ledger.Link
	byKey     map[string]ledger.Link // entity/key → link
	byPage    map[string]ledger.Link
	holds     map[int64][]ledger.Hold
	waiting   map[int64]string // link → why its work is not done
	pages     map[string]look  // all pages that ever were
	visible   map[string]bool  // tokens that stand in a row, or in a page that is not in the trash
	conflicts []ledger.Conflict
}

func (j *judge) fault(oracle, format string, args ...any) { j.w.violation(oracle, format, args...) }

func (j *judge) all() {
	j.gather()
	j.show()
	for _, e := range j.w.entities {
		j.converged(e)
		j.adopted(e)
	}
	j.noDuplicates()
	j.noSilentLoss()
	j.listed()
	j.noInvention()
	j.clocked()
	j.alerted()
	j.thrifty()
	j.replayed()
}

// gather reads all there is.
func (j *judge) gather() {
	ctx := j.w.context()
	j.links, j.byKey, j.byPage = map[int64]ledger.Link{}, map[string]ledger.Link{}, map[string]ledger.Link{}
	j.holds, j.waiting = map[int64][]ledger.Hold{}, map[int64]string{}
	j.pages, j.visible = map[string]look{}, map[string]bool{}
	pending, err := j.w.ledger.Pending(ctx, syncName, 10_000)
	if err != nil {
		j.fault("converged", "read pending work: %v", err)
	}
	for _, p := range pending {
		j.holds[p.Link.ID] = p.Holds
		for _, work := range p.Work {
			if work.Parked != "" {
				j.waiting[p.Link.ID] += string(work.Side) + ": " + work.Parked + " "
			} else {
				j.waiting[p.Link.ID] += fmt.Sprintf("%s: %s, tried %d times, again at %s ", work.Side, work.Why, work.Attempts, clock(work.NotBefore))
			}
		}
	}
	for _, e := range j.w.entities {
		for _, row := range j.w.crm.tables[e.Name] {
			for _, v := range row {
				j.see(wordsOf(v))
			}
		}
		j.gatherLinks(e)
	}
	for _, id := range j.w.notion.everyPage() {
		l, ok := j.w.notion.look(id)
		if !ok {
			continue
		}
		j.pages[id] = l
		if !l.trashed {
			for _, words := range l.words {
				j.see(words)
			}
		}
	}
	if j.conflicts, err = j.w.ledger.Conflicts(ctx, syncName, 0, 100_000); err != nil {
		j.fault("loss", "read conflicts: %v", err)
	}
}

func (j *judge) gatherLinks(e *mapping.Entity) {
	ctx := j.w.context()
	keys, err := j.w.ledger.Keys(ctx, syncName, e.Name, "", 10_000)
	if err != nil {
		j.fault("converged", "read keys: %v", err)
	}
	byKey, err := j.w.ledger.ByKey(ctx, syncName, e.Name, keys)
	if err != nil {
		j.fault("converged", "read links: %v", err)
	}
	for key, l := range byKey {
		j.links[l.ID], j.byKey[e.Name+"/"+key] = l, l
	}
	pages, err := j.w.ledger.Pages(ctx, syncName, e.Name, "", 10_000)
	if err != nil {
		j.fault("converged", "read pages: %v", err)
	}
	byPage, err := j.w.ledger.ByPage(ctx, syncName, pages)
	if err != nil {
		j.fault("converged", "read links: %v", err)
	}
	for page, l := range byPage {
		j.links[l.ID], j.byPage[page] = l, l
	}
}

func (j *judge) see(tokens []string) {
	for _, token := range tokens {
		j.visible[token] = true
	}
}

// waits tells whether a link waits for a good reason; one that waits for a bad one is a fault.
func (j *judge) waits(name string, link ledger.Link) bool {
	holds := j.holds[link.ID]
	for _, h := range holds {
		if why := j.unjust(link, h); why != "" {
			j.fault("converged", "%s is held (%s: %s), but %s", name, h.Kind, h.Reason, why)
		}
	}
	if len(holds) > 0 {
		return true
	}
	why := j.waiting[link.ID]
	if why == "" {
		return false
	}
	if !j.expected(link, why) {
		j.fault("converged", "%s waits: %s", name, why)
	}
	return true
}

// unjust says why a hold has no reason, "" if it has one.
func (j *judge) unjust(link ledger.Link, h ledger.Hold) string {
	_, rowThere := j.w.crm.tables[link.Entity][link.Key]
	page, known := j.pages[link.Page]
	open := known && !page.trashed
	switch h.Kind {
	case "delete_row", "trash_page", "delete_vs_edit", "restored":
		if rowThere && open {
			return "the row is there and the page is open"
		}
	case "vanished":
		if rowThere && open && !page.hidden && !page.away {
			return "both can be read"
		}
	case "moved":
		if known && !page.away {
			return "the page is where it belongs"
		}
	case "oscillation":
		if !j.mayFlip(link, h.Field == "contact") {
			return "nobody fought over it"
		}
	case "brake":
		if j.w.shape.rules.loose() {
			return "nothing was done beyond a limit"
		}
	case "create", "copy":
	default:
		return "the simulation does not know this kind of hold"
	}
	return ""
}

// mayFlip reports that a field may have gone back and forth: an automation fought, people put values back, or there are so few to choose from that they
// chose the same ones again.
func (j *judge) mayFlip(link ledger.Link, few bool) bool {
	return few || j.w.users.fought[link.Page] || j.w.users.flipped
}

// expected is work that waits for a good reason.
func (j *judge) expected(link ledger.Link, why string) bool {
	switch {
	case strings.Contains(why, "is in the trash"), strings.Contains(why, "did not take the reference"):
		return j.relatesToTrash(link)
	case strings.Contains(why, "back and forth"), strings.Contains(why, "came back, twice"):
		return j.mayFlip(link, strings.HasPrefix(why, "contact"))
	case strings.Contains(why, "the CRM keeps one related"):
		return true
	case strings.Contains(why, "violates a foreign key"):
		return true // the contact's row is gone, and what becomes of its page is held
	case strings.Contains(why, "related to cannot be found"):
		return j.relatesToStray(link)
	case strings.Contains(why, "has no counterpart yet"), strings.Contains(why, "is not linked yet"):
		return j.relatesToHeld(link) || j.relatesToStray(link)
	}
	return false
}

// relatesToStray: one of the pages that either side names was put in the trash, unshared or moved by people, or is there no more.
func (j *judge) relatesToStray(link ledger.Link) bool {
	u := j.w.users
	for _, target := range j.targets(link) {
		if page, ok := j.pages[target.Page]; !ok || page.hidden || page.away || page.trashed || u.strayed[target.Page] {
			return true
		}
	}
	for _, id := range j.pages[link.Page].words["contact"] {
		if page, ok := j.pages[id]; !ok || page.hidden || page.away || page.trashed {
			return true
		}
	}
	return false
}

// relatesToTrash: one of the contacts that either side names has its page in the trash, or held.
func (j *judge) relatesToTrash(link ledger.Link) bool {
	for _, target := range j.targets(link) {
		if page, ok := j.pages[target.Page]; !ok || page.trashed {
			return true
		}
	}
	return j.relatesToHeld(link)
}

func (j *judge) relatesToHeld(link ledger.Link) bool {
	for _, target := range j.targets(link) {
		if len(j.holds[target.ID]) > 0 || j.waiting[target.ID] != "" {
			return true
		}
	}
	return false
}

func (j *judge) targets(link ledger.Link) []ledger.Link {
	var out []ledger.Link
	if row, ok := j.w.crm.tables[link.Entity][link.Key]; ok {
		for _, key := range wordsOf(row["contact"]) {
			out = append(out, j.byKey["contact/"+key])
		}
	}
	for _, id := range j.pages[link.Page].words["contact"] {
		out = append(out, j.byPage[id])
	}
	for _, v := range link.Base["contact"].Value.Items() {
		for id, l := range j.links {
			if fmt.Sprint(id) == v.Text() {
				out = append(out, l)
			}
		}
	}
	return out
}

// converged (1): every row has its page, and they say the same in every field, as the base does, unless a person has to decide.
func (j *judge) converged(e *mapping.Entity) {
	for _, key := range j.w.crm.keys(e.Name) {
		link, ok := j.byKey[e.Name+"/"+key]
		name := e.Name + "/" + key
		page, open := j.pages[link.Page]
		switch {
		case !ok:
			j.fault("converged", "%s has no link", name)
		case j.waits(name, link):
		case !open || page.trashed:
			j.fault("converged", "%s has no page (link %d, state %s, page %s)", name, link.ID, link.State, link.Page)
		case page.away || page.hidden:
			j.fault("converged", "%s has a page that is away (link %d, state %s, page %s), and nobody is told", name, link.ID, link.State, link.Page)
		default:
			j.equal(e, key, link, page)
		}
	}
}

func (j *judge) equal(e *mapping.Entity, key string, link ledger.Link, page look) {
	row := j.w.crm.tables[e.Name][key]
	for _, f := range e.Fields {
		crm := wordsOf(row[f.Name])
		if f.Relation != "" {
			crm = j.pagesOf(f.Relation, crm)
		}
		crm, notion := slices.Sorted(slices.Values(crm)), slices.Sorted(slices.Values(page.words[f.Name]))
		if !slices.Equal(crm, notion) {
			if f.Relation != "" && (j.relatesToHeld(link) || j.relatesToStray(link)) {
				continue // whether a page that cannot be read is still related cannot be known
			}
			j.fault("converged", "%s/%s %s: the row says %v, page %s says %v (link %d %s)", e.Name, key, f.Name, crm, link.Page, notion, link.ID, link.State)
			continue
		}
		if base := link.Base[f.Name]; f.Relation == "" && !slices.Equal(wordsOf(base.Value), slices.Sorted(slices.Values(crm))) {
			j.fault("converged", "%s/%s %s: both sides say %v, and the base %v", e.Name, key, f.Name, crm, wordsOf(base.Value))
		}
	}
}

func (j *judge) pagesOf(entity string, keys []string) []string {
	var out []string
	for _, key := range keys {
		if l, ok := j.byKey[entity+"/"+key]; ok && !j.pages[l.Page].trashed && j.pages[l.Page].entity != "" {
			out = append(out, l.Page)
		}
	}
	return out
}

// adopted (1): every page that people made in a database of ours is a row, unless a person has to decide.
func (j *judge) adopted(e *mapping.Entity) {
	for _, id := range change.Sorted(j.pages) {
		page := j.pages[id]
		if page.entity != e.Name || page.trashed || page.away || page.hidden {
			continue
		}
		link, ok := j.byPage[id]
		name := "page " + id
		switch {
		case !ok:
			j.fault("converged", "%s of %s is not known to anybody", name, e.Name)
		case j.waits(name, link):
		case link.Key == "" || j.w.crm.tables[e.Name][link.Key] == nil:
			j.fault("converged", "%s of %s has no row (link %d, state %s, key %q)", name, e.Name, link.ID, link.State, link.Key)
		}
	}
}

// noDuplicates (5): no two open pages carry one external id, and no two rows have one page.
func (j *judge) noDuplicates() {
	byExternal := map[string]string{}
	for _, id := range change.Sorted(j.pages) {
		page := j.pages[id]
		if page.trashed || page.hidden || page.away || page.external == "" {
			continue
		}
		other := byExternal[page.external]
		byExternal[page.external] = id
		if other == "" {
			continue
		}
		if link, ok := j.byPage[id]; ok && len(j.holds[link.ID]) > 0 {
			continue
		}
		if link, ok := j.byPage[other]; ok && len(j.holds[link.ID]) > 0 {
			continue
		}
		j.fault("duplicate", "pages %s and %s carry one external id %s", other, id, page.external)
	}
	made := map[string]int{} // rows: whoever made the same page twice
	for _, id := range change.Sorted(j.byPage) {
		made[id]++
	}
	// A row that Tandem made for a page belongs to that page's link, and to no other.
	for _, e := range j.w.entities {
		for _, key := range j.w.crm.keys(e.Name) {
			if by := j.w.crm.madeBy[e.Name+"/"+key]; by != "" && j.byKey[e.Name+"/"+key].Page != by && j.byKey[e.Name+"/"+key].ID != 0 {
				if other, ok := j.byPage[by]; ok && other.Key != key && other.Key != "" {
					j.fault("duplicate", "rows %s and %s of %s were both made for page %s", key, other.Key, e.Name, by)
				}
			}
		}
	}
}

// show traces what the ledger knows in the end.
func (j *judge) show() {
	if j.w.options.Trace == nil {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(j.links)) {
		data, err := json.Marshal(j.links[id])
		j.w.options.Trace(fmt.Sprintf("end: link %s %v held=%v waits=%q", data, err, j.holds[id], j.waiting[id]))
	}
}
