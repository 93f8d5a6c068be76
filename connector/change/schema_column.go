package change

import "strconv"

// Definition is what the catalog says of a column beside its type, and the stream does not.
type Definition struct {
	NotNull bool
	Domain  bool     // the type was a domain: its defaults are not the column's
	Default string   // as SQL, "" for none
	Labels  []string // of an enum, in its order
}

// RowSchema is that of a table's rows, or of its keys.
func (f Format) RowSchema(name string, row Row, definition func(column string) Definition) *Schema {
	s := &Schema{Type: SchemaStruct, Name: name}
	for i := range row {
		d := definition(row[i].Name)
		column := *f.columnSchema(row[i].Type, d, row[i].Value)
		column.Optional = !d.NotNull
		column.Default = f.defaultOf(&column, row[i].Type, d)
		s.Fields = append(s.Fields, Field{row[i].Name, &column})
	}
	return s
}

// columnSchema gives the schema of a type's values, as Debezium has it (PostgresValueConverter). v decides what the type leaves open: how many
// dimensions an array has.
func (f Format) columnSchema(t Type, d Definition, v Value) *Schema {
	if elem, ok := t.Elem(); ok {
		items := f.columnSchema(elem, d, Value{}).as(true)
		for range dimensions(v) - 1 {
			items = &Schema{Type: SchemaArray, Optional: true, Items: items}
		}
		return &Schema{Type: SchemaArray, Items: items}
	}
	named := func(typ SchemaType, name string) *Schema { return &Schema{Type: typ, Name: name, Version: 1} }
	switch t.Name {
	case "bool":
		return plain(SchemaBoolean)
	case "int2":
		return plain(SchemaInt16)
	case "int4":
		return plain(SchemaInt32)
	case "int8", "oid":
		return plain(SchemaInt64)
	case "float4":
		return plain(SchemaFloat32)
	case "float8":
		return plain(SchemaFloat64)
	case "numeric", "money":
		return f.decimalSchema(t)
	case "bytea":
		return f.bytesSchema()
	case "date", "time", "timestamp":
		return f.timeSchema(t)
	case "timestamptz":
		return named(SchemaString, "io.debezium.time.ZonedTimestamp")
	case "timetz":
		return named(SchemaString, "io.debezium.time.ZonedTime")
	case "interval":
		if f.IntervalMode == "string" {
			return named(SchemaString, "io.debezium.time.Interval")
		}
		return named(SchemaInt64, "io.debezium.time.MicroDuration")
	case "bit", "varbit":
		return bitsSchema(t)
	case "int2vector":
		return &Schema{Type: SchemaArray, Items: plain(SchemaInt16)}
	case "oidvector":
		return &Schema{Type: SchemaArray, Items: plain(SchemaInt64)}
	}
	return f.textSchema(t, d)
}

// dimensions counts how deep a list goes, at least 1.
func dimensions(v Value) int {
	for _, item := range v.Items() {
		if item.Kind() == List {
			return 1 + dimensions(item)
		}
	}
	return 1
}

// textSchema gives the schema of what is text in PostgreSQL, or becomes it.
func (f Format) textSchema(t Type, d Definition) *Schema {
	named := func(name string) *Schema { return &Schema{Type: SchemaString, Name: name, Version: 1} }
	switch t.Name {
	case "json", "jsonb":
		return named("io.debezium.data.Json")
	case "hstore":
		if f.HstoreMode == "map" {
			return &Schema{Type: SchemaMap, Items: optional(SchemaString)}
		}
		return named("io.debezium.data.Json")
	case "xml":
		return named("io.debezium.data.Xml")
	case "uuid":
		return named("io.debezium.data.Uuid")
	case "ltree":
		return named("io.debezium.data.Ltree")
	case "tsvector":
		return named("io.debezium.data.Tsvector")
	case "enum":
		s := named("io.debezium.data.Enum")
		allowed := ""
		for i, label := range d.Labels {
			if i > 0 {
				allowed += ","
			}
			allowed += label
		}
		s.Parameters = []Parameter{{"allowed", allowed}}
		return s
	case "point":
		return &Schema{Type: SchemaStruct, Name: "io.debezium.data.geometry.Point", Version: 1, Doc: "Geometry (POINT)", Fields: []Field{
			{"x", plain(SchemaFloat64)}, {"y", plain(SchemaFloat64)}, {"wkb", optional(SchemaBytes)}, {"srid", optional(SchemaInt32)}}}
	}
	if f.opaque(t) {
		return f.bytesSchema()
	}
	return plain(SchemaString)
}

func (f Format) bytesSchema() *Schema {
	switch f.BinaryMode {
	case "", "bytes":
		return plain(SchemaBytes)
	}
	return plain(SchemaString)
}

func bitsSchema(t Type) *Schema {
	if t.Modifier == 1 || t.Name == "bit" && t.Modifier < 0 {
		return plain(SchemaBoolean)
	}
	length := t.Modifier
	if length < 0 {
		length = 1<<31 - 1 // without a limit
	}
	return &Schema{Type: SchemaBytes, Name: "io.debezium.data.Bits", Version: 1, Parameters: []Parameter{{"length", strconv.Itoa(int(length))}}}
}

func (f Format) decimalSchema(t Type) *Schema {
	switch f.DecimalMode {
	case "string":
		return plain(SchemaString)
	case "double":
		return plain(SchemaFloat64)
	}
	scale, ok := f.declaredScale(t)
	if !ok {
		return &Schema{Type: SchemaStruct, Name: "io.debezium.data.VariableScaleDecimal", Version: 1, Doc: "Variable scaled decimal",
			Fields: []Field{{"scale", plain(SchemaInt32)}, {"value", plain(SchemaBytes)}}}
	}
	s := &Schema{Type: SchemaBytes, Name: DecimalName, Version: 1, Parameters: []Parameter{{DecimalScale, strconv.Itoa(scale)}}}
	if t.Name == "numeric" {
		s.Parameters = append(s.Parameters, Parameter{DecimalPrecision, strconv.Itoa(int((t.Modifier - 4) >> 16 & 0xffff))})
	}
	return s
}

// timeSchema follows time.precision.mode.
func (f Format) timeSchema(t Type) *Schema {
	named := func(typ SchemaType, name string) *Schema { return &Schema{Type: typ, Name: name, Version: 1} }
	isDate, isTime := t.Name == "date", t.Name == "time"
	pick := func(date, time, timestamp string) string {
		switch {
		case isDate:
			return date
		case isTime:
			return time
		}
		return timestamp
	}
	typ := SchemaInt64
	if isDate {
		typ = SchemaInt32
	}
	switch f.TimeMode {
	case "isostring":
		return named(SchemaString, "io.debezium.time."+pick("IsoDate", "IsoTime", "IsoTimestamp"))
	case "connect":
		if isTime {
			typ = SchemaInt32
		}
		return named(typ, pick(ConnectDateName, ConnectTimeName, ConnectTimestampName))
	case "nanoseconds":
		return named(typ, "io.debezium.time."+pick("Date", "NanoTime", "NanoTimestamp"))
	}
	if f.timeDivisor(t, isTime) == 1 {
		return named(typ, "io.debezium.time."+pick("Date", "MicroTime", "MicroTimestamp"))
	}
	if isTime {
		typ = SchemaInt32
	}
	return named(typ, "io.debezium.time."+pick("Date", "Time", "Timestamp"))
}
