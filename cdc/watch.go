package cdc

import (
	"context"
	"slices"
	"strings"
	"time"
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
	now.tables = slices.DeleteFunc(now.tables, func(t table) bool { return !known(t.tableName) })
	var trouble []string
	for _, t := range r.facts.tables {
		if !slices.ContainsFunc(now.tables, func(n table) bool { return n.tableName == t.tableName }) {
			trouble = append(trouble, "table "+t.String()+" is gone: it was dropped or renamed")
		}
	}
	if absent := now.absent(); len(absent) > 0 {
		trouble = append(trouble, "not published any more, so their changes are missing: "+names(absent))
		mendable := r.config.AutoCreate == autoCreateFiltered
		for _, p := range problems {
			if strings.HasPrefix(p.Path, "publication ") {
				trouble, mendable = append(trouble, p.String()), false
			}
		}
		if mendable {
			if err := now.publish(ctx, r.control, r.config); err != nil {
				return err
			}
			trouble = append(trouble, "they are published again from now on; what changed meanwhile is seen by the next sweep or snapshot")
		}
	}
	r.watch.say(r, strings.Join(trouble, "; "))
	return nil
}

func (w *watch) say(r *reader, what string) {
	if what != "" && what != w.said {
		r.log.Warn("the captured tables changed: " + what)
	}
	w.said = what
}
