package parity

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// theme is one SQL file.
type theme struct {
	name                 string
	schema, both, stream []string // statements
	prepared             []string // … that are played before the start only
	rules                []*rule
}

// rule is an expected difference.
type rule struct {
	theme, line string
	patterns    [5]string // run, phase, table, op, field
	why         string
	sql         string // what shows it; empty: made of the column
	found       []difference
}

func (r *rule) matches(d difference) bool {
	for i, value := range [5]string{d.run, d.phase, d.table, d.op, d.field} {
		if ok, _ := path.Match(r.patterns[i], value); !ok {
			return false
		}
	}
	return true
}

func readThemes(t *testing.T) []theme {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(*folder, "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("find the themes: %d files, %v", len(files), err)
	}
	var themes []theme
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		one, err := parseTheme(strings.TrimSuffix(filepath.Base(file), ".sql"), string(text))
		if err != nil {
			t.Fatal(err)
		}
		themes = append(themes, one)
	}
	return themes
}

// parseTheme reads sections and rules. A statement ends with a semicolon at the end of a line, outside of $$.
func parseTheme(name, text string) (theme, error) {
	out := theme{name: name}
	var section *[]string
	var statement strings.Builder
	number := 0
	for line := range strings.Lines(text) {
		number++
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "-- section: "):
			switch trimmed[len("-- section: "):] {
			case "schema":
				section = &out.schema
			case "both":
				section = &out.both
			case "stream":
				section = &out.stream
			default:
				return out, fmt.Errorf("%s.sql:%d: sections are schema, both and stream", name, number)
			}
		case strings.HasPrefix(trimmed, "-- differs: "):
			r, err := parseRule(trimmed[len("-- differs: "):])
			if err != nil {
				return out, fmt.Errorf("%s.sql:%d: %w", name, number, err)
			}
			r.theme, r.line = name, fmt.Sprintf("%s.sql:%d", name, number)
			out.rules = append(out.rules, r)
		case strings.HasPrefix(trimmed, "-- shown by: "):
			if len(out.rules) == 0 {
				return out, fmt.Errorf("%s.sql:%d: nothing differs yet", name, number)
			}
			out.rules[len(out.rules)-1].sql = trimmed[len("-- shown by: "):]
		case statement.Len() == 0 && (trimmed == "" || strings.HasPrefix(trimmed, "--")):
		case section == nil:
			return out, fmt.Errorf("%s.sql:%d: a statement before the first section", name, number)
		default:
			statement.WriteString(line)
			if strings.HasSuffix(trimmed, ";") && strings.Count(statement.String(), "$$")%2 == 0 {
				*section = append(*section, statement.String())
				statement.Reset()
			}
		}
	}
	if statement.Len() > 0 {
		return out, fmt.Errorf("%s.sql: the last statement has no end", name)
	}
	return out, nil
}

func parseRule(text string) (*rule, error) {
	where, why, ok := strings.Cut(text, ": ")
	fields := strings.Fields(where)
	if !ok || len(fields) != 5 || strings.TrimSpace(why) == "" {
		return nil, fmt.Errorf("%q is not RUN PHASE TABLE OP FIELD: why", text)
	}
	for _, f := range fields {
		if _, err := path.Match(f, ""); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", f, err)
		}
	}
	return &rule{patterns: [5]string(fields), why: strings.TrimSpace(why)}, nil
}

func TestThemesAreRead(t *testing.T) {
	t.Parallel()
	got, err := parseTheme("x", "-- section: schema\nCREATE TABLE a (\n  b int);\n-- section: stream\n-- differs: * stream public.a c after.b: it is so\n-- shown by: SELECT 1\n"+
		"DO $$ BEGIN\n  PERFORM 1;\nEND $$;\nSELECT 1;\n")
	if err != nil || len(got.schema) != 1 || len(got.stream) != 2 || len(got.rules) != 1 || got.rules[0].sql != "SELECT 1" {
		t.Fatalf("got %+v, %v", got, err)
	}
	if !got.rules[0].matches(difference{run: "default", phase: "stream", table: "public.a", op: "c", field: "after.b"}) ||
		got.rules[0].matches(difference{run: "default", phase: "snapshot", table: "public.a", op: "r", field: "after.b"}) {
		t.Error("the rule matches the wrong differences")
	}
	for _, bad := range []string{"SELECT 1;\n", "-- section: other\n", "-- section: both\nSELECT 1\n", "-- differs: a b c: d\n", "-- shown by: x\n"} {
		if _, err := parseTheme("x", bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
