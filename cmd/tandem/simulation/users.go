package simulation

import (
	"math/rand/v2"
	"slices"
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

// fieldOf finds a field of an entity's mapping.
func (w *world) fieldOf(entity, name string) (mapping.Field, bool) {
	for _, e := range w.entities {
		if e.Name == entity {
			return e.Field(name)
		}
	}
	return mapping.Field{}, false
}
