package cdc

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/change"
)

// boundary is what {prefix}.transaction says of a transaction, when provide.transaction.metadata is on: that it begins, before its first event, and
// that it ends, with how many events it had in all and of each table. One of whose changes none is written has both, as with Debezium.
type boundary struct {
	id     string      // "" outside of transactions
	tables []tableName // in the order of their first events; of messages: their prefixes
	time   time.Time   // of the commit
}

// transactionID has the commit's LSN, so that it is the same in every event of a transaction, as Debezium's is not.
func transactionID(id int64, commit change.LSN) string {
	return strconv.FormatInt(id, 10) + ":" + strconv.FormatUint(uint64(commit), 10)
}

// begin starts the counts of a transaction, and writes BEGIN. If Kafka has what comes first in it, it has BEGIN too.
func (e *emitter) begin(ctx context.Context, tx *pgoutput.Transaction, f *flight) error {
	if !e.config.TransactionInfo || !tx.Open {
		return nil
	}
	clear(e.orders)
	e.order, e.bound = 0, boundary{id: transactionID(tx.ID, tx.Commit), time: tx.Time, tables: e.bound.tables[:0]}
	if (change.Position{Commit: tx.Commit}).Compare(e.resume) < 0 {
		return nil
	}
	return e.announce(ctx, f, `{"status":"BEGIN","id":"`+e.bound.id+`","event_count":null,"data_collections":null,"ts_ms":`+strconv.FormatInt(e.bound.time.UnixMilli(), 10)+`}`)
}

// closes writes END after the last event.
func (e *emitter) closes(ctx context.Context, f *flight) error {
	if e.bound.id == "" {
		return nil
	}
	value := fmt.Appendf(nil, `{"status":"END","id":"%s","event_count":%d,"data_collections":[`, e.bound.id, e.order)
	for i, t := range e.bound.tables {
		if i > 0 {
			value = append(value, ',')
		}
		value = append(append(value, `{"data_collection":`...), change.AppendString(nil, strings.TrimPrefix(t.String(), "."))...)
		value = fmt.Appendf(value, `,"event_count":%d}`, e.orders[t])
	}
	value = fmt.Appendf(value, `],"ts_ms":%d}`, e.bound.time.UnixMilli())
	err := e.announce(ctx, f, string(value))
	e.bound.id = ""
	return err
}

func (e *emitter) announce(ctx context.Context, f *flight, value string) error {
	r := Record{Topic: e.naming.transaction(), Time: e.now(), Key: []byte(`{"id":"` + e.bound.id + `"}`), Value: []byte(value)}
	if err := e.convert(ctx, &r, change.BoundaryKeySchema, change.BoundarySchema); err != nil {
		return err
	}
	return e.send(ctx, r, f, place{})
}

// transactionTopic is the last part of the topic's name.
const transactionTopic = "transaction"
