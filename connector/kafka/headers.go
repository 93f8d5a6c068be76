package kafka

import "sync/atomic"

// Headers makes headers of another package's, which look the same. A source sends one slice with nearly every record, so the last that was made is kept:
// what was given to Of must not change. Safe for concurrent use.
type Headers[H ~struct {
	Key   string
	Value []byte
}] struct {
	last atomic.Pointer[madeHeaders[H]]
}

// madeHeaders holds on to what it was made of, so that nothing else can come to lie there.
type madeHeaders[H any] struct {
	of   []H
	made []Header
}

// Of gives in as a record's.
func (h *Headers[H]) Of(in []H) []Header {
	if len(in) == 0 {
		return nil
	}
	if last := h.last.Load(); last != nil && len(last.of) == len(in) && &last.of[0] == &in[0] {
		return last.made
	}
	made := make([]Header, len(in))
	for i, header := range in {
		made[i] = Header(header)
	}
	h.last.Store(&madeHeaders[H]{in, made})
	return made
}
