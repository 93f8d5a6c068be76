package host

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-sync/tandem/plugins/rpc/pluginv1"
)

// Limits on suspicion.
const (
	strikesMax  = 3         // deaths of the plugin before an item is refused: one among others, two alone
	suspectsMax = 10_000    // 40 bytes each; beyond it the newest are not remembered
	suspectFor  = time.Hour // after it an item is innocent again: the plugin may have been mended
)

// suspects remembers the items that a plugin was answering when it died. Any goroutine may call.
type suspects struct {
	count atomic.Int64 // len(items): nearly always 0, and then nothing is hashed
	mu    sync.Mutex
	items map[[sha256.Size]byte]strikes
}

type strikes struct {
	n     int
	until time.Time
}

// blame strikes the items that were under way. Which of several it was is not known (an answer may be lost with the process that gave it), so
// among others an item gets its first strike only; from then on it travels alone, and is cleared, or struck for certain.
func (s *suspects) blame(flights []*flight, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items == nil {
		s.items = map[[sha256.Size]byte]strikes{}
	}
	for key, st := range s.items {
		if now.After(st.until) {
			delete(s.items, key)
		}
	}
	for _, f := range flights {
		for _, item := range f.batch.GetItems() {
			key := fingerprint(f.batch.GetInstance(), f.batch.GetDirection(), item)
			st, known := s.items[key]
			if !known && len(s.items) >= suspectsMax {
				continue
			}
			if f.alone || !known {
				st.n++
			}
			s.items[key] = strikes{n: st.n, until: now.Add(suspectFor)}
		}
	}
	s.count.Store(int64(len(s.items)))
}

// struck tells how often the plugin died on an item.
func (s *suspects) struck(instance string, d pluginv1.Direction, item []byte, now time.Time) int {
	if s.count.Load() == 0 {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.items[fingerprint(instance, d, item)]
	if now.After(st.until) {
		return 0
	}
	return st.n
}

// clear forgets an item that was answered.
func (s *suspects) clear(instance string, d pluginv1.Direction, item []byte) {
	if s.count.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.items, fingerprint(instance, d, item))
	s.count.Store(int64(len(s.items)))
}

func (s *suspects) clearAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items = nil
	s.count.Store(0)
}

func fingerprint(instance string, d pluginv1.Direction, item []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte(instance))
	h.Write([]byte{0, byte(d)})
	h.Write(item)
	return [sha256.Size]byte(h.Sum(nil))
}
