package crm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// snapshot is a pg_snapshot: transactions below xmin are over, those from xmax on had not begun, the listed ones were running
// (PostgreSQL manual, 9.27.9). Its ids have 64 bits.
type snapshot struct {
	xmin, xmax uint64
	running    []uint64 // sorted
}

func parseSnapshot(text string) (snapshot, error) {
	var s snapshot
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return s, fmt.Errorf("read snapshot %q: want xmin:xmax:xip", text)
	}
	var err error
	if s.xmin, err = strconv.ParseUint(parts[0], 10, 64); err != nil {
		return s, fmt.Errorf("read snapshot %q: %w", text, err)
	}
	if s.xmax, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return s, fmt.Errorf("read snapshot %q: %w", text, err)
	}
	if parts[2] == "" {
		return s, nil
	}
	for _, p := range strings.Split(parts[2], ",") {
		id, err := strconv.ParseUint(p, 10, 64)
		if err != nil {
			return s, fmt.Errorf("read snapshot %q: %w", text, err)
		}
		s.running = append(s.running, id)
	}
	slices.Sort(s.running)
	return s, nil
}

// contains reports that the snapshot shows what a transaction did that has committed. Logical decoding gives ids of 32 bits; the full
// one is the nearest to xmax, for no transaction is older than half of the circle. 0 is no transaction.
func (s snapshot) contains(xid uint32) bool {
	if xid == 0 {
		return true
	}
	full := s.extend(xid)
	if full < int64(s.xmin) {
		return true
	}
	if full >= int64(s.xmax) {
		return false
	}
	_, found := slices.BinarySearch(s.running, uint64(full))
	return !found
}

func (s snapshot) extend(xid uint32) int64 {
	return int64(s.xmax) + int64(int32(xid-uint32(s.xmax)))
}
