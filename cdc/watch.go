package cdc

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/config"
)

// lookFactor times the status interval is how often the tables and the publication are looked at while the stream runs.
const lookFactor = 6

// watch notices what the stream cannot tell: that a captured table is not published any more, because it was dropped and made anew,
// or because somebody changed the publication. Its changes would be missing without a word.
type watch struct {
	next time.Time
	said string // the last sentence, so that it is said once
}

// lookAt mends the publication where it may, and says what it cannot mend. Only tables that were there when the session began count: those
// that are new have no topic yet.
func (r *reader) lookAt(ctx context.Context) error {
	if r.flight != nil || time.Now().Before(r.watch.next) {
		return nil
	}
	r.watch.next = time.Now().Add(lookFactor * r.config.StatusInterval)
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	now, problems, err := examine(ctx, r.control, r.config, r.filter)
	if err != nil {
		return err
	}
	if r.facts.standby && !now.standby {
		return &promotedError{}
	}
	known := func(name tableName) bool {
		return slices.ContainsFunc(r.facts.tables, func(t table) bool { return t.tableName == name })
	}
	var trouble []string
	var later []tableName
	now.tables = slices.DeleteFunc(now.tables, func(t table) bool {
		if known(t.tableName) {
			return false
		}
		later = append(later, t.tableName)
		return true
	})
	if len(later) > 0 {
		trouble = append(trouble, "made since the start, and captured from the next start on: "+names(later))
	}
	for _, t := range r.facts.tables {
		if slices.ContainsFunc(now.tables, func(n table) bool { return n.tableName == t.tableName }) {
			continue
		}
		why := "table " + t.String() + " is gone: it was dropped or renamed"
		for _, p := range problems { // made anew, perhaps, as one that cannot be captured
			if p.Path == "table "+t.String() {
				why = p.Path + ": " + p.Summary
			}
		}
		trouble = append(trouble, why)
	}
	mended, err := r.mend(ctx, now, problems)
	trouble = append(trouble, mended...)
	if err != nil {
		return err
	}
	trouble = append(trouble, r.facts.publication.changed(now.publication)...)
	r.watch.say(r, strings.Join(trouble, "; "))
	return nil
}

// mend publishes what is not published any more, and the columns that are wanted now. It gives what there is to say.
func (r *reader) mend(ctx context.Context, now *facts, problems config.Problems) (trouble []string, err error) {
	const again = "they are published again from now on; what changed meanwhile is seen by the next sweep or snapshot"
	absent := now.absent()
	var relisted []string
	for i := range now.tables {
		if t := &now.tables[i]; !slices.Contains(absent, t.tableName) && now.listDiffers(t) {
			relisted = append(relisted, t.quoted()+listSQL(t.list.names))
		}
	}
	if len(absent) > 0 {
		trouble = append(trouble, "not published any more, so their changes are missing: "+names(absent))
	}
	mendable := r.config.AutoCreate == autoCreateFiltered
	for _, p := range problems {
		if len(absent) > 0 && strings.HasPrefix(p.Path, "publication ") || strings.HasPrefix(p.Path, "publication.") {
			trouble, mendable = append(trouble, p.String()), false
		}
	}
	if !mendable || len(absent)+len(relisted) == 0 {
		return trouble, nil
	}
	if err := now.publish(ctx, r.control, r.config); err != nil {
		return nil, err
	}
	if len(absent) > 0 {
		trouble = append(trouble, again)
	}
	if len(relisted) > 0 {
		r.log.Info("these columns are published from now on", "tables", strings.Join(relisted, ", "))
	}
	return trouble, nil
}

func (w *watch) say(r *reader, what string) {
	if what != "" && what != w.said {
		r.log.Warn("the captured tables changed: " + what)
	}
	w.said = what
}
