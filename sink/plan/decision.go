package plan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// describer puts decisions into words, and into hashes that are the same whenever the decision is.
type describer struct {
	entity *mapping.Entity
	links  interface {
		ByID(ctx context.Context, ids []int64) (map[int64]ledger.Link, error)
	}
	made map[string]bool // pages of which the plan makes rows: they are known by the page before and after
}

// requests that operations cost: a read before each write, and another two for a new row's page to get its id.
const (
	requestsCreatePage = 1
	requestsWritePage  = 2
	requestsReadPage   = 1
	requestsCreateRow  = 3
	requestsJoin       = 1
)

// item describes a decision.
func (d *describer) item(ctx context.Context, in ledger.Input, dec ledger.Decision) (Item, error) {
	item := Item{Entity: d.entity.Name, Key: in.Link.Key, Page: in.Link.Page, PageOp: string(dec.Page), RowOp: string(dec.Row), Mark: dec.Mark}
	if strings.HasPrefix(item.Page, pagePlanned) {
		item.Page = ""
	}
	title := d.entity.Title().Name
	for _, image := range []change.Image{in.CRM.Image, in.Notion.Image} {
		if v, ok := image[title]; ok && item.Name == "" && !v.IsNull() {
			item.Name = cut(v.String())
		}
	}
	rules := map[string]string{}
	for _, c := range dec.Conflicts {
		rules[c.Field+" "+string(c.Winner.Other())] = c.Rule
	}
	for _, side := range []ledger.Side{ledger.Notion, ledger.CRM} {
		values, had := dec.ToNotion, in.Notion.Image
		if side == ledger.CRM {
			values, had = dec.ToCRM, in.CRM.Image
		}
		for _, name := range values.Fields() {
			c, err := d.change(ctx, side, name, had[name], values[name], rules[name+" "+string(side)])
			if err != nil {
				return item, err
			}
			item.Changes = append(item.Changes, c)
		}
	}
	item.classify(dec)
	item.scope(in, dec)
	item.Hash = ""
	if item.Done() {
		item.Hash = item.hash()
	}
	return item, nil
}

func (i *Item) classify(d ledger.Decision) {
	for _, h := range d.Holds {
		i.Why = append(i.Why, h.Reason)
	}
	for _, name := range change.Sorted(d.Parked) {
		i.Why = append(i.Why, prefixed(name, d.Parked[name]))
	}
	for _, name := range change.Sorted(d.Waits) {
		i.Why = append(i.Why, prefixed(name, d.Waits[name]))
	}
	switch {
	case d.Page == ledger.PageCreate:
		i.Do, i.Requests = Create, requestsCreatePage
	case d.Row == ledger.RowInsert:
		i.Do, i.Requests = Create, requestsCreateRow
	case d.Page == ledger.PageTrash:
		i.Do, i.Requests = Delete, requestsWritePage
	case d.Row == ledger.RowDelete:
		i.Do, i.Requests = Delete, requestsReadPage
	case d.Page == ledger.PageRestore:
		i.Do, i.Requests = Restore, requestsWritePage
	case d.Page == ledger.PageUpdate:
		i.Do, i.Requests = Update, requestsWritePage
	case d.Row == ledger.RowUpdate:
		i.Do, i.Requests = Update, requestsReadPage
	case len(d.Holds) > 0:
		i.Do = Held
	case len(d.Parked) > 0:
		i.Do = Parked
	case len(d.Waits) > 0, !d.Later.IsZero(), len(d.Typing) > 0:
		i.Do = Waiting
		if len(i.Why) == 0 {
			i.Why = []string{"somebody edits the page at this moment"}
		}
	default:
		i.Do = Skipped
	}
}

// scope tells who leaves the mapping's scope, and who comes back into it. Neither is a delete, or a new record.
func (i *Item) scope(in ledger.Input, d ledger.Decision) {
	switch {
	case d.State == ledger.OutOfScope && in.Link.State != ledger.OutOfScope && i.Do == Skipped:
		i.Do = Leave
		i.Why = append(i.Why, "the row is not in the mapping's scope any more: its page stays, and nothing is written to it")
	case in.Link.State == ledger.OutOfScope && d.State == ledger.Live:
		if i.Do == Skipped {
			i.Do = Return
		}
		i.Why = append(i.Why, "the row is in the mapping's scope again")
	}
}

func prefixed(name, why string) string {
	if name == "" {
		return why
	}
	return name + ": " + why
}

// change describes a field that is written. A relation's targets are named by their keys: link ids are not known before links are made.
func (d *describer) change(ctx context.Context, side ledger.Side, name string, from, to change.Value, rule string) (Change, error) {
	c := Change{Side: string(side), Field: name, Rule: rule}
	was, err := d.token(ctx, name, from)
	if err != nil {
		return c, err
	}
	becomes, err := d.token(ctx, name, to)
	if err != nil {
		return c, err
	}
	c.From, c.To = d.words(from, was), d.words(to, becomes)
	c.Hash, c.Then = digest(c.Side, name, was, becomes, rule), digest(becomes)
	return c, nil
}

// words is a value as people read it.
func (d *describer) words(v change.Value, token string) string {
	switch {
	case v.IsAbsent(), v.IsNull():
		return ""
	case token != "" && token[0] == '@':
		return cut(token[1:])
	}
	return cut(v.String())
}

// token is a value's form for hashes; "@" begins that of a relation.
func (d *describer) token(ctx context.Context, name string, v change.Value) (string, error) {
	f, ok := d.entity.Field(name)
	if v.IsAbsent() {
		return "", nil
	}
	if ok && f.Relation != "" && v.Kind() == change.Set {
		return d.targets(ctx, f, v)
	}
	text, err := json.Marshal(v)
	return string(text), err
}

func (d *describer) targets(ctx context.Context, f mapping.Field, v change.Value) (string, error) {
	var ids []int64
	for _, item := range v.Items() {
		if id, err := strconv.ParseInt(item.Text(), 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	links, err := d.links.ByID(ctx, ids)
	if err != nil {
		return "", err
	}
	var names []string
	for _, id := range ids {
		l := links[id]
		name := f.Relation + " " + l.Key
		if l.Key == "" || d.made[l.Page] {
			name = f.Relation + " page " + l.Page
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return "@" + strings.Join(names, ", "), nil
}

// hash sums up what is done; how it is counted and told is no part of it.
func (i Item) hash() string {
	parts := []any{i.Entity, i.Key, i.Page, i.PageOp, i.RowOp, i.Mark}
	for _, c := range i.Changes {
		parts = append(parts, c.Hash)
	}
	return digest(parts...)
}

func digest(parts ...any) string {
	text, err := json.Marshal(parts)
	if err != nil {
		panic("hash a decision: " + err.Error()) // strings and booleans
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// cut is a text as a line bears it.
func cut(s string) string {
	const most = 120
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "…"
}
