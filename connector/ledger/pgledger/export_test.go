package pgledger

import "time"

// TakeDue is the statement that tests explain.
const TakeDue = takeDue

// TakeDueOf gives the statement of a lane.
var TakeDueOf = takeDueOf

// SetClock gives a store another clock than this machine's.
func (s *Store) SetClock(now func() time.Time) { s.clock = now }
