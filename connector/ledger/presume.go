package ledger

import "github.com/tandem-sync/tandem/connector/change"

// Presume gives the input with the page as it was last agreed on, to ask [Gate] whether a brake holds what the CRM did whatever the page shows. It is
// false where the ledger knows of something that may be otherwise: then only a read can tell.
//
// An answer that rests on it may become a hold, and nothing else: no write, no base, no end of another hold (design.md invariant 3). It spares the one thing
// that a hold does not need. 10,000 rows that a brake holds are 10,000 requests else, an hour of all that Notion allows.
func Presume(in Input) (Input, bool) {
	l := in.Link
	if l.State != Live || l.Page == "" || l.Intent != nil || l.Seen != nil || !in.CRM.Read || in.Notion.Read || len(in.CRM.Bad)+len(in.CRM.Waits) > 0 {
		return in, false
	}
	for _, h := range in.Holds {
		if h.Chosen(in.Now) || !h.keptBack() {
			return in, false // a person has said what is to become of it, or it is about what the page shows
		}
	}
	image := make(change.Image, len(in.Rules.Fields))
	for i := range in.Rules.Fields {
		p := &in.Rules.Fields[i]
		base, ok := agreedBefore(&in, p)
		if !ok || base.Sent != nil || base.Stuck != nil || base.Back {
			return in, false
		}
		image[p.Name] = base.Value
	}
	// It is as old as anything may be: no clock decides by it.
	in.Notion = View{Read: true, There: true, Scope: true, Image: image, External: l.External}
	return in, true
}

// BrakedWhole reports that a gated decision does nothing but hold what brakes and pauses keep back.
func (d Decision) BrakedWhole() bool {
	if d.Page != "" || d.Row != "" || d.Mark || d.Remove || len(d.Need) > 0 || len(d.Parked)+len(d.Waits)+len(d.Typing) > 0 || len(d.Holds) == 0 || !d.Later.IsZero() {
		return false
	}
	for _, h := range d.Holds {
		if !h.keptBack() {
			return false
		}
	}
	return true
}

func (h Hold) keptBack() bool { return h.Kind == "brake" || h.Kind == "paused" }

// Settled reports that a hold rests on nothing that the page shows beside what was agreed on: it need not be kept what it showed.
func (h Hold) Settled(in Input) bool {
	if h.Kind != "brake" || h.Side != Notion {
		return false
	}
	v, read := in.Notion.Image[h.Field]
	base, ok := in.Link.Base[h.Field]
	return h.Field == "" || read && ok && change.Equal(v, base.Value)
}
