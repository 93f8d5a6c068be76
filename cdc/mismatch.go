package cdc

import (
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
)

// Mismatch says which position holds when the stored one and the slot's differ: offset.mismatch.strategy, with Debezium's values.
//
// With us the stored position is normally ahead: PostgreSQL is told of it after it was stored. A slot that is ahead was moved by somebody else, and what lies
// between is gone. Only trust_offset notices that; it is the default.
type Mismatch string

// The strategies.
const (
	TrustOffset     Mismatch = "trust_offset"
	TrustGreaterLSN Mismatch = "trust_greater_lsn"
	TrustSlot       Mismatch = "trust_slot"
	NoValidation    Mismatch = "no_validation"
)

func (m *Mismatch) define(s *config.Set) {
	config.Enum(s, m, config.Key{Name: "offset.mismatch.strategy", Default: string(TrustOffset), Importance: config.Low, Group: "Capture",
		Doc: "Which position holds when the stored one and the slot's differ. trust_offset: the stored one, and a slot that is ahead of it means that changes are lost. " +
			"trust_greater_lsn: the newer one. trust_slot: the slot's. no_validation: the stored one if the slot still has it, else the slot's. All but the first skip what somebody else took from the slot."},
		TrustOffset, TrustGreaterLSN, TrustSlot, NoValidation)
}

// settle gives the position to go on from, and what that means if it is not the stored one. It is pure.
func (m Mismatch) settle(stored *offset, s *slot) (*offset, string) {
	if stored == nil || stored.running() || s == nil || s.lost || s.confirmed == 0 || s.confirmed == stored.LSN {
		return stored, ""
	}
	ahead := s.confirmed > stored.LSN
	if m == TrustOffset || m == "" || !ahead && m != TrustSlot {
		return stored, ""
	}
	moved := stored.at(progress{lsn: s.confirmed, next: change.Position{Commit: s.confirmed}})
	if ahead {
		return &moved, fmt.Sprintf("changes between the stored position %s and the slot's, %s, are skipped: somebody else read them (offset.mismatch.strategy=%s)", stored.LSN, s.confirmed, m)
	}
	return &moved, fmt.Sprintf("changes between the slot's position %s and the stored one, %s, come again (offset.mismatch.strategy=%s)", s.confirmed, stored.LSN, m)
}
