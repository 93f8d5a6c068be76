package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Transaction runs fn; what fn sends through this producer is then visible to read_committed consumers all at once, or
// never. It is committed when fn returned nil and every record was acknowledged, else aborted and the reason returned.
//
// An Unknown error means that the commit may have happened. One transaction at a time: a second caller waits.
func (p *Producer) Transaction(ctx context.Context, fn func(context.Context) error) error {
	if p.txID == "" {
		return errors.New("transaction: this producer has no transactional id")
	}
	p.tx.Lock()
	defer p.tx.Unlock()
	p.failed.Store(nil)
	if err := p.client.BeginTransaction(); err != nil {
		return wrap("begin transaction", "", err)
	}
	err := fn(ctx)
	if err == nil {
		err = wrap("flush transaction", "", p.client.Flush(ctx))
	}
	if first := p.failed.Load(); err == nil && first != nil {
		err = *first
	}
	if err != nil {
		return p.abort(ctx, err)
	}
	if err := p.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		failed := &Error{Op: "commit transaction", Err: advise(err), kind: unknown}
		if classify(err) == permanent { // fenced, or refused: certainly not committed
			failed.kind = permanent
		}
		return p.abort(ctx, failed)
	}
	return nil
}

// abort ends the transaction without its records. When even that fails, the broker does it after transaction.timeout.ms.
func (p *Producer) abort(ctx context.Context, reason error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeDrain)
	defer cancel()
	err := p.client.AbortBufferedRecords(ctx)
	if err == nil {
		err = p.client.EndTransaction(ctx, kgo.TryAbort)
	}
	if err != nil {
		return fmt.Errorf("%w (and abort: %w)", reason, err)
	}
	return reason
}
