package sink

import "github.com/tandem-sync/tandem/connector/ledger"

// free has the other side look again at work that it parked, when a turn that saw both sides ends with nothing left to do: what it was
// parked for is gone, and nothing else would tell it. It looks once; what still cannot be done is parked again.
func (r *reconciliation) free(c *ledger.Commit) {
	if c.Finish == nil || c.Finish.Parked != "" || !c.Finish.Later.IsZero() {
		return
	}
	other := r.w.Side.Other()
	if w, ok := r.item.Work(other); ok && w.Parked != "" {
		c.Reasons = append(c.Reasons, r.reason(other, "retry"))
	}
}
