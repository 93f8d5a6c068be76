package book

import (
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Leap lets no observation from before a restore fit any link of a sync, and makes every page one that was just read.
func (b *Book) Leap(sync string, now time.Time) {
	for _, id := range append([]int64{}, b.order...) {
		row := b.rows[id]
		if row.Link.Sync != sync {
			continue
		}
		row = row.clone()
		row.Link.Seq += ledger.SeqLeap
		row.Link.GotAt = Cut(now)
		b.put(row)
	}
}

// Unbind forgets the transactions of a sync's work: they are another server's, or of a future that did not come.
func (b *Book) Unbind(sync string) {
	for _, id := range append([]int64{}, b.order...) {
		row := b.rows[id]
		if row.Link.Sync != sync {
			continue
		}
		row = row.clone()
		for _, side := range []ledger.Side{ledger.CRM, ledger.Notion} {
			if w := row.Work(side); w != nil {
				own := *w
				own.Xid, own.Also = 0, ""
				row.setWork(own)
			}
		}
		b.put(row)
	}
}
