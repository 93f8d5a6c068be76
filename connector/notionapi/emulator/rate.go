package emulator

import (
	"math"
	"time"
)

// rateWindow is Notion's fixed window (reference/request-limits).
const rateWindow = time.Minute

// window counts requests until it ends; it begins with its first request.
type window struct {
	ends time.Time
	used int
}

// count books one request against the token's window and the workspace's.
func (s *State) count(in *integration, now time.Time) *apiError {
	if s.cfg.Limit > 0 {
		if after := s.take("token "+in.BotID, s.cfg.Limit, rateWindow, now); after > 0 {
			return errRate("public_api_request_rate_limit", after)
		}
	}
	if s.cfg.WorkspaceLimit > 0 {
		if after := s.take("workspace", s.cfg.WorkspaceLimit, s.cfg.WorkspaceWindow, now); after > 0 {
			return errRate("public_api_space_request_rate_limit", after)
		}
	}
	return nil
}

// take returns 0, or the whole seconds until the window ends when it is spent.
func (s *State) take(key string, limit int, length time.Duration, now time.Time) int {
	w := s.rates[key]
	if w == nil || !now.Before(w.ends) {
		w = &window{ends: now.Add(length)}
		s.rates[key] = w
	}
	if w.used >= limit {
		return max(1, int(math.Ceil(w.ends.Sub(now).Seconds())))
	}
	w.used++
	return 0
}
