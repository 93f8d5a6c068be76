package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink/plan"
)

type linksOptions struct {
	sessionOptions
	Entities []string
}

func newLinksCommand(g *globalOptions) *cobra.Command {
	c := &cobra.Command{
		Use:   "links export|import FILE.csv --config FILE",
		Short: "Write all links of rows and pages into a CSV file, or take them from one",
		Long: `Export writes every link (sync, entity, key, page, external, state) into a CSV file. Import takes links from such a file: of rows and pages that belong
together by whatever knowledge, or as another installation had them. All lines are looked at before anything is done, and one that is wrong, or that
contradicts a link that is there, refuses them all. Only sync, entity, key, page and external are read; lines without a page or a key are passed by. It may be
done again: what is linked already stays as it is. What both sides say is merged as at any first contact.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return usagef("there is no command links %q; use links export FILE.csv or links import FILE.csv", args[0])
		},
	}
	for _, sub := range []struct {
		use, short string
		run        func(*linksOptions, context.Context, string) error
	}{
		{"export FILE.csv --config FILE", "Write all links into a CSV file; - is the standard output", (*linksOptions).export},
		{"import FILE.csv --config FILE", "Link the rows and pages that a CSV file names", (*linksOptions).take},
	} {
		o := &linksOptions{sessionOptions: sessionOptions{globalOptions: g}}
		s := &cobra.Command{Use: sub.use, Short: sub.short, Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error { return sub.run(o, c.Context(), args[0]) }}
		o.addFlags(s)
		s.Flags().StringSliceVar(&o.Entities, "entity", nil, "only these entities")
		c.AddCommand(s)
	}
	return c
}

// linkColumns are the file's.
var linkColumns = []string{"sync", "entity", "key", "page", "external", "state"}

const linksStep = 1000

func (o *linksOptions) export(ctx context.Context, path string) error {
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	entities, err := s.some(o.Entities)
	if err != nil {
		return err
	}
	var out io.Writer = o.out.stdout
	if path != "-" {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("write the links: %w", err)
		}
		defer f.Close()
		out = f
	}
	w := csv.NewWriter(out)
	n, err := s.exportTo(ctx, w, entities)
	if err != nil {
		return err
	}
	if w.Flush(); w.Error() != nil {
		return fmt.Errorf("write the links: %w", w.Error())
	}
	if path != "-" {
		o.out.printf("%d links are in %s\n", n, path)
	}
	return nil
}

// some are the entities that were asked for, all if none was.
func (s *session) some(names []string) ([]*mapping.Entity, error) {
	if len(names) == 0 && len(s.entities) > 0 {
		return s.entities, nil
	}
	if len(names) == 0 {
		names = []string{""} // says what is missing
	}
	var out []*mapping.Entity
	for _, name := range names {
		e, err := s.entity(name)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// exportTo writes links by key, and then those that have a page alone.
func (s *session) exportTo(ctx context.Context, w *csv.Writer, entities []*mapping.Entity) (n int, err error) {
	if err := w.Write(linkColumns); err != nil {
		return 0, err
	}
	for _, e := range entities {
		walks := []struct {
			list func(ctx context.Context, sync, entity, after string, max int) ([]string, error)
			find func(ids []string) (map[string]ledger.Link, error)
			take func(ledger.Link) bool
		}{
			{s.store.Keys, func(ids []string) (map[string]ledger.Link, error) { return s.store.ByKey(ctx, s.sync, e.Name, ids) }, func(ledger.Link) bool { return true }},
			{s.store.Pages, func(ids []string) (map[string]ledger.Link, error) { return s.store.ByPage(ctx, s.sync, ids) }, func(l ledger.Link) bool { return l.Key == "" }},
		}
		for _, walk := range walks {
			for after := ""; ; {
				ids, err := walk.list(ctx, s.sync, e.Name, after, linksStep)
				if err != nil {
					return n, err
				}
				if len(ids) == 0 {
					break
				}
				after = ids[len(ids)-1]
				links, err := walk.find(ids)
				if err != nil {
					return n, err
				}
				for _, id := range ids {
					l, ok := links[id]
					if !ok || !walk.take(l) {
						continue
					}
					n++
					if err := w.Write([]string{l.Sync, l.Entity, l.Key, l.Page, l.External, string(l.State)}); err != nil {
						return n, err
					}
				}
			}
		}
	}
	return n, nil
}

// wanted is a line of an import.
type wanted struct {
	line                        int
	entity, key, page, external string
}

func (o *linksOptions) take(ctx context.Context, path string) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	s, err := a.openSession(ctx, o.Config)
	if err != nil {
		return err
	}
	defer s.close()
	if _, err := s.some(o.Entities); err != nil {
		return err
	}
	in, err := os.Open(path)
	if err != nil {
		return usageError{err}
	}
	defer in.Close()
	lines, passed, errs := s.readLinks(in, o.Entities)
	already, more := s.conflicting(ctx, lines)
	if errs = append(errs, more...); len(errs) > 0 {
		return fmt.Errorf("%s: nothing was imported: %d lines cannot be\n%w", path, len(errs), errors.Join(errs...))
	}
	return o.join(ctx, a, s, lines, already, passed)
}

// readLinks checks every line by itself, and against the others.
func (s *session) readLinks(in io.Reader, only []string) (lines []wanted, passed int, errs []error) {
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if err != nil {
		return nil, 0, []error{fmt.Errorf("line 1: %w", err)}
	}
	at := map[string]int{}
	for i, name := range head {
		at[strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))] = i
	}
	for _, name := range []string{"entity", "key", "page"} {
		if _, ok := at[name]; !ok {
			errs = append(errs, fmt.Errorf("line 1: the column %q is missing; there must be %s", name, strings.Join(linkColumns[:5], ", ")))
		}
	}
	if len(errs) > 0 {
		return nil, 0, errs
	}
	seen := map[string]int{}
	for n := 2; ; n++ {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return lines, passed, errs
		}
		if err != nil {
			return lines, passed, append(errs, fmt.Errorf("line %d: %w", n, err))
		}
		get := func(name string) string {
			if i, ok := at[name]; ok && i < len(record) {
				return strings.TrimSpace(record[i])
			}
			return ""
		}
		w := wanted{n, get("entity"), get("key"), get("page"), get("external")}
		if w.key == "" || w.page == "" || len(only) > 0 && !slices.Contains(only, w.entity) {
			passed++
			continue
		}
		if why := s.wrong(&w, get("sync")); why != "" {
			errs = append(errs, fmt.Errorf("line %d: %s", n, why))
			continue
		}
		for _, end := range []string{"row " + w.entity + " " + w.key, "page " + w.page, "external id " + w.external} {
			if first, ok := seen[end]; ok && end != "external id " {
				errs = append(errs, fmt.Errorf("line %d: %s stands in line %d already", n, end, first))
			}
			seen[end] = n
		}
		lines = append(lines, w)
	}
}

func (s *session) wrong(w *wanted, sync string) string {
	if sync != "" && sync != s.sync {
		return fmt.Sprintf("it is of sync %q, and the files are of %q", sync, s.sync)
	}
	e, err := s.entity(w.entity)
	if err != nil {
		return fmt.Sprintf("there is no entity %q", w.entity)
	}
	if _, err := mapping.SplitKey(w.key, len(e.Document.CRM.Key)); err != nil {
		return err.Error()
	}
	page, ok := notionapi.ObjectID(w.page)
	if !ok {
		return fmt.Sprintf("%q is no page id", w.page)
	}
	w.page = page
	return ""
}

// conflicting finds what contradicts the ledger, and what it holds already.
func (s *session) conflicting(ctx context.Context, lines []wanted) (already map[int]bool, errs []error) {
	already = map[int]bool{}
	for from := 0; from < len(lines); from += linksStep {
		part := lines[from:min(from+linksStep, len(lines))]
		var pages, externals []string
		keys := map[string][]string{}
		for _, w := range part {
			pages, keys[w.entity] = append(pages, w.page), append(keys[w.entity], w.key)
			if w.external != "" {
				externals = append(externals, w.external)
			}
		}
		byPage, err := s.store.ByPage(ctx, s.sync, pages)
		if err != nil {
			return already, append(errs, err)
		}
		byExternal, err := s.store.ByExternal(ctx, s.sync, externals)
		if err != nil {
			return already, append(errs, err)
		}
		byKey := map[string]map[string]ledger.Link{}
		for entity, list := range keys {
			if byKey[entity], err = s.store.ByKey(ctx, s.sync, entity, list); err != nil {
				return already, append(errs, err)
			}
		}
		for _, w := range part {
			row, page, ext := byKey[w.entity][w.key], byPage[w.page], byExternal[w.external]
			switch {
			case row.Page == w.page:
				already[w.line] = true
			case row.Page != "":
				errs = append(errs, fmt.Errorf("line %d: %s %s is linked to page %s", w.line, w.entity, w.key, row.Page))
			case row.Intent != nil:
				errs = append(errs, fmt.Errorf("line %d: a page for %s %s is being made at this moment", w.line, w.entity, w.key))
			case page.Key != "":
				errs = append(errs, fmt.Errorf("line %d: page %s is linked to %s %s", w.line, w.page, page.Entity, page.Key))
			case page.ID != 0 && page.Entity != w.entity:
				errs = append(errs, fmt.Errorf("line %d: page %s is of %s", w.line, w.page, page.Entity))
			case ext.ID != 0 && ext.ID != row.ID && ext.ID != page.ID:
				errs = append(errs, fmt.Errorf("line %d: the external id %s is that of %s %s", w.line, w.external, ext.Entity, ext.Key))
			}
		}
	}
	return already, errs
}

func (o *linksOptions) join(ctx context.Context, a *app, s *session, lines []wanted, already map[int]bool, passed int) error {
	m := newMeter(o.out.stderr)
	defer m.end()
	l := &plan.Linker{Reader: &plan.Reader{Ledger: s.store, Progress: m.show}, Holder: "tandem links " + a.holder, Now: time.Now}
	made, left := 0, []string{}
	for i, w := range lines {
		m.show(plan.Progress{Entity: w.entity, Stage: "importing", Done: i, Total: len(lines)})
		if already[w.line] {
			continue
		}
		e, err := s.entity(w.entity)
		if err != nil {
			return err
		}
		why, err := l.Join(ctx, e, w.key, w.page, w.external)
		if err != nil {
			return fmt.Errorf("line %d: %w", w.line, err)
		}
		if why != "" {
			left = append(left, fmt.Sprintf("line %d: %s", w.line, why))
			continue
		}
		made++
	}
	m.end()
	if o.JSON {
		return o.out.json(map[string]any{"imported": made, "already": len(already), "passed_by": passed, "left_out": left})
	}
	o.out.printf("%d links imported, %d were there already, %d lines without both ends passed by\n", made, len(already), passed)
	for _, line := range left {
		o.out.printf("  left out: %s\n", line)
	}
	if len(left) > 0 {
		o.out.printf("import the file again for these\n")
	}
	return nil
}
