package change

// Schemas of what is the same for every table, by Debezium's names (SchemaFactory, SourceInfo, Envelope).

func plain(t SchemaType) *Schema    { return &Schema{Type: t} }
func optional(t SchemaType) *Schema { return &Schema{Type: t, Optional: true} }

var sourceSchema = &Schema{Type: SchemaStruct, Name: "io.debezium.connector.postgresql.Source", Version: 1, Fields: []Field{
	{"version", plain(SchemaString)}, {"connector", plain(SchemaString)}, {"name", plain(SchemaString)}, {"ts_ms", plain(SchemaInt64)},
	{"snapshot", &Schema{Type: SchemaString, Optional: true, Name: "io.debezium.data.Enum", Version: 1, Default: []byte(`"false"`),
		Parameters: []Parameter{{"allowed", "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"}}}},
	{"db", plain(SchemaString)}, {"sequence", optional(SchemaString)}, {"ts_us", optional(SchemaInt64)}, {"ts_ns", optional(SchemaInt64)},
	{"schema", plain(SchemaString)}, {"table", plain(SchemaString)}, {"txId", optional(SchemaInt64)}, {"lsn", optional(SchemaInt64)},
	{"xmin", optional(SchemaInt64)}, {"origin", optional(SchemaString)}, {"origin_lsn", optional(SchemaInt64)},
}}

var transactionSchema = &Schema{Type: SchemaStruct, Optional: true, Name: "event.block", Version: 1, Fields: []Field{
	{"id", plain(SchemaString)}, {"total_order", plain(SchemaInt64)}, {"data_collection_order", plain(SchemaInt64)},
}}

// EnvelopeSchema is that of a table's values. row is the schema of its rows; name is what Debezium calls the table in schemas: its topic.
func EnvelopeSchema(name string, row *Schema) *Schema {
	row = row.as(true)
	return &Schema{Type: SchemaStruct, Name: name + ".Envelope", Version: 2, Fields: []Field{
		{"before", row}, {"after", row}, {"source", sourceSchema}, {"transaction", transactionSchema}, {"op", plain(SchemaString)},
		{"ts_ms", optional(SchemaInt64)}, {"ts_us", optional(SchemaInt64)}, {"ts_ns", optional(SchemaInt64)},
	}}
}

// Schemas of records that belong to no table.
var (
	MessageKeySchema = &Schema{Type: SchemaStruct, Name: "io.debezium.connector.postgresql.MessageKey", Version: 1, Fields: []Field{{"prefix", optional(SchemaString)}}}

	HeartbeatKeySchema = &Schema{Type: SchemaStruct, Name: "io.debezium.connector.common.ServerNameKey", Version: 1, Fields: []Field{{"serverName", plain(SchemaString)}}}
	HeartbeatSchema    = &Schema{Type: SchemaStruct, Name: "io.debezium.connector.common.Heartbeat", Version: 1, Fields: []Field{{"ts_ms", plain(SchemaInt64)}}}

	BoundaryKeySchema = &Schema{Type: SchemaStruct, Name: "io.debezium.connector.common.TransactionMetadataKey", Version: 1, Fields: []Field{{"id", plain(SchemaString)}}}
	BoundarySchema    = &Schema{Type: SchemaStruct, Name: "io.debezium.connector.common.TransactionMetadataValue", Version: 1, Fields: []Field{
		{"status", plain(SchemaString)}, {"id", plain(SchemaString)}, {"event_count", optional(SchemaInt64)},
		{"data_collections", &Schema{Type: SchemaArray, Optional: true, Items: &Schema{Type: SchemaStruct, Optional: true, Name: "event.collection", Version: 1,
			Fields: []Field{{"data_collection", plain(SchemaString)}, {"event_count", plain(SchemaInt64)}}}}},
		{"ts_ms", plain(SchemaInt64)},
	}}
)

// MessageSchema is that of an op m.
func (f Format) MessageSchema() *Schema {
	return &Schema{Type: SchemaStruct, Name: "io.debezium.connector.postgresql.MessageValue", Version: 1, Fields: []Field{
		{"op", plain(SchemaString)}, {"ts_ms", optional(SchemaInt64)}, {"source", sourceSchema}, {"transaction", transactionSchema},
		{"message", &Schema{Type: SchemaStruct, Name: "io.debezium.connector.postgresql.Message", Version: 1,
			Fields: []Field{{"prefix", optional(SchemaString)}, {"content", f.bytesSchema().as(true)}}}},
	}}
}
