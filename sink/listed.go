package sink

import (
	"context"
	"iter"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// PageList lists an entity's pages, for those who look at all of them: plan and link. sink/notion's [Pages] implement it.
type PageList interface {
	List(ctx context.Context, schema ledger.Schema) iter.Seq2[Listed, error]
}

// Listed is a page as a query shows it.
type Listed struct {
	Page string
	Seen ledger.Observation
}

// RowImage gives a row's canonical values, as every decision sees them.
func (w *Worker) RowImage(ctx context.Context, entity string, schema ledger.Schema, row Row) (change.Image, error) {
	e := w.Entities[entity]
	t := &translation{entity: e, schema: schema, fields: e.fields(schema, row.Image), functions: w.Functions, links: w.Ledger}
	view, err := t.fromRow(ctx, row)
	return view.Image, err
}

// PageImage gives a page's canonical values, as every decision sees them.
func (w *Worker) PageImage(ctx context.Context, entity string, schema ledger.Schema, seen ledger.Observation) (change.Image, error) {
	e := w.Entities[entity]
	t := &translation{entity: e, schema: schema, fields: e.fields(schema, nil), functions: w.Functions, links: w.Ledger}
	view, err := t.fromPage(ctx, seen)
	return view.Image, err
}
