package kafka

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Record is one Kafka record. A nil Key or Value is null, an empty one is empty: Kafka tells them apart. The
// bytes belong to whoever was handed the record; nothing here writes to them.
type Record struct {
	Topic   string
	Key     []byte
	Value   []byte // nil: a tombstone
	Headers []Header
	Time    time.Time // when produced; zero on sending means now. Milliseconds.

	// Where it stands; set on what was consumed, ignored on sending (the key decides).
	Partition   int32
	Offset      int64
	LeaderEpoch int32
}

// Header is one of a record's headers, a Key and a Value. Keys may repeat; order is kept. It is the client's own type, so that no record's headers are copied.
type Header = kgo.RecordHeader

// At names the record for messages: topic/partition@offset.
func (r Record) At() string { return fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset) }

// Header is the value of the last header with that key, as Connect's lastWithName.
func (r Record) Header(key string) (value []byte, ok bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value, true
		}
	}
	return nil, false
}

// size is what the record counts against the byte budget: kgo's own measure (key, value, headers).
func (r Record) size() int64 {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return int64(n)
}

func (r Record) wire() *kgo.Record {
	return &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Time}
}

func fromWire(in *kgo.Record) Record {
	return Record{
		Topic: in.Topic, Key: in.Key, Value: in.Value, Headers: in.Headers, Time: in.Timestamp,
		Partition: in.Partition, Offset: in.Offset, LeaderEpoch: in.LeaderEpoch,
	}
}
