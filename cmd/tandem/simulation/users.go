package simulation

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// users are people on both sides, who neither know of each other nor of Tandem.
type users struct {
	w          *world
	dice       *rand.Rand          // of the operation that is being done
	made       map[string][]string // entity → pages that people made themselves
	binned     map[string]bool     // pages that people put in the trash
	away       map[string]bool     // pages that people moved elsewhere
	hidden     map[string]bool     // pages that people unshared
	fights     map[string]int      // page → how often an automation still puts back what it wants
	fought     map[string]bool     // pages that an automation was set on
	copies     map[string]bool     // pages that people made by duplicating
	strayed    map[string]bool     // pages that people ever put in the trash, where no query shows them
	flipped    bool                // people put values back themselves: a field may go back and forth without a fight
	everBinned map[string]bool     // pages that people ever put in the trash
	last       map[string]undo     // what an undo takes back, by place
}

type undo struct {
	entity, id, field string
	old               []string
	row               change.Value
}

// operation is one thing that people do. It has dice of its own, so that a shrunk run's people do what they did.
type operation struct {
	at   time.Duration // after people came
	seed uint64
}

func newUsers(w *world) *users {
	return &users{w: w, made: map[string][]string{}, binned: map[string]bool{}, away: map[string]bool{}, hidden: map[string]bool{}, fights: map[string]int{}, fought: map[string]bool{}, copies: map[string]bool{}, strayed: map[string]bool{}, everBinned: map[string]bool{}, last: map[string]undo{}}
}

// seedRows are there before Tandem is.
func (u *users) seedRows() {
	u.dice = u.w.dice("rows")
	for range u.w.shape.contacts {
		u.insertContact()
	}
	for range u.w.shape.deals {
		u.insertDeal()
	}
}

// plan draws what people will do; they come in bursts, and return to what somebody just touched.
func (u *users) plan() []operation {
	dice := u.w.dice("users")
	ops := make([]operation, u.w.shape.steps)
	at := time.Duration(0)
	for i := range ops {
		pause := jitter(dice, 0, 2*u.w.shape.busy/time.Duration(len(ops)))
		if dice.IntN(3) == 0 {
			pause = jitter(dice, 0, 3*time.Second)
		}
		at += pause
		ops[i] = operation{at, dice.Uint64()}
	}
	return ops
}

// live lets people do those operations of the plan that the run keeps.
func (u *users) live(plan []operation) {
	for i, op := range plan {
		if u.w.options.Ops != nil && !slices.Contains(u.w.options.Ops, i) {
			continue
		}
		u.w.after(op.at, func() {
			u.dice = rand.New(rand.NewPCG(op.seed, 1))
			u.act()
		})
	}
}

func (u *users) act() {
	entity := "contact"
	if u.dice.IntN(3) == 0 {
		entity = "deal"
	}
	switch n := u.dice.IntN(200); {
	case n < 70:
		u.editRow(entity)
	case n < 80:
		if entity == "contact" {
			u.insertContact()
		} else {
			u.insertDeal()
		}
	case n < 87:
		u.deleteRow(entity)
	case n < 90:
		u.rekeyRow(entity)
	case n < 94:
		u.swapEmails()
	case n < 98:
		u.paste(entity)
	case n < 102:
		u.undo()
	case n < 166:
		u.editPage(entity)
	case n < 170:
		u.mistype(entity)
	case n < 178:
		u.makePage(entity)
	case n < 184:
		u.trashPage(entity)
	case n < 189:
		u.restorePage()
	case n < 193:
		u.duplicatePage(entity)
	case n < 196:
		u.movePage(entity)
	case n < 198:
		u.sharePage(entity)
	default:
		u.automate(entity)
	}
}

func (u *users) text(field, where string) change.Value {
	return change.TextValue(u.w.truth.token(field, where))
}

func (u *users) insertContact() {
	key := u.w.crm.nextKey()
	where := "crm contact/" + key
	row := change.Image{"name": u.text("name", where), "email": u.text("email", where), "note": change.NullValue(), "tags": change.SetValue(), "score": change.NullValue()}
	if u.dice.IntN(2) == 0 {
		row["note"] = u.text("note", where)
	}
	u.w.crm.put("contact", key, row)
}

func (u *users) insertDeal() {
	key := u.w.crm.nextKey()
	where := "crm deal/" + key
	row := change.Image{"title": u.text("deal", where), "stage": u.text("stage", where), "contact": change.NullValue()}
	if contacts := u.w.crm.keys("contact"); len(contacts) > 0 && u.dice.IntN(4) > 0 {
		row["contact"] = change.TextValue(contacts[u.dice.IntN(len(contacts))])
	}
	u.w.crm.put("deal", key, row)
}

var rowFields = map[string][]string{"contact": {"name", "email", "email", "note", "tags", "score"}, "deal": {"title", "stage", "contact"}}

func (u *users) row(entity string) (key string, row change.Image, ok bool) {
	keys := u.w.crm.keys(entity)
	if len(keys) == 0 {
		return "", nil, false
	}
	key = keys[u.dice.IntN(len(keys))]
	return key, u.w.crm.tables[entity][key].Clone(), true
}

func (u *users) editRow(entity string) {
	key, row, ok := u.row(entity)
	if !ok {
		return
	}
	field := rowFields[entity][u.dice.IntN(len(rowFields[entity]))]
	u.setRow(entity, key, row, field)
}

func (u *users) setRow(entity, key string, row change.Image, field string) {
	where := "crm " + entity + "/" + key + " " + field
	old := row[field]
	row[field] = u.newValue(field, old, where)
	u.w.truth.replaced(wordsOf(old), wordsOf(row[field]), "a person at "+where)
	u.last["crm"] = undo{entity: entity, id: key, field: field, row: old}
	u.w.crm.put(entity, key, row)
}

// newValue is what a person puts in a field: something new, sometimes nothing.
func (u *users) newValue(field string, old change.Value, where string) change.Value {
	switch {
	case field == "tags":
		items := old.Items()
		if len(items) > 0 && u.dice.IntN(3) == 0 {
			return change.SetValue(items[1:]...)
		}
		return change.SetValue(append(slices.Clone(items), u.text("tag", where))...)
	case field == "contact":
		contacts := u.w.crm.keys("contact")
		if len(contacts) == 0 || u.dice.IntN(4) == 0 {
			return change.NullValue()
		}
		return change.TextValue(contacts[u.dice.IntN(len(contacts))])
	case field != "name" && field != "title" && u.dice.IntN(6) == 0:
		return change.NullValue()
	}
	return u.text(field, where)
}

func (u *users) deleteRow(entity string) {
	keys := u.w.crm.keys(entity)
	if len(keys) < 3 {
		return
	}
	key := keys[u.dice.IntN(len(keys))]
	for _, v := range u.w.crm.tables[entity][key] {
		u.w.truth.replaced(wordsOf(v), nil, "deleted with the row crm "+entity+"/"+key)
	}
	u.w.crm.everDeleted[entity+"/"+key] = true
	if entity == "contact" { // ON DELETE SET NULL, in the same transaction
		u.w.crm.together(func() {
			u.repoint(key, change.NullValue())
			u.w.crm.put(entity, key, nil)
		})
		return
	}
	u.w.crm.put(entity, key, nil)
}

// repoint changes the deals that name a contact.
func (u *users) repoint(contact string, to change.Value) {
	for _, deal := range u.w.crm.keys("deal") {
		if row := u.w.crm.tables["deal"][deal]; row["contact"].Text() == contact {
			row = row.Clone()
			row["contact"] = to
			u.w.crm.put("deal", deal, row)
		}
	}
}

// rekeyRow gives a row another key, and what names it with it (ON UPDATE CASCADE).
func (u *users) rekeyRow(entity string) {
	key, row, ok := u.row(entity)
	if !ok {
		return
	}
	u.w.crm.together(func() {
		to := u.w.crm.nextKey()
		u.w.crm.rekey(entity, key, to, row)
		if entity == "contact" {
			u.repoint(key, change.TextValue(to))
		}
	})
}

// swapEmails is what a person does who finds two addresses at the wrong people.
func (u *users) swapEmails() {
	keys := u.w.crm.keys("contact")
	if len(keys) < 2 {
		return
	}
	at := u.dice.IntN(len(keys) - 1)
	a, b := u.w.crm.tables["contact"][keys[at]].Clone(), u.w.crm.tables["contact"][keys[at+1]].Clone()
	a["email"], b["email"] = b["email"], a["email"]
	u.flipped = true
	u.w.truth.moved(append(wordsOf(a["email"]), wordsOf(b["email"])...)...)
	u.w.crm.together(func() {
		u.w.crm.put("contact", keys[at], a)
		u.w.crm.put("contact", keys[at+1], b)
	})
}

// paste changes one field of all rows in one transaction, or of all open pages within a second.
func (u *users) paste(entity string) {
	field := rowFields[entity][u.dice.IntN(len(rowFields[entity]))]
	if u.dice.IntN(2) == 0 {
		u.w.crm.together(func() {
			for _, key := range u.w.crm.keys(entity) {
				u.setRow(entity, key, u.w.crm.tables[entity][key].Clone(), field)
			}
		})
		return
	}
	if field == "score" {
		return // one way
	}
	for _, page := range u.pages(entity) {
		u.setPage(entity, page, field)
	}
}

// undo takes the newest edit of one side back, if nobody changed it since.
func (u *users) undo() {
	u.flipped = true
	if u.dice.IntN(2) == 0 {
		last, ok := u.last["crm"]
		row := u.w.crm.tables[last.entity][last.id]
		if !ok || row == nil || last.field == "contact" {
			return
		}
		next := row.Clone()
		u.w.truth.replaced(wordsOf(row[last.field]), wordsOf(last.row), "an undo at crm "+last.entity+"/"+last.id)
		next[last.field] = last.row
		u.w.truth.moved(wordsOf(last.row)...)
		delete(u.last, "crm")
		u.w.crm.put(last.entity, last.id, next)
		return
	}
	last, ok := u.last["notion"]
	if !ok {
		return
	}
	seen, ok := u.w.notion.look(last.id)
	if !ok || seen.trashed || last.field == "contact" || u.w.notion.edit(last.id, last.field, last.old) != nil {
		return
	}
	delete(u.last, "notion")
	u.w.truth.moved(last.old...)
	u.w.truth.replaced(seen.words[last.field], last.old, "an undo at notion "+last.id)
	u.w.effect("person undoes", last.id, last.field)
}

// pages are those of an entity that people can open.
func (u *users) pages(entity string) []string {
	open := slices.DeleteFunc(u.everyPage(entity), func(page string) bool { return u.binned[page] || u.away[page] })
	return open
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

var pageFields = map[string][]string{"contact": {"name", "email", "email", "note", "tags"}, "deal": {"title", "stage", "contact"}}

func (u *users) editPage(entity string) {
	pages := u.pages(entity)
	if len(pages) == 0 {
		return
	}
	page := pages[u.dice.IntN(len(pages))]
	u.setPage(entity, page, pageFields[entity][u.dice.IntN(len(pageFields[entity]))])
}

func (u *users) setPage(entity, page, field string) {
	where := "notion " + entity + "/" + page[:8] + " " + field
	seen, ok := u.w.notion.look(page)
	if !ok || seen.trashed {
		return // in the trash by Tandem's hand: people restore before they edit
	}
	old := seen.words[field]
	next := u.newWords(field, old, where)
	if field == "contact" && slices.Equal(old, next) {
		return // nobody can empty what shows as empty, or choose what is chosen
	}
	if u.w.notion.edit(page, field, next) != nil {
		u.w.truth.forget(next, old)
		return
	}
	u.last["notion"] = undo{entity: entity, id: page, field: field, old: old}
	u.w.truth.replaced(old, next, "a person at "+where)
	u.w.effect(append([]string{"person edits", page, field}, next...)...)
}

// newWords is newValue in Notion.
func (u *users) newWords(field string, old []string, where string) []string {
	empty := u.dice.IntN(6) == 0
	switch field {
	case "tags":
		if len(old) > 0 && empty {
			return slices.Clone(old[1:])
		}
		return append(slices.Clone(old), u.w.truth.token("tag", where))
	case "contact":
		contacts := u.pages("contact")
		if len(contacts) == 0 || empty {
			return nil
		}
		return []string{contacts[u.dice.IntN(len(contacts))]}
	case "name", "title":
		empty = false
	}
	if empty {
		return nil
	}
	return []string{u.w.truth.token(bare(field), where)}
}

// mistype is an edit that is mended by the one who made it a few seconds later.
func (u *users) mistype(entity string) {
	pages := u.pages(entity)
	if len(pages) == 0 {
		return
	}
	page, field := pages[u.dice.IntN(len(pages))], map[string]string{"contact": "email", "deal": "title"}[entity]
	u.setPage(entity, page, field)
	dice := u.dice
	u.w.after(jitter(dice, time.Second, 6*time.Second), func() {
		u.dice = dice
		u.setPage(entity, page, field)
	})
}

func (u *users) makePage(entity string) {
	title := map[string]string{"contact": "name", "deal": "title"}[entity]
	name := u.w.truth.token(title, "notion "+entity+"/new")
	page, err := u.w.notion.create(entity, name)
	if err != nil {
		u.w.truth.forget([]string{name}, nil)
		return
	}
	u.made[entity] = append(u.made[entity], page)
	u.w.effect("person makes", page, name)
}

func (u *users) trashPage(entity string) {
	pages := u.pages(entity)
	if len(pages) == 0 {
		return
	}
	page := pages[u.dice.IntN(len(pages))]
	seen, ok := u.w.notion.look(page)
	if !ok || u.w.notion.trash(page, true) != nil {
		return
	}
	u.binned[page], u.strayed[page], u.everBinned[page] = true, true, true
	for _, words := range seen.words {
		u.w.truth.replaced(words, nil, "put in the trash with page "+page[:8])
	}
	u.w.effect("person trashes", page)
}

func (u *users) restorePage() {
	binned := change.Sorted(u.binned)
	if len(binned) == 0 {
		return
	}
	page := binned[u.dice.IntN(len(binned))]
	if u.w.notion.trash(page, false) == nil {
		delete(u.binned, page)
		u.w.effect("person restores", page)
	}
}

func (u *users) duplicatePage(entity string) {
	pages := u.pages(entity)
	if len(pages) == 0 {
		return
	}
	page := pages[u.dice.IntN(len(pages))]
	if copied, err := u.w.notion.duplicate(page); err == nil {
		u.made[entity] = append(u.made[entity], copied)
		u.copies[copied] = true
		if seen, ok := u.w.notion.look(copied); ok {
			for _, words := range seen.words {
				u.w.truth.moved(words...)
			}
		}
		u.w.effect("person duplicates", page, copied)
	}
}

// movePage puts a page into another database, or one that is there back.
func (u *users) movePage(entity string) {
	if away := change.Sorted(u.away); len(away) > 0 && u.dice.IntN(2) == 0 {
		page := away[u.dice.IntN(len(away))]
		if u.w.notion.move(page, false) == nil {
			delete(u.away, page)
			u.w.effect("person moves back", page)
		}
		return
	}
	pages := u.pages(entity)
	if len(pages) == 0 {
		return
	}
	page := pages[u.dice.IntN(len(pages))]
	if u.w.notion.move(page, true) == nil {
		u.away[page], u.strayed[page] = true, true
		u.w.effect("person moves away", page)
	}
}

// sharePage takes a page from the connection, or gives it back.
func (u *users) sharePage(entity string) {
	if hidden := change.Sorted(u.hidden); len(hidden) > 0 && u.dice.IntN(2) == 0 {
		page := hidden[u.dice.IntN(len(hidden))]
		if u.w.notion.share(page, true) == nil {
			delete(u.hidden, page)
			u.w.effect("person shares", page)
		}
		return
	}
	pages := u.pages(entity)
	if len(pages) == 0 {
		return
	}
	page := pages[u.dice.IntN(len(pages))]
	if u.w.notion.share(page, false) == nil {
		u.hidden[page], u.strayed[page] = true, true
		u.w.effect("person unshares", page)
	}
}

// automate lets an automation in Notion put its own value back whenever Tandem changes a page's stage or note, a few times.
func (u *users) automate(entity string) {
	pages := u.pages(entity)
	if len(pages) == 0 {
		return
	}
	page := pages[u.dice.IntN(len(pages))]
	u.fights[page] = 2 + u.dice.IntN(6)
	u.fought[page] = true
	u.w.effect("person automates", page)
}

var fought = map[string]string{"contact": "note", "deal": "stage"}

// automation reacts to a write of Tandem's.
func (u *users) automation(page, entity string, written map[string]change.Value) {
	field := fought[entity]
	if _, touched := written[field]; !touched || u.fights[page] == 0 {
		return
	}
	u.fights[page]--
	want := []string{"auto" + strconv.Itoa(len(page)) + page[:8]}
	u.w.after(time.Second, func() {
		now, ok := u.w.notion.look(page)
		if !ok || now.trashed || slices.Equal(now.words[field], want) {
			return // put in the trash meanwhile, it is no edit
		}
		if u.w.notion.edit(page, field, want) == nil {
			u.w.truth.edits[want[0]] = edit{at: u.w.now, where: "an automation at " + page, again: true}
			u.w.truth.replaced(now.words[field], want, "an automation at notion "+page)
			u.w.effect("automation edits", page, field, want[0])
		}
	})
}

// fieldOf finds a field of an entity's mapping.
func (w *world) fieldOf(entity, name string) (mapping.Field, bool) {
	for _, e := range w.entities {
		if e.Name == entity {
			return e.Field(name)
		}
	}
	return mapping.Field{}, false
}
