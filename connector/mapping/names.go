package mapping

import (
	"fmt"
	"strings"
)

// tableName is a table with its schema, which is never guessed from a search_path.
type tableName struct{ schema, name string }

// parseTable reads schema.table; a part with a dot or a capital letter is given as it is, or in double quotes.
func parseTable(s string) (tableName, error) {
	schema, rest, err := namePart(s)
	if err != nil || !strings.HasPrefix(rest, ".") {
		return tableName{}, fmt.Errorf("%q: want schema.table, such as public.contact", s)
	}
	name, rest, err := namePart(rest[1:])
	if err != nil || rest != "" {
		return tableName{}, fmt.Errorf("%q: want schema.table, such as public.contact", s)
	}
	return tableName{schema, name}, nil
}

func namePart(s string) (name, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, '.')
		if end < 0 {
			end = len(s)
		}
		if end == 0 {
			return "", "", fmt.Errorf("an empty name")
		}
		return s[:end], s[end:], nil
	}
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			i++
			continue
		}
		if i == 1 {
			return "", "", fmt.Errorf("an empty name")
		}
		return strings.ReplaceAll(s[1:i], `""`, `"`), s[i+1:], nil
	}
	return "", "", fmt.Errorf("a quote without end")
}

// String is the name as the change events and their topics have it.
func (t tableName) String() string { return t.schema + "." + t.name }

// SQL is the quoted name.
func (t tableName) SQL() string { return Quote(t.schema) + "." + Quote(t.name) }

// Quote makes any name an SQL identifier.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Literal makes any text an SQL literal, whatever standard_conforming_strings says.
func Literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// QuoteTable gives the SQL of a table's name in a document, and schema.table as a [Catalog] has it.
func QuoteTable(name string) (sql, plain string, err error) {
	t, err := parseTable(name)
	return t.SQL(), t.String(), err
}
