package sink

import (
	"context"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// Rows are the rows of one entity in the CRM. sink/crm implements it on PostgreSQL, the simulation in memory.
type Rows interface {
	// Read gives the rows under these keys as one read-only, repeatable-read snapshot of the primary shows them. A key without a
	// row is in the answer too, with Exists false.
	Read(ctx context.Context, keys []string) (Snapshot, error)
	// Write changes one row and commits the ledger in the same transaction: the root row is locked FOR NO KEY UPDATE, its image read
	// again and compared with w.Expect; if it differs nothing is written and the result says Stale. What finish returns is
	// committed with the write (also when Stale); an error of it rolls back. ledger errors (ErrFenced, ErrBraked) come back as they are.
	Write(ctx context.Context, w RowWrite, finish func(RowResult) (ledger.Commit, error)) error
}

// Snapshot is one look at the CRM.
type Snapshot struct {
	At      time.Time // the server's clock when the snapshot was taken
	Rows    map[string]Row
	Visible func(xid uint32) bool // whether the snapshot contains a transaction (pg_visible_in_snapshot); true for 0
	// Parked are fields that the tables as they are leave out, with their reasons; Generations count by field how often a person accepted other
	// columns in the place of those that were known.
	Parked      map[string]string
	Generations map[string]int
}

// Row is one row's image, in the CRM's own values: before functions and plugins, relations as sets of the targets' keys (Texts).
type Row struct {
	Key     string
	Exists  bool   // a row stands under the key and is not soft-deleted
	Soft    bool   // a row stands there, soft-deleted: as good as a delete's evidence
	InScope bool   // the mapping's where holds
	Xmin    uint32 // transaction that left the root row as it is (its xmin), 0 where not known
	Image   change.Image
	// Problems are fields that could not be read as their type, with the reason in plain words; they are missing from Image.
	Problems map[string]string
}

// RowOp is what a [RowWrite] does.
type RowOp string

// The row operations. A delete is a soft delete where the mapping names a column for it.
const (
	RowInsert RowOp = "insert"
	RowUpdate RowOp = "update"
	RowDelete RowOp = "delete"
	// RowRestore takes a soft delete back; only a person asks for it.
	RowRestore RowOp = "restore"
)

// RowWrite is one write to one row, in the CRM's own values.
type RowWrite struct {
	Op     RowOp
	Key    string       // empty for an insert: the mapping says how keys are made
	Expect change.Image // what the decision saw in the fields that it writes; for a delete, in all fields of the base
	Set    change.Image // the fields to write; nothing outside the mapping's allow-list gets through
}

// RowResult is what became of a [RowWrite].
type RowResult struct {
	Key      string       // of the row, also of one that was inserted
	Stale    bool         // the row did not hold Expect, or is gone: nothing was written
	Image    change.Image // the whole image after the write (or as it is, when stale), as the database returned it
	At       time.Time    // the server's clock in the transaction
	Problems map[string]string
}
