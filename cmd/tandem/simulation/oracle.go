package simulation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// judge looks at both sides when everything is still.
type judge struct {
	w         *world
	users     *users
	entities  []*mapping.Entity
	found     []string
	conflicts int

	links   map[int64]ledger.Link
	held    map[int64]string // link → why it waits for a person
	waiting map[int64]string // link → why its work is not done
	pages   map[string]map[string]json.RawMessage
	visible map[string]bool // tokens that stand in a row or in a page that is not in the trash
}

func (j *judge) fault(format string, args ...any) {
	j.found = append(j.found, fmt.Sprintf(format, args...))
}

func (j *judge) all() {
	j.gather()
	j.show()
	for _, e := range j.entities {
		j.converged(e)
	}
	j.noDuplicates()
	j.noSilentLoss()
	j.noInvention()
	j.alerted()
}

// show traces what the ledger knows in the end.
func (j *judge) show() {
	if j.w.trace == nil {
		return
	}
	for _, id := range sortedIDs(j.links) {
		data, err := json.Marshal(j.links[id])
		j.w.trace("end: link %s %v held=%q waits=%q", data, err, j.held[id], j.waiting[id])
	}
}

// gather reads all there is.
func (j *judge) gather() {
	ctx := j.w.context()
	j.links, j.held, j.waiting = map[int64]ledger.Link{}, map[int64]string{}, map[int64]string{}
	j.pages, j.visible = map[string]map[string]json.RawMessage{}, map[string]bool{}
	pending, err := j.w.ledger.Pending(ctx, syncName, 10_000)
	if err != nil {
		j.fault("read pending work: %v", err)
	}
	for _, p := range pending {
		for _, h := range p.Holds {
			j.held[p.Link.ID] = h.Kind
		}
		for _, work := range p.Work {
			j.waiting[p.Link.ID] += string(work.Side) + ": " + work.Parked + " "
		}
	}
	for _, e := range j.entities {
		for _, row := range j.w.crm.tables[e.Name] {
			for _, v := range row {
				j.see(tokensOf(v))
			}
		}
		for _, page := range j.users.everyPage(e.Name) {
			j.gatherPage(page)
		}
		j.gatherLinks(e)
	}
}

func (j *judge) gatherPage(page string) {
	now, err := j.w.person().Properties(page)
	if err != nil {
		return
	}
	trashed, err := j.w.person().InTrash(page)
	if err != nil || trashed {
		return
	}
	j.pages[page] = now
	for _, raw := range now {
		j.see(words(raw))
	}
}

func (j *judge) gatherLinks(e *mapping.Entity) {
	ctx := j.w.context()
	keys, err := j.w.ledger.Keys(ctx, syncName, e.Name, "", 10_000)
	if err != nil {
		j.fault("read keys: %v", err)
	}
	byKey, err := j.w.ledger.ByKey(ctx, syncName, e.Name, keys)
	if err != nil {
		j.fault("read links: %v", err)
	}
	for _, l := range byKey {
		j.links[l.ID] = l
	}
}

func (j *judge) see(tokens []string) {
	for _, token := range tokens {
		j.visible[token] = true
	}
}

// everyPage is every page of an entity that anybody made, wherever it is now.
func (u *users) everyPage(entity string) []string {
	linked, err := u.w.ledger.Pages(u.w.context(), syncName, entity, "", 10_000)
	if err != nil {
		panic(err) // memory does not fail
	}
	all := append(linked, u.made[entity]...)
	slices.Sort(all)
	return slices.Compact(all)
}

// converged: every row has its page, and they say the same in every field, unless a person has to decide.
func (j *judge) converged(e *mapping.Entity) {
	for _, key := range j.w.crm.keys(e.Name) {
		link, ok := j.linkOf(e.Name, key)
		name := e.Name + "/" + key
		switch {
		case !ok:
			j.fault("%s has no link", name)
		case j.held[link.ID] != "":
		case j.waiting[link.ID] != "" && !expected(j.waiting[link.ID]):
			j.fault("%s waits: %s", name, j.waiting[link.ID])
		case j.waiting[link.ID] != "":
		case j.pages[link.Page] == nil:
			j.fault("%s has no page (link %d, state %s, page %s)", name, link.ID, link.State, link.Page)
		default:
			j.equal(e, key, link)
		}
	}
}

// expected is work that waits for a good reason.
func expected(why string) bool {
	return strings.Contains(why, "the CRM keeps one related") || strings.Contains(why, "is empty") || strings.Contains(why, "back and forth") || strings.Contains(why, "came back, twice") ||
		strings.Contains(why, "is in the trash: Notion would drop") || strings.Contains(why, "did not take the reference")
}

func (j *judge) linkOf(entity, key string) (ledger.Link, bool) {
	for _, id := range sortedIDs(j.links) {
		if l := j.links[id]; l.Entity == entity && l.Key == key {
			return l, true
		}
	}
	return ledger.Link{}, false
}

func sortedIDs(links map[int64]ledger.Link) []int64 {
	ids := make([]int64, 0, len(links))
	for id := range links {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (j *judge) equal(e *mapping.Entity, key string, link ledger.Link) {
	row := j.w.crm.tables[e.Name][key]
	for _, f := range e.Fields {
		crm := tokensOf(row[f.Name])
		if f.Relation != "" {
			crm = j.pagesOf(f.Relation, crm)
		}
		slices.Sort(crm)
		notion := words(j.pages[link.Page][f.Property])
		if f.Name == "email" {
			for i := range crm {
				crm[i] = strings.ToLower(crm[i])
			}
		}
		if !slices.Equal(crm, notion) {
			j.fault("%s/%s %s: the row says %v, page %s says %v (link %d %s)", e.Name, key, f.Name, crm, link.Page, notion, link.ID, link.State)
		}
	}
}

func (j *judge) pagesOf(entity string, keys []string) []string {
	var out []string
	for _, key := range keys {
		if l, ok := j.linkOf(entity, key); ok && j.pages[l.Page] != nil {
			out = append(out, l.Page)
		}
	}
	return out
}

// noDuplicates: no two open pages carry one external id, and no two rows have one page.
func (j *judge) noDuplicates() {
	byExternal := map[string]string{}
	for _, page := range change.Sorted(j.pages) {
		external := plain(j.pages[page]["Tandem ID"])
		if other := byExternal[external]; external != "" && other != "" {
			j.fault("pages %s and %s carry one external id %s", other, page, external)
		}
		byExternal[external] = page
	}
	byPage := map[string]string{}
	for _, id := range sortedIDs(j.links) {
		l := j.links[id]
		if l.Page == "" {
			continue
		}
		if other := byPage[l.Page]; other != "" {
			j.fault("rows %s and %s have one page %s", other, l.Key, l.Page)
		}
		byPage[l.Page] = l.Key
	}
}

// noSilentLoss: every edit's value can be seen, was replaced by a person who saw it, lost a recorded conflict, or was overwritten in the window
// that no client can close.
func (j *judge) noSilentLoss() {
	lost := map[string]bool{}
	for _, id := range j.everyLink() {
		conflicts, err := j.w.ledger.Conflicts(j.w.context(), syncName, id, 10_000)
		if err != nil {
			j.fault("read conflicts: %v", err)
		}
		j.conflicts += len(conflicts)
		for _, c := range conflicts {
			_, loser := c.Loser()
			for _, token := range tokensOf(loser) {
				lost[token] = true
			}
		}
	}
	for _, token := range change.Sorted(j.w.truth.edits) {
		_, window := j.w.truth.windows[token]
		if _, gone := j.w.truth.gone[token]; gone || window || lost[token] || j.visible[token] {
			continue
		}
		e := j.w.truth.edits[token]
		j.fault("edit %q of %s at %s disappeared silently", token, e.where, e.at.Format("15:04:05.000"))
	}
}

// everyLink is all links that ever were: a run makes some hundreds at most.
func (j *judge) everyLink() []int64 {
	ids := make([]int64, 0, 2000)
	for id := range int64(2000) {
		ids = append(ids, id+1)
	}
	return ids
}

// noInvention: nothing stands anywhere that nobody wrote.
func (j *judge) noInvention() {
	for _, e := range j.entities {
		for _, key := range j.w.crm.keys(e.Name) {
			for _, f := range e.Fields {
				if f.Relation != "" {
					continue
				}
				for _, token := range tokensOf(j.w.crm.tables[e.Name][key][f.Name]) {
					if _, known := j.w.truth.edits[token]; !known {
						j.fault("%s/%s %s says %q, which nobody wrote", e.Name, key, f.Name, token)
					}
				}
			}
		}
	}
}

// alerted: every conflict on a critical field is on the alerts topic, and the outbox is empty.
func (j *judge) alerted() {
	published := map[string]bool{}
	for _, r := range j.w.broker.topics["alerts"] {
		published[string(r.Key)] = true
	}
	for _, id := range j.everyLink() {
		conflicts, err := j.w.ledger.Conflicts(j.w.context(), syncName, id, 10_000)
		if err != nil {
			j.fault("read conflicts: %v", err)
		}
		for _, c := range conflicts {
			if (c.Critical || c.Undecidable) && !published[c.ID] {
				j.fault("conflict %s on %s was not alerted", c.ID, c.Field)
			}
		}
	}
	if left, err := j.w.ledger.Outbox(j.w.context(), 10); err != nil || len(left) > 0 {
		j.fault("%d alerts were never published (%v)", len(left), err)
	}
}
