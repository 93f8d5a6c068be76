package ledgertest

import (
	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// compare looks at all that can be asked, in both stores.
func (p *pair) compare(*rapid.T) {
	for _, entity := range worldEntities {
		a, errA := p.a.ByKey(p.ctx, "acme", entity, worldKeys)
		b, errB := p.b.ByKey(p.ctx, "acme", entity, worldKeys)
		p.same("by key", errA, errB)
		p.links(entity, worldKeys, a, b)
		keysA, errA := p.a.Keys(p.ctx, "acme", entity, "1", 2)
		keysB, errB := p.b.Keys(p.ctx, "acme", entity, "1", 2)
		p.same("keys", errA, errB)
		p.diff("keys", keysA, keysB)
		p.counted(entity)
	}
	a, errA := p.a.ByPage(p.ctx, "acme", worldPages)
	b, errB := p.b.ByPage(p.ctx, "acme", worldPages)
	p.same("by page", errA, errB)
	p.links("pages", worldPages, a, b)
	p.waiting()
	p.recorded()
}

// links pairs the links of both stores up, in the order of their names, and compares them.
func (p *pair) links(what string, names []string, a, b map[string]ledger.Link) {
	for _, name := range names {
		x, inA := a[name]
		y, inB := b[name]
		if inA != inB {
			p.Fatalf("%s %s: in one store only", what, name)
		}
		if !inA {
			continue
		}
		if known, ok := p.ids[x.ID]; ok && known != y.ID {
			p.Fatalf("%s %s: another link in the other store", what, name)
		}
		p.ids[x.ID], p.ext[y.External] = y.ID, x.External
		p.diff(what+" "+name, x, p.inA(y))
	}
}

// inA puts a's ids into b's link.
func (p *pair) inA(l ledger.Link) ledger.Link {
	for a, b := range p.ids {
		if b == l.ID {
			l.ID = a
			break
		}
	}
	l.External = p.ext[l.External]
	return l
}

func (p *pair) counted(entity string) {
	meters := []ledger.Meter{deleteRows, {Side: ledger.CRM, Op: ledger.OpCreate}}
	a, errA := p.a.Touched(p.ctx, "acme", entity, 0, p.now.Add(-2*60*1e9), 3, meters)
	b, errB := p.b.Touched(p.ctx, "acme", entity, 0, p.now.Add(-2*60*1e9), 3, meters)
	p.same("touched", errA, errB)
	p.diff("touched", a, b)
	linksA, beganA, errA := p.a.Census(p.ctx, "acme", entity)
	linksB, beganB, errB := p.b.Census(p.ctx, "acme", entity)
	p.same("census", errA, errB)
	p.diff("census", []any{linksA, beganA}, []any{linksB, beganB})
}

func (p *pair) waiting() {
	talliesA, errA := p.a.Tallies(p.ctx, "acme", p.now)
	talliesB, errB := p.b.Tallies(p.ctx, "acme", p.now)
	p.same("tallies", errA, errB)
	p.diff("tallies", talliesA, talliesB)
	countsA, errA := p.a.Counts(p.ctx, "acme")
	countsB, errB := p.b.Counts(p.ctx, "acme")
	p.same("counts", errA, errB)
	p.diff("counts", countsA, countsB)
	pendingA, errA := p.a.Pending(p.ctx, "acme", 100)
	pendingB, errB := p.b.Pending(p.ctx, "acme", 100)
	p.same("pending", errA, errB)
	for i := range pendingB {
		pendingB[i].Link = p.inA(pendingB[i].Link)
	}
	p.diff("pending", pendingA, pendingB)
	emittedA, errA := p.a.Emitted(p.ctx, "acme", "contact", worldPages)
	emittedB, errB := p.b.Emitted(p.ctx, "acme", "contact", worldPages)
	p.same("emitted", errA, errB)
	p.diff("emitted", emittedA, emittedB)
}

func (p *pair) recorded() {
	conflictsA, errA := p.a.Conflicts(p.ctx, "acme", 0, 5)
	conflictsB, errB := p.b.Conflicts(p.ctx, "acme", 0, 5)
	p.same("conflicts", errA, errB)
	p.diff("conflicts", conflictsA, conflictsB)
	alertsA, errA := p.a.Outbox(p.ctx, "acme", 100)
	alertsB, errB := p.b.Outbox(p.ctx, "acme", 100)
	p.same("outbox", errA, errB)
	for _, alerts := range [][]ledger.Alert{alertsA, alertsB} {
		for i := range alerts {
			if alerts[i].Kind == "hold" {
				alerts[i].ID, alerts[i].Link = "", 0 // they carry a link's id
			}
		}
	}
	p.diff("outbox", alertsA, alertsB)
}
