// Package converter turns events into keys and values as Kafka Connect's converters do: JSON with schemas (JsonConverter, schemas.enable=true) and Avro in
// Confluent's wire format with a schema registry (AvroConverter). JSON without schemas needs none of it: a nil *[Converter].
//
// An event is first written as JSON without a schema, by [change.Format], which `make parity` compares with Debezium's byte for byte. That JSON is the
// payload of JSON with a schema; Avro is made of it by the schema alone (see appendAvro). So there is one place that knows how a type is written, and
// the converters cannot disagree on it.
//
//	columns, catalog ─► layout (one per table, until its columns or their definitions change)
//	                      │ Connect schemas of key and value
//	                      ├─► JSON:  {"schema":…,"payload":   made once
//	                      └─► Avro:  schema text ─► registry ─► id, asked for at the first event that has it
//
// A schema says more than the stream: which columns may be null, and their defaults. The [Catalog] says that, as it is now; Debezium asks it, too.
//
// A [Converter] may be used from several goroutines.
package converter
