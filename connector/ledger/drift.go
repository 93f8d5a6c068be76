package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Column is a column of the CRM as it was when the mapping was put on it. A column is known by its number, name and type together: a rename
// keeps the number, a restore keeps the name, and a column that was dropped and made again keeps neither its number nor its values (design.md,
// invariant 14).
type Column struct {
	Table string `json:"table"` // schema.table
	Name  string `json:"name"`
	OID   uint32 `json:"oid"`  // of the table: in another table (one that was restored) numbers say nothing
	Num   int16  `json:"num"`  // attnum
	Type  string `json:"type"` // schema.type, of a domain its base type
	// Generation grows when a person accepts a column that is another one now: what was agreed on before says nothing of it.
	Generation int `json:"generation,omitempty"`
}

// Drifted is a field that is left out because one side's schema is not what the mapping was put on. Everything else goes on.
type Drifted struct {
	Side   Side      `json:"side"`
	Field  string    `json:"field"`  // the prefix of custom fields alone means all of them, "" the entity as a whole
	Reason string    `json:"reason"` // in plain words
	Since  time.Time `json:"since"`
}

// DriftState is what the ledger keeps of an entity's schemas: the columns as they are known, and the fields that are left out.
type DriftState struct {
	Columns []Column  `json:"columns,omitempty"` // in order of table and name
	Fields  []Drifted `json:"fields,omitempty"`  // in order of side and field
}

// Column finds a column.
func (s DriftState) Column(table, name string) (Column, bool) {
	i := slices.IndexFunc(s.Columns, func(c Column) bool { return c.Table == table && c.Name == name })
	if i < 0 {
		return Column{}, false
	}
	return s.Columns[i], true
}

// Parked gives the fields of one side that are left out, with their reasons.
func (s DriftState) Parked(side Side) map[string]string {
	parked := map[string]string{}
	for _, f := range s.Fields {
		if f.Side == side {
			parked[f.Field] = f.Reason
		}
	}
	return parked
}

// Healed names the fields of a side that were left out and are not any more.
func (s DriftState) Healed(side Side, parked map[string]string) []string {
	var healed []string
	for _, f := range s.Fields {
		if _, still := parked[f.Field]; f.Side == side && !still {
			healed = append(healed, f.Field)
		}
	}
	return healed
}

// Park puts what is left out of one side now in the place of what was, and gives one alert for each field whose state changed: seen again by
// another process, or after a restart, it is no news. id makes alerts' ids out of their parts.
func (s DriftState) Park(sync, entity string, side Side, parked map[string]string, now time.Time, id func(parts ...any) string) (DriftState, []Alert) {
	after := DriftState{Columns: s.Columns}
	var alerts []Alert
	tell := func(kind, field, summary string, since time.Time) {
		alerts = append(alerts, Alert{ID: id(AlertDrift, sync, entity, side, field, summary, since), At: now, Kind: kind, State: AlertDrift, Sync: sync, Entity: entity, Field: field, Summary: summary})
	}
	was := map[string]Drifted{}
	for _, f := range s.Fields {
		if f.Side != side {
			after.Fields = append(after.Fields, f)
			continue
		}
		was[f.Field] = f
		if _, still := parked[f.Field]; !still {
			tell(AlertRecovered, f.Field, fmt.Sprintf("%s of %s goes on: what kept it back in %s is mended", fieldInWords(f.Field), entity, side.name()), f.Since)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(parked)) {
		f, known := was[field]
		if !known || f.Reason != parked[field] {
			f = Drifted{Side: side, Field: field, Reason: parked[field], Since: now}
			tell(AlertDrift, field, fmt.Sprintf("%s of %s is left out until somebody mends it%s: %s", fieldInWords(field), entity, others(field), f.Reason), f.Since)
		}
		after.Fields = append(after.Fields, f)
	}
	slices.SortFunc(after.Fields, func(a, b Drifted) int { return cmp.Or(cmp.Compare(a.Side, b.Side), cmp.Compare(a.Field, b.Field)) })
	return after, alerts
}

func others(field string) string {
	if field == "" {
		return ""
	}
	return ", everything else goes on"
}

// fieldInWords names a field; the prefix of custom fields alone stands for all of them, and no name for the entity as a whole.
func fieldInWords(field string) string {
	if field == "" {
		return "everything"
	}
	if strings.HasSuffix(field, ".") {
		return "every custom field"
	}
	return "the field " + field
}

// Know puts columns as they are known now in the place of those that were. A generation that was counted already stays counted.
func (s DriftState) Know(columns []Column) DriftState {
	after := DriftState{Fields: s.Fields, Columns: slices.Clone(columns)}
	for i, c := range after.Columns {
		if was, ok := s.Column(c.Table, c.Name); ok {
			after.Columns[i].Generation = max(c.Generation, was.Generation)
		}
	}
	slices.SortFunc(after.Columns, func(a, b Column) int { return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Name, b.Name)) })
	return after
}

// Clone shares nothing with what it was made of.
func (s DriftState) Clone() DriftState {
	return DriftState{Columns: slices.Clone(s.Columns), Fields: slices.Clone(s.Fields)}
}
