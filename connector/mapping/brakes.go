package mapping

import (
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// limits are the brakes that the document asks for.
func (b Brakes) limits() ledger.Limits {
	l := ledger.DefaultLimits()
	old := Brake{Share: b.Share}
	if b.Max > 0 {
		old.Max = &b.Max
	}
	old.into(&l.Deletes)
	b.Deletes.into(&l.Deletes)
	b.Creates.into(&l.Creates)
	b.Updates.into(&l.Updates)
	b.Blanks.into(&l.Blanks)
	b.Transaction.into(&l.Transaction)
	if d, err := time.ParseDuration(b.Window); err == nil {
		l.Window = d
	}
	return l
}

func (b *Brake) into(l *ledger.Limit) {
	if b == nil {
		return
	}
	if b.Max != nil {
		l.Max = *b.Max
	}
	if b.Share != nil {
		l.Share = *b.Share
	}
}

func (d *Document) validateBrakes(ds *Diagnostics) {
	b := d.Brakes
	if b.Deletes != nil && (b.Max != 0 || b.Share != nil) {
		ds.errorf("brakes.deletes", "leave brakes.max and brakes.share out", "the limit of deletes is given twice")
	}
	if b.Window != "" {
		if w, err := time.ParseDuration(b.Window); err != nil || w < time.Minute || w > 24*time.Hour {
			ds.errorf("brakes.window", "", "%q is not a time from 1m to 24h, like 30m or 2h", b.Window)
		}
	}
	if d.Deletes.Grace != "" {
		if g, err := time.ParseDuration(d.Deletes.Grace); err != nil || g < 0 || g > 720*time.Hour {
			ds.errorf("deletes.grace", "the page's trash lasts 30 days", "%q is not a time from 0s to 720h, like 24h", d.Deletes.Grace)
		}
	}
}

// grace is how long deletes wait.
func (d Deletes) grace() time.Duration {
	g, err := time.ParseDuration(d.Grace)
	if err != nil {
		return 0 // validated before
	}
	return g
}
