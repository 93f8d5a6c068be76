package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Offsets keeps the positions and the snapshot state of sources in a compacted topic, in Kafka Connect's shape (its
// offset.storage.topic): the key is the JSON array ["connector",{partition}], the value a JSON object, a tombstone forgets.
// So Connect's tools read and reset them.
//
// Numbers are kept as they were written (json.Number): an LSN does not fit a float. Safe for concurrent use; but of one
// key there must be one writer, which is what the slot and the leases are for. Close it.
type Offsets struct {
	spec     TopicSpec
	producer *Producer
	admin    *Admin
}

// OffsetsDefault is the offsets topic as it should be when nobody said otherwise.
func OffsetsDefault() TopicSpec {
	return TopicSpec{Name: "tandem.offsets", Partitions: 1, Cleanup: CleanupCompact}
}

// SourceOffset is one entry.
type SourceOffset struct {
	Connector string
	Partition map[string]any // which part of the source: {"server":"crm"}
	Offset    map[string]any // how far; never nil in what Load gives
}

// OpenOffsets builds the clients; no broker is asked yet. spec is compacted and has 1 to 25 partitions.
func OpenOffsets(config Config, spec TopicSpec) (*Offsets, error) {
	if spec.Cleanup == "" {
		spec.Cleanup = CleanupCompact
	}
	err := spec.Validate()
	if spec.Cleanup != CleanupCompact {
		err = errors.Join(err, fmt.Errorf("topic %q: cleanup.policy must be compact, or positions would expire", spec.Name))
	}
	if err != nil {
		return nil, fmt.Errorf("offset.storage.topic: %w", err)
	}
	producer, err := OpenProducer(config)
	if err != nil {
		return nil, err
	}
	admin, err := OpenAdmin(config)
	if err != nil {
		producer.Close()
		return nil, err
	}
	return &Offsets{spec: spec, producer: producer, admin: admin}, nil
}

// Ensure creates the topic if need be. One that exists and is not compacted is refused: its positions would expire.
func (o *Offsets) Ensure(ctx context.Context) error {
	mismatches, err := o.admin.EnsureTopics(ctx, o.spec)
	for _, m := range mismatches {
		if m.Setting == "cleanup.policy" && !strings.Contains(m.Got, string(CleanupCompact)) {
			return &StoppedError{Err: fmt.Errorf("%s: positions in it would expire; run kafka-configs.sh --alter --entity-type topics "+
				"--entity-name %s --add-config cleanup.policy=compact", m, o.spec.Name)}
		}
	}
	return err
}

// Load reads the topic to its end and gives the connector's entries. Ensure comes before it. It waits for Kafka until ctx ends.
func (o *Offsets) Load(ctx context.Context, connector string) ([]SourceOffset, error) {
	var (
		order  []string
		latest = map[string]SourceOffset{}
		broken = map[string]error{} // by the key's bytes: a later record may mend it
	)
	err := scanTopic(ctx, o.admin.client, o.spec.Name, func(r Record) {
		delete(broken, string(r.Key))
		entry, err := decodeOffset(r)
		if err != nil {
			if name, ok := connectorOf(r.Key); len(r.Value) > 0 && (!ok || name == connector) {
				broken[string(r.Key)] = err
			}
			return
		}
		if entry.Connector != connector {
			return
		}
		key := string(mustKey(entry.Connector, entry.Partition)) // our own form: others order the keys otherwise
		if _, seen := latest[key]; !seen {
			order = append(order, key)
		}
		latest[key] = entry
	})
	if err != nil {
		return nil, err
	}
	for _, err := range broken {
		return nil, err // a position that cannot be read is not "no position": that would be a new snapshot
	}
	var out []SourceOffset
	for _, key := range order {
		if entry := latest[key]; entry.Offset != nil {
			out = append(out, entry)
		}
	}
	return out, nil
}

// Save returns when all in-sync replicas have the entry. A nil Offset is a tombstone: it forgets.
func (o *Offsets) Save(ctx context.Context, entry SourceOffset) error {
	r, err := o.Record(entry)
	if err != nil {
		return err
	}
	if err := o.producer.SendBatch(ctx, []Record{r}); err != nil {
		return fmt.Errorf("save offset of %s: %w", entry.Connector, err)
	}
	return nil
}

// Reset forgets one entry.
func (o *Offsets) Reset(ctx context.Context, connector string, partition map[string]any) error {
	return o.Save(ctx, SourceOffset{Connector: connector, Partition: partition})
}

// Record is the entry as a record, to be sent in the same transaction as what it accounts for.
func (o *Offsets) Record(entry SourceOffset) (Record, error) {
	key, err := offsetKey(entry.Connector, entry.Partition)
	if err != nil {
		return Record{}, err
	}
	r := Record{Topic: o.spec.Name, Key: key}
	if entry.Offset != nil {
		if r.Value, err = compactJSON(entry.Offset); err != nil {
			return Record{}, fmt.Errorf("encode offset of %s: %w", entry.Connector, err)
		}
	}
	return r, nil
}

// Close ends the clients.
func (o *Offsets) Close() {
	o.producer.Close()
	o.admin.Close()
}

// offsetKey is Connect's: ["connector",{"field":"value"}], fields sorted.
func offsetKey(connector string, partition map[string]any) ([]byte, error) {
	if connector == "" {
		return nil, errors.New("encode offset key: the connector has no name")
	}
	if partition == nil {
		partition = map[string]any{}
	}
	key, err := compactJSON([]any{connector, partition})
	if err != nil {
		return nil, fmt.Errorf("encode offset key of %s: %w", connector, err)
	}
	return key, nil
}

// mustKey is for what was decoded from JSON, which always encodes.
func mustKey(connector string, partition map[string]any) []byte {
	key, err := offsetKey(connector, partition)
	if err != nil {
		panic(err)
	}
	return key
}

// compactJSON leaves <, > and & as they are: Java does, and the bytes of a key are its identity.
func compactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func decodeOffset(r Record) (SourceOffset, error) {
	var key []json.RawMessage
	var entry SourceOffset
	err := exactJSON(r.Key, &key)
	if err == nil && len(key) != 2 {
		err = errors.New("the key is not [connector, partition]")
	}
	if err == nil {
		err = errors.Join(exactJSON(key[0], &entry.Connector), exactJSON(key[1], &entry.Partition))
	}
	if err == nil && entry.Connector == "" {
		err = errors.New("the key names no connector")
	}
	if err == nil && len(r.Value) > 0 {
		err = exactJSON(r.Value, &entry.Offset)
	}
	if err != nil {
		return SourceOffset{}, fmt.Errorf("decode offset %s (reset it with a record that has its key and no value): %w", r.At(), err)
	}
	return entry, nil
}

// connectorOf is the name in a key, when that much can be read.
func connectorOf(key []byte) (name string, ok bool) {
	var parts []json.RawMessage
	if exactJSON(key, &parts) != nil || len(parts) == 0 || exactJSON(parts[0], &name) != nil {
		return "", false
	}
	return name, true
}

// exactJSON keeps numbers as they are written and refuses what follows the value.
func exactJSON(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
