package simulation

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

// users are people on both sides, who neither know of each other nor of Tandem.
type users struct {
	w      *world
	dice   *rand.Rand
	person *emulator.Person
	made   map[string][]string // entity → pages that people made themselves
	binned map[string]bool     // pages that people put in the trash
}

func newUsers(w *world) *users {
	return &users{w: w, dice: w.dice("users"), person: w.person(), made: map[string][]string{}, binned: map[string]bool{}}
}

// person is the member who edits in Notion.
func (w *world) person() *emulator.Person { return w.notion.Person(w.notion.PersonID("Ada Lovelace")) }

// seedRows are there before Tandem is.
func (u *users) seedRows(n int) {
	for range n {
		u.insertContact()
	}
	for range n / 2 {
		u.insertDeal()
	}
}

func (u *users) text(field, where string) change.Value {
	return change.TextValue(u.w.truth.token(field, where))
}

func (u *users) insertContact() {
	key := u.w.crm.nextKey()
	row := change.Image{"name": u.text("name", "crm contact/"+key), "email": u.text("email", "crm contact/"+key), "note": change.NullValue(), "tags": change.SetValue(), "score": change.NullValue()}
	if u.dice.IntN(2) == 0 {
		row["note"] = u.text("note", "crm contact/"+key)
	}
	u.w.crm.put("contact", key, row)
}

func (u *users) insertDeal() {
	key := u.w.crm.nextKey()
	row := change.Image{"title": u.text("deal", "crm deal/"+key), "stage": u.text("stage", "crm deal/"+key), "contact": change.NullValue()}
	if contacts := u.w.crm.keys("contact"); len(contacts) > 0 && u.dice.IntN(4) > 0 {
		row["contact"] = change.TextValue(contacts[u.dice.IntN(len(contacts))])
	}
	u.w.crm.put("deal", key, row)
}

// live plans so many actions over a stretch of time; people come in bursts, and return to what somebody just touched.
func (u *users) live(actions int, over time.Duration) {
	at := u.w.now
	for range actions {
		pause := jitter(u.dice, 0, 2*over/time.Duration(actions))
		if u.dice.IntN(3) == 0 {
			pause = jitter(u.dice, 0, 3*time.Second)
		}
		at = at.Add(pause)
		u.w.at(at, u.act)
	}
}

func (u *users) act() {
	entity := "contact"
	if u.dice.IntN(3) == 0 {
		entity = "deal"
	}
	switch n := u.dice.IntN(100); {
	case n < 38:
		u.editRow(entity)
	case n < 44:
		if entity == "contact" {
			u.insertContact()
		} else {
			u.insertDeal()
		}
	case n < 48:
		u.deleteRow(entity)
	case n < 86:
		u.editPage(entity)
	case n < 91:
		u.makePage(entity)
	case n < 94:
		u.trashPage(entity)
	case n < 97:
		u.restorePage()
	default:
		u.duplicatePage(entity)
	}
}

var rowFields = map[string][]string{"contact": {"name", "email", "email", "note", "tags", "score"}, "deal": {"title", "stage", "contact"}}

func (u *users) editRow(entity string) {
	keys := u.w.crm.keys(entity)
	if len(keys) == 0 {
		return
	}
	key := keys[u.dice.IntN(len(keys))]
	row := u.w.crm.tables[entity][key].Clone()
	field := rowFields[entity][u.dice.IntN(len(rowFields[entity]))]
	where := "crm " + entity + "/" + key + " " + field
	old := row[field]
	row[field] = u.newValue(field, old, where)
	u.w.truth.replaced(tokensOf(old), tokensOf(row[field]), "a person at "+where)
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
		u.w.truth.replaced(tokensOf(v), nil, "deleted with the row crm "+entity+"/"+key)
	}
	if entity == "contact" { // ON DELETE SET NULL
		for _, deal := range u.w.crm.keys("deal") {
			if row := u.w.crm.tables["deal"][deal]; row["contact"].Text() == key {
				row = row.Clone()
				row["contact"] = change.NullValue()
				u.w.crm.put("deal", deal, row)
			}
		}
	}
	u.w.crm.put(entity, key, nil)
}

// pages are those of an entity that people can open.
func (u *users) pages(entity string) []string {
	linked, err := u.w.ledger.Pages(u.w.context(), syncName, entity, "", 10_000)
	if err != nil {
		panic(err) // memory does not fail
	}
	var open []string
	for _, page := range append(linked, u.made[entity]...) {
		if !u.binned[page] && !slices.Contains(open, page) {
			open = append(open, page)
		}
	}
	slices.Sort(open)
	return open
}

func (u *users) schema(entity string) (ledger.Schema, bool) {
	s, ok, err := u.w.ledger.Schema(u.w.context(), syncName, entity)
	if err != nil {
		panic(err) // memory does not fail
	}
	return s, ok && s.DataSource != ""
}

var pageFields = map[string][]string{"contact": {"Name", "Email", "Email", "Note", "Tags"}, "deal": {"Title", "Stage", "Contact"}}

func (u *users) editPage(entity string) {
	pages := u.pages(entity)
	if len(pages) == 0 {
		return
	}
	page := pages[u.dice.IntN(len(pages))]
	field := pageFields[entity][u.dice.IntN(len(pageFields[entity]))]
	where := "notion " + entity + "/" + page[:8] + " " + field
	now, err := u.person.Properties(page)
	if trashed, terr := u.person.InTrash(page); err != nil || terr != nil || trashed {
		return // in the trash by Tandem's hand: people restore before they edit
	}
	old := words(now[field])
	value, next := u.newProperty(field, old, where)
	if field == "Contact" && slices.Equal(old, next) {
		return // nobody can empty what shows as empty, or choose what is chosen
	}
	if value == nil || u.person.Edit(page, map[string]any{field: value}) != nil {
		u.w.truth.forget(next, old)
		return
	}
	u.w.truth.replaced(old, next, "a person at "+where)
	u.w.effect("person edits %s %s %v", page, field, next)
}

// newProperty is newValue in Notion's form.
func (u *users) newProperty(field string, old []string, where string) (value any, next []string) {
	token := func() string { return u.w.truth.token(lower(field), where) }
	empty := u.dice.IntN(6) == 0
	switch field {
	case "Name", "Title":
		next = []string{token()}
		return map[string]any{"title": richText(next[0])}, next
	case "Note":
		if empty {
			return map[string]any{"rich_text": []any{}}, nil
		}
		next = []string{token()}
		return map[string]any{"rich_text": richText(next[0])}, next
	case "Email":
		if empty {
			return map[string]any{"email": nil}, nil
		}
		next = []string{token()}
		return map[string]any{"email": next[0]}, next
	case "Stage":
		if empty {
			return map[string]any{"select": nil}, nil
		}
		next = []string{token()}
		return map[string]any{"select": map[string]any{"name": next[0]}}, next
	case "Tags":
		next = slices.Clone(old)
		if len(next) > 0 && empty {
			next = next[1:]
		} else {
			next = append(next, token())
		}
		options := []any{}
		for _, name := range next {
			options = append(options, map[string]any{"name": name})
		}
		return map[string]any{"multi_select": options}, next
	case "Contact":
		contacts := u.pages("contact")
		if len(contacts) == 0 || empty {
			return map[string]any{"relation": []any{}}, nil
		}
		next = []string{contacts[u.dice.IntN(len(contacts))]}
		return map[string]any{"relation": []any{map[string]any{"id": next[0]}}}, next
	}
	return nil, nil
}

func richText(text string) []any {
	return []any{map[string]any{"type": "text", "text": map[string]any{"content": text}}}
}

func lower(field string) string { return string(field[0]|0x20) + field[1:] }

func (u *users) makePage(entity string) {
	schema, ok := u.schema(entity)
	if !ok {
		return
	}
	title := map[string]string{"contact": "Name", "deal": "Title"}[entity]
	where := "notion " + entity + "/new"
	name := u.w.truth.token(lower(title), where)
	page, err := u.person.Create(schema.DataSource, map[string]any{title: map[string]any{"title": richText(name)}})
	if err != nil {
		u.w.truth.forget([]string{name}, nil)
		return
	}
	u.made[entity] = append(u.made[entity], page)
	u.w.effect("person makes %s %s", page, name)
}

func (u *users) trashPage(entity string) {
	pages := u.pages(entity)
	if len(pages) == 0 {
		return
	}
	page := pages[u.dice.IntN(len(pages))]
	now, err := u.person.Properties(page)
	if err != nil || u.person.Trash(page) != nil {
		return
	}
	u.binned[page] = true
	for _, raw := range now {
		u.w.truth.replaced(words(raw), nil, "put in the trash with page "+page[:8])
	}
	u.w.effect("person trashes %s", page)
}

func (u *users) restorePage() {
	binned := change.Sorted(u.binned)
	if len(binned) == 0 {
		return
	}
	page := binned[u.dice.IntN(len(binned))]
	if u.person.Restore(page) == nil {
		delete(u.binned, page)
		u.w.effect("person restores %s", page)
	}
}

func (u *users) duplicatePage(entity string) {
	pages := u.pages(entity)
	if len(pages) == 0 {
		return
	}
	page := pages[u.dice.IntN(len(pages))]
	if copied, err := u.person.Duplicate(page); err == nil {
		u.made[entity] = append(u.made[entity], copied)
		u.w.effect("person duplicates %s as %s", page, copied)
	}
}
