package book

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// ValidClaim says all that is wrong with a claim.
func ValidClaim(c ledger.Claim) error {
	var errs []error
	if c.Sync == "" {
		errs = append(errs, errors.New("take work: the claim needs a sync"))
	}
	if c.Side != ledger.CRM && c.Side != ledger.Notion {
		errs = append(errs, errors.New("take work: the claim needs a side"))
	}
	if c.Lane != "" && c.Lane != ledger.LaneLive && c.Lane != ledger.LaneBackfill {
		errs = append(errs, fmt.Errorf("take work: there is no lane %q", c.Lane))
	}
	if c.Holder == "" || c.Lease <= 0 || c.Now.IsZero() {
		errs = append(errs, errors.New("take work: the claim needs a holder, a lease and the time"))
	}
	return errors.Join(errs...)
}

// Order is the order in which work is taken: live first, then parents, then age.
func Order(a, b *ledger.Work) int {
	return cmp.Or(-cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Rank, b.Rank), a.FirstSeen.Compare(b.FirstSeen))
}

// Pending is the row for people.
func (r *Row) Pending() ledger.Pending {
	return ledger.Pending{Link: CopyLink(r.Link), Work: append([]ledger.Work(nil), r.Works...), Holds: append([]ledger.Hold(nil), r.Holds...)}
}
