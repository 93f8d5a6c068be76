package main

import (
	"context"
	"time"

	"github.com/tandem-sync/tandem/cdc"
)

// sourcesAnswer is what status prints of sources that serve no sync: they have no ledger, and need none.
type sourcesAnswer struct {
	At        time.Time       `json:"at"`
	Sources   []sourceStatus  `json:"sources"`
	Snapshots []snapshotTable `json:"snapshots,omitempty"` // tables that they read while they stream
}

type sourceStatus struct {
	Connector string      `json:"connector"`
	SlotName  string      `json:"slot_name"`
	Slot      *slotStatus `json:"slot"` // null: there is none
}

// onlySources gives the sources if the files are of nothing else, and name no mappings; else nil.
func (o *statusOptions) onlySources(a *app) []*cdcKeys {
	sources, err := a.captures(o.Config)
	if err != nil || len(sources) < len(o.Config) {
		return nil
	}
	if k, err := a.sessionKeysOf(o.Config); err != nil || len(k.Mappings) > 0 {
		return nil
	}
	return sources
}

// sources tells of each source's slot, and of the tables that it reads.
func (o *statusOptions) sources(ctx context.Context, a *app, sources []*cdcKeys) error {
	answer := sourcesAnswer{At: time.Now().UTC(), Snapshots: o.snapshots(ctx, a)}
	for _, k := range sources {
		k.Database.ApplicationName = "tandem command"
		s := sourceStatus{Connector: k.Name, SlotName: k.Slot}
		state, err := cdc.LookAtSlot(ctx, k.Database, k.Slot)
		if err != nil {
			return unreachable(k.Name, err)
		}
		if state != nil {
			slot := slotStatusOf(*state)
			s.Slot = &slot
		}
		answer.Sources = append(answer.Sources, s)
	}
	if o.JSON {
		return o.out.json(answer)
	}
	for _, s := range answer.Sources {
		text := "there is none: it has not begun to stream, or somebody dropped the slot"
		if s.Slot != nil {
			text = s.Slot.text
		}
		o.out.printf("%s, slot %s: %s\n", printable(s.Connector), printable(s.SlotName), text)
	}
	if len(answer.Snapshots) > 0 {
		o.out.printf("\n")
		o.out.snapshots(answer.Snapshots)
	}
	return nil
}
