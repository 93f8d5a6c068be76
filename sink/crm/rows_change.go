package crm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// update writes the fields that differ. What is equal already is left alone, and nothing at all is written if all of it is: columns
// set on every write then stay as they are.
func (w *writer) update(ctx context.Context, key string, set change.Image) error {
	differ := change.Image{}
	for name, v := range set {
		if !w.plan.same(name, w.plan.current(w.now, name), v) {
			differ[name] = v
		}
	}
	if len(differ) == 0 {
		return nil
	}
	s := w.plan.statement()
	if err := w.assign(ctx, s, differ); err != nil {
		return err
	}
	if err := w.settings(s, w.plan.entity.Document.CRM.Set, false); err != nil {
		return err
	}
	if len(s.assigned) > 0 {
		if err := w.runUpdate(ctx, s, key); err != nil {
			return err
		}
	}
	return w.children(ctx, key, differ)
}

func (w *writer) runUpdate(ctx context.Context, s *statement, key string) error {
	sql, args, err := s.update(key)
	if err != nil {
		return err
	}
	tag, err := w.tx.Exec(ctx, sql, args...)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return refuse("", nil, "the CRM's database skipped the write: a trigger, a rule or row security does not let the row be changed")
	}
	return nil
}

// remove marks the row as deleted where the mapping names a column for it, else deletes it.
func (w *writer) remove(ctx context.Context, key string) error {
	s := w.plan.statement()
	soft := w.plan.entity.Document.CRM.SoftDelete
	if soft == "" {
		if w.plan.entity.Document.Deletes.ToCRM == "keep" || w.plan.entity.Document.Deletes.ToCRM == "soft" {
			return fmt.Errorf("%w: rows of %s are not deleted", ErrNotAllowed, w.plan.entity.Name)
		}
		sql, args, err := s.delete(key)
		if err != nil {
			return err
		}
		_, err = w.tx.Exec(ctx, sql, args...)
		return err
	}
	c, err := w.plan.catalog.Find(w.plan.table, soft)
	if err != nil {
		return err
	}
	expr := "true"
	if c.Category != "B" {
		if expr, err = s.now(c); err != nil {
			return err
		}
	}
	s.set(soft, expr)
	if err := w.settings(s, w.plan.entity.Document.CRM.Set, false); err != nil {
		return err
	}
	return w.runUpdate(ctx, s, key)
}

// bringBack takes a soft delete back.
func (w *writer) bringBack(ctx context.Context, key string) error {
	s := w.plan.statement()
	soft := w.plan.entity.Document.CRM.SoftDelete
	c, err := w.plan.catalog.Find(w.plan.table, soft)
	if err != nil {
		return err
	}
	expr := "NULL"
	if c.Category == "B" {
		expr = "false"
	}
	s.set(soft, expr)
	if err := w.settings(s, w.plan.entity.Document.CRM.Set, false); err != nil {
		return err
	}
	return w.runUpdate(ctx, s, key)
}

// insert makes the row and its children and gives its key.
func (w *writer) insert(ctx context.Context, set change.Image) (string, error) {
	s := w.plan.statement()
	if err := w.newKey(s); err != nil {
		return "", err
	}
	w.now.Image = change.Image{}
	given := change.Image{}
	for name, v := range set {
		if !v.IsNull() && len(v.Items()) == 0 && v.Kind() != change.Set && v.Kind() != change.List || len(v.Items()) > 0 {
			given[name] = v // null and empty: the column's default speaks
		}
	}
	if err := w.assign(ctx, s, given); err != nil {
		return "", err
	}
	for _, settings := range []map[string]mapping.Setting{w.plan.entity.Document.CRM.Set, w.plan.entity.Document.CRM.SetOnInsert} {
		if err := w.settings(s, settings, true); err != nil {
			return "", err
		}
	}
	sql, args, err := s.insert(w.plan.keys)
	if err != nil {
		return "", err
	}
	texts := make([]*string, len(w.plan.keys))
	dest := make([]any, len(texts))
	for i := range texts {
		dest[i] = &texts[i]
	}
	if err := w.tx.QueryRow(ctx, sql, args...).Scan(dest...); err != nil {
		return "", err
	}
	parts := make([]change.Value, len(texts))
	for i, t := range texts {
		if parts[i], err = decode(w.plan.keys[i], t, w.plan.entity.Zone()); err != nil {
			return "", err
		}
	}
	key := mapping.EncodeKey(parts...)
	return key, w.children(ctx, key, given)
}

// newKey puts a key that we make into the statement.
func (w *writer) newKey(s *statement) error {
	crm := w.plan.entity.Document.CRM
	expr, err := s.newKey(crm.NewKey, w.plan.keys[0])
	if err != nil || expr == "" {
		return err
	}
	s.set(crm.Key[0], expr)
	return nil
}

// assign puts the fields that live in the root row into the statement.
func (w *writer) assign(ctx context.Context, s *statement, set change.Image) error {
	customs := change.Image{}
	for _, name := range set.Fields() {
		v := set[name]
		if mapping.IsCustom(name) {
			customs[name] = v
			continue
		}
		f, _ := w.plan.entity.Field(name)
		r := f.Source()
		var err error
		switch {
		case r.Column != "":
			err = w.assignColumn(s, f, v)
		case r.Lookup != nil && r.Lookup.Join == nil:
			err = w.assignLookup(ctx, s, f, v)
		case r.Relation != nil && r.Relation.Join == nil:
			err = w.assignTarget(s, f, v)
		}
		if err != nil {
			return err
		}
	}
	if len(customs) > 0 && w.plan.entity.Document.Custom.Rows == nil {
		return w.assignCustom(ctx, s, customs)
	}
	return nil
}

func (w *writer) assignColumn(s *statement, f mapping.Field, v change.Value) error {
	c, err := w.plan.catalog.Find(w.plan.table, f.Source().Column)
	if err != nil {
		return err
	}
	text, err := encode(c, v, w.now.Image[f.Name], w.plan.entity.Zone())
	if err != nil {
		return refuse(f.Name, nil, "%v", err)
	}
	s.set(c.Name, s.cast(text, c))
	return nil
}

// assignTarget writes a foreign key.
func (w *writer) assignTarget(s *statement, f mapping.Field, v change.Value) error {
	columns := f.Source().Relation.Column
	if len(v.Items()) > 1 {
		return refuse(f.Name, nil, "the CRM keeps one related %s here, not %d", f.Relation, len(v.Items()))
	}
	parts := make([]*string, len(columns))
	if len(v.Items()) == 1 {
		texts, err := mapping.SplitKey(v.Items()[0].String(), len(columns))
		if err != nil {
			return refuse(f.Name, nil, "%v", err)
		}
		for i := range texts {
			parts[i] = &texts[i]
		}
	}
	for i, name := range columns {
		c, err := w.plan.catalog.Find(w.plan.table, name)
		if err != nil {
			return err
		}
		s.set(name, s.cast(parts[i], c))
	}
	return nil
}

// settings puts the columns that are set on writes into the statement.
func (w *writer) settings(s *statement, settings map[string]mapping.Setting, inserting bool) error {
	for _, name := range sortedNames(settings) {
		c, err := w.plan.catalog.Find(w.plan.table, name)
		if err != nil {
			return err
		}
		expr, err := s.setting(settings[name], c, inserting)
		if err != nil {
			return err
		}
		s.set(name, expr)
	}
	return nil
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// children writes the fields that live in tables of their own.
func (w *writer) children(ctx context.Context, key string, set change.Image) error {
	for _, name := range set.Fields() {
		v := set[name]
		if mapping.IsCustom(name) {
			if w.plan.entity.Document.Custom.Rows != nil {
				if err := w.attribute(ctx, key, strings.TrimPrefix(name, mapping.CustomPrefix), v); err != nil {
					return named(name, err)
				}
			}
			continue
		}
		f, _ := w.plan.entity.Field(name)
		r := f.Source()
		var err error
		switch {
		case r.Relation != nil && r.Relation.Join != nil:
			err = w.joinTargets(ctx, key, f, v)
		case r.Lookup != nil && r.Lookup.Join != nil:
			err = w.joinLabels(ctx, key, f, v)
		}
		if err != nil {
			return named(name, err)
		}
	}
	return nil
}
