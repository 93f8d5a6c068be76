package mapping

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// EncodeKey is the text of a key in the ledger and in relations: one column's value as it is, several as a JSON array of
// texts. It is empty if a part is null or absent: there is no such row.
func EncodeKey(parts ...change.Value) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		if p.IsAbsent() || p.IsNull() {
			return ""
		}
		texts[i] = p.String()
	}
	return JoinKey(texts...)
}

// JoinKey is [EncodeKey] for texts.
func JoinKey(texts ...string) string {
	if len(texts) == 1 {
		return texts[0]
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(texts) // texts always encode
	return strings.TrimSuffix(b.String(), "\n")
}

// SplitKey gives the texts of a key of n columns.
func SplitKey(key string, n int) ([]string, error) {
	if n == 1 {
		if key == "" {
			return nil, fmt.Errorf("read key: it is empty")
		}
		return []string{key}, nil
	}
	var texts []string
	if err := json.Unmarshal([]byte(key), &texts); err != nil || len(texts) != n {
		return nil, fmt.Errorf("read key %q: want a JSON array of %d texts", shorten(key), n)
	}
	return texts, nil
}

// TableRole says what a table's rows are to the entity.
type TableRole string

// The roles.
const (
	RootTable TableRole = "root"
	JoinTable TableRole = "join"
	RowsTable TableRole = "rows" // entity-attribute-value
)

// Table is a table whose changes are reasons to look at the entity. The publication must hold all of them.
type Table struct {
	Schema, Name string
	Role         TableRole
	RootKey      []string // the columns whose values are the root row's key
}

// String is schema.table, as change events have it.
func (t Table) String() string { return t.Schema + "." + t.Name }

// Tables lists the root table first, then each join and rows table once for each set of columns that leads to the root.
// Tables of lookups are not among them: which rows show a label is the reverse of a foreign key, and a sweep's job.
func (e *Entity) Tables() []Table { return e.tables }

// RootKeys says which root rows a table's row speaks of: the reason list. columns gives a column's value from the event's
// before, after or key; the caller asks for each of them. A table that is none of the entity's has no keys.
func (e *Entity) RootKeys(table string, columns func(name string) (change.Value, bool)) []string {
	var keys []string
	for _, t := range e.tables {
		if t.String() != table {
			continue
		}
		parts := make([]change.Value, len(t.RootKey))
		for i, c := range t.RootKey {
			parts[i], _ = columns(c)
		}
		if key := EncodeKey(parts...); key != "" {
			keys = appendNew(keys, key)
		}
	}
	return keys
}

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}
