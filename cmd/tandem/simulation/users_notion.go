package simulation

import (
	"slices"
	"strconv"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

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
