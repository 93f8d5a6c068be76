package simulation

import (
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// changeRecords are the records of one change: its event, and the tombstone behind a delete.
func changeRecords(e *mapping.Entity, l logged) ([]kafka.Record, error) {
	t := e.Tables()[0]
	key := keyRow(l.key)
	event := &change.Event{
		Op: l.op, Key: key, At: l.at,
		Source: change.Source{Version: "sim", Connector: "postgresql", Name: "crm", Time: l.at, DB: "crm", Schema: t.Schema, Table: t.Name, TxID: int64(l.xid), LSN: change.LSN(l.xid)},
	}
	if l.op == change.Delete {
		event.Before = key
	} else {
		event.After = key
	}
	if l.newKey != "" {
		event.NewKey = keyRow(l.newKey)
	}
	if l.oldKey != "" {
		event.OldKey = keyRow(l.oldKey)
	}
	if err := event.Validate(); err != nil {
		return nil, fmt.Errorf("write the change: %w", err)
	}
	var f change.Format
	record := kafka.Record{Topic: "crm." + t.String(), Key: f.AppendKey(nil, key), Value: f.AppendValue(nil, event)}
	for _, h := range f.Headers(event) {
		record.Headers = append(record.Headers, kafka.Header(h))
	}
	records := []kafka.Record{record}
	if l.op == change.Delete {
		records = append(records, kafka.Record{Topic: record.Topic, Key: record.Key})
	}
	return records, nil
}

func keyRow(key string) change.Row {
	return change.Row{{Name: "id", Type: change.Type{Name: "text", Modifier: -1}, Value: change.TextValue(key)}}
}
