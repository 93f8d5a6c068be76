package simulation

import (
	"slices"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// noSilentLoss (2): every edit's value can be seen, was replaced by a person who saw it, lost a recorded conflict, or was overwritten in the window
// that no client can close.
func (j *judge) noSilentLoss() {
	lost := map[string]bool{}
	for _, c := range j.conflicts {
		_, loser := c.Loser()
		for _, token := range wordsOf(loser) {
			lost[token] = true
		}
	}
	for _, token := range change.Sorted(j.w.truth.edits) {
		_, excused := j.w.truth.windows[token]
		if _, gone := j.w.truth.gone[token]; gone || excused || lost[token] || j.visible[token] {
			continue
		}
		e := j.w.truth.edits[token]
		j.fault("loss", "edit %q of %s at %s disappeared silently", token, e.where, clock(e.at))
	}
}

// listed (2): an edit that was overwritten in the window of invariant 6, and of which a webhook told, is listed as possibly overwritten, with an alert. Whoever
// wrote there again saw what had become of it.
func (j *judge) listed() {
	m, ok := j.w.notion.(*model)
	if !ok {
		return // the emulator's webhooks go by HTTP, and nobody counts them
	}
	lists := j.w.ledger.Overwrites(syncName)
	for _, token := range change.Sorted(j.w.truth.windows) {
		w := j.w.truth.windows[token]
		at, told := j.w.truth.reported(w, m.property(w.page, w.field))
		if !told || j.w.users.strayed[w.page] || j.w.truth.typed[w.page+" "+w.field].After(w.lost) {
			continue
		}
		found := slices.ContainsFunc(lists, func(o ledger.Overwrite) bool {
			return o.Window.Page == w.page && slices.Contains(o.Fields, w.field) && o.Window.Opened.Sub(w.read).Abs() < time.Millisecond
		})
		if !found {
			j.fault("loss", "edit %q of page %s %s at %s was overwritten at %s on a read of %s; a webhook told of it at %s, and it is not listed as possibly overwritten",
				token, w.page, w.field, clock(w.edited), clock(w.lost), clock(w.read), clock(at))
		}
	}
}

// prompt (9): what people edit reaches the other side by webhooks and polls. Sweeps are for what nobody tells of, and none has run yet.
func (j *judge) prompt() {
	j.gather()
	for _, e := range j.w.entities {
		for _, key := range j.w.crm.keys(e.Name) {
			link, ok := j.byKey[e.Name+"/"+key]
			page, there := j.pages[link.Page]
			if !ok {
				j.fault("prompt", "%s/%s has no link, and only a sweep could find it", e.Name, key)
				continue
			}
			if len(j.holds[link.ID]) > 0 || j.waiting[link.ID] != "" || !there || page.trashed || page.away || page.hidden || j.w.users.strayed[link.Page] {
				continue
			}
			row := j.w.crm.tables[e.Name][key]
			for _, f := range e.Fields {
				crm, notion := slices.Sorted(slices.Values(wordsOf(row[f.Name]))), slices.Sorted(slices.Values(page.words[f.Name]))
				if f.Relation == "" && !slices.Equal(crm, notion) {
					j.fault("prompt", "%s/%s %s: the row says %v, page %s says %v, and only a sweep could bring them together", e.Name, key, f.Name, crm, link.Page, notion)
				}
			}
		}
	}
}

// noInvention (4): nothing stands anywhere that nobody wrote.
func (j *judge) noInvention() {
	check := func(where string, words []string) {
		for _, token := range words {
			if _, known := j.w.truth.edits[token]; !known {
				j.fault("invention", "%s says %q, which nobody wrote", where, token)
			}
		}
	}
	for _, e := range j.w.entities {
		for _, f := range e.Fields {
			if f.Relation != "" {
				continue
			}
			for _, key := range j.w.crm.keys(e.Name) {
				check(e.Name+"/"+key+" "+f.Name, wordsOf(j.w.crm.tables[e.Name][key][f.Name]))
			}
		}
	}
	for _, id := range change.Sorted(j.pages) {
		for field, words := range j.pages[id].words {
			if field != "contact" {
				check("page "+id+" "+field, words)
			}
		}
	}
}

// alerted (3): every conflict on a critical field, and every one that the clocks could not decide, is on the alerts topic under one id, not
// more often than crashes excuse; nothing is left in the outbox.
func (j *judge) alerted() {
	published := map[string]int{}
	for _, r := range j.w.broker.topics["alerts"] {
		published[string(r.Key)]++
	}
	seen := map[string]bool{}
	for _, c := range j.conflicts {
		if seen[c.ID] {
			j.fault("alerts", "conflict %s on %s is recorded twice", c.ID, c.Field)
		}
		seen[c.ID] = true
		if (c.Critical || c.Undecidable) && published[c.ID] == 0 {
			j.fault("alerts", "conflict %s on %s was not alerted", c.ID, c.Field)
		}
	}
	for id, n := range published {
		if n > 1+j.w.crashes() {
			j.fault("alerts", "alert %s was published %d times", id, n)
		}
	}
	if left, err := j.w.ledger.Outbox(j.w.context(), syncName, 10); err != nil {
		j.fault("alerts", "read the outbox: %v", err)
	} else if len(left) > 0 {
		j.fault("alerts", "%d alerts were never published, such as: %s", len(left), left[0].Summary)
	}
}

// crashes are all faults that may make a publication be repeated.
func (w *world) crashes() int {
	n := 0
	for name, p := range w.faults.points {
		if strings.HasPrefix(name, "crash.") || strings.HasPrefix(name, "kafka.") || strings.HasPrefix(name, "zombie.") {
			n += p.count
		}
	}
	return n
}

// budget counts requests against what there was to do.
type budget struct {
	gets, queries, writes int
	allowed               int // grows with what people and faults do
}

func (b *budget) request(method, path string) {
	switch {
	case method == "GET":
		b.gets++
	case strings.HasSuffix(path, "query"):
		b.queries++
	default:
		b.writes++
	}
}

// thrifty (9): requests are bounded by what changed, and by what went wrong.
func (j *judge) thrifty() {
	faults := 0
	for _, p := range j.w.faults.points {
		faults += p.count
	}
	changes := len(j.w.truth.edits) + len(j.w.crm.log) + len(j.pages) + 10*j.w.shape.steps
	trouble := 4*faults + 8*len(j.links) + 40
	told := 0
	for _, e := range j.w.entities {
		told += len(j.w.broker.topics["notion."+e.Name])
	}
	if told > 3*changes+trouble {
		j.fault("budget", "%d events of pages for %d changes and %d faults", told, changes, faults)
	}
	b := j.w.budget
	if b.writes > 3*changes+trouble {
		j.fault("budget", "%d writes for %d changes and %d faults", b.writes, changes, faults)
	}
	if b.gets > 6*changes+2*trouble {
		j.fault("budget", "%d page reads for %d changes and %d faults", b.gets, changes, faults)
	}
}
