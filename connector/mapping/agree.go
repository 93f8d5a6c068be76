package mapping

import (
	"context"
	"fmt"
)

// Registry is the ledger's memory of the mapping under which a sync runs.
type Registry interface {
	Mapping(ctx context.Context, sync, entity string) (hash string, err error)
}

// OtherMappingError is returned while the sync runs under another mapping than this connector was given.
type OtherMappingError struct {
	Sync, Entity string
	Have, Want   string // hashes: the ledger's and ours; Have is "" while nobody has begun
}

// Error says which mapping differs and what to do.
func (e *OtherMappingError) Error() string {
	if e.Have == "" {
		return fmt.Sprintf("sync %s has not begun with %s yet: its sink.NotionSink comes first", e.Sync, e.Entity)
	}
	return fmt.Sprintf("the mapping of %s in sync %s differs from the one that the sync runs under (ours %.8s, in force %.8s): give all connectors the same file, and restart the sink.NotionSink to put a new one in force",
		e.Entity, e.Sync, e.Want, e.Have)
}

// Waiting reports that nothing is wrong: it is not this connector's turn yet.
func (e *OtherMappingError) Waiting() bool { return e.Have == "" }

// Agree reports the first entity whose mapping is not the one in force. The sink.NotionSink puts mappings in force; all others wait.
func Agree(ctx context.Context, registry Registry, entities []*Entity) error {
	for _, e := range entities {
		have, err := registry.Mapping(ctx, e.Sync, e.Name)
		if err != nil {
			return fmt.Errorf("read the mapping in force: %w", err)
		}
		if have != e.Hash {
			return &OtherMappingError{Sync: e.Sync, Entity: e.Name, Have: have, Want: e.Hash}
		}
	}
	return nil
}
