package parity

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// ledger is what was found, set against what was expected: a rule says why something differs, a pair what exactly.
type ledger struct {
	themes []theme
	pairs  pairs
}

// add books a run's differences, and fails for those that no rule expects.
func (l *ledger) add(t *testing.T, found []difference) {
	t.Helper()
	examples, said, unexpected := map[string]int{}, map[string]bool{}, 0
	for _, d := range found {
		if timed(d) {
			if rule := l.expected(d); rule != nil {
				d.debezium, d.ours = "the values at the start", "the values now"
				rule.found = append(rule.found, d)
			}
			continue
		}
		if rule := l.expected(d); rule != nil && l.pairs.meet(rule.theme, d) {
			rule.found = append(rule.found, d)
			continue
		}
		unexpected++
		pair := d.table + d.field + d.debezium + "|" + d.ours
		if examples[d.table+d.field]++; !said[pair] && examples[d.table+d.field] <= examplesMax {
			t.Errorf("not listed: %s", d)
		}
		said[pair] = true
	}
	if unexpected > 0 {
		t.Errorf("%d fields differ that are not listed in testdata", unexpected)
	}
}

// timed are lists of an enum's values in schemas of the stream: ours are the catalog's when the change is read, which may be a statement later. Debezium's are those of its start.
func timed(d difference) bool {
	list := func(text string) string { return strings.TrimSuffix(strings.TrimPrefix(text, `{"allowed":"`), `"}`) }
	if d.phase != "stream" || !strings.HasSuffix(d.field, ".parameters") || !strings.HasPrefix(d.debezium, `{"allowed":"`) || !strings.HasPrefix(d.ours, `{"allowed":"`) {
		return false
	}
	ours := strings.Split(list(d.ours), ",")
	for value := range strings.SplitSeq(list(d.debezium), ",") {
		if !slices.Contains(ours, value) {
			return false
		}
	}
	return true
}

func (l *ledger) expected(d difference) *rule {
	for _, th := range l.themes {
		for _, r := range th.rules {
			if r.matches(d) {
				return r
			}
		}
	}
	return nil
}

// settle fails for rules that nothing matched, and for a document that says something else than was found.
func (l *ledger) settle(t *testing.T) {
	t.Helper()
	for _, th := range l.themes {
		for _, r := range th.rules {
			if len(r.found) == 0 {
				t.Errorf("%s: listed, and no difference any more: %s", r.line, r.why)
			}
		}
	}
	l.pairs.settle(t)
	if t.Failed() {
		return
	}
	const path = "../../../docs/debezium-differences.md"
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	made, err := replace(string(old), l.table())
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if made != string(old) {
		t.Errorf("%s is not what was found now: look at what differs after `make parity ARGS=-rewrite`, which writes it", path)
	}
}

const (
	tableBegins = "<!-- made by `make parity ARGS=-rewrite` from here -->\n"
	tableEnds   = "<!-- to here -->\n"
)

func replace(document, table string) (string, error) {
	before, rest, ok := strings.Cut(document, tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !ok || !ends {
		return "", fmt.Errorf("the marks %q and %q are not there", tableBegins, tableEnds)
	}
	return before + tableBegins + table + tableEnds + after, nil
}

// table is the differences, a line for each rule and column.
func (l *ledger) table() string {
	var b strings.Builder
	for _, th := range l.themes {
		if len(th.rules) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n| what | SQL | Debezium | Tandem | where |\n| --- | --- | --- | --- | --- |\n", strings.ReplaceAll(th.name, "_", " "))
		for _, r := range th.rules {
			why := r.why
			for _, line := range r.lines() {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", why, code(line.sql), code(line.debezium), code(line.ours), line.where)
				why = "as above"
			}
		}
	}
	return b.String() + "\n"
}

type line struct{ sql, debezium, ours, where string }

// lines gives one example for each column, in an order that does not depend on the run: one that says more than null, if there is one.
func (r *rule) lines() (out []line) {
	byColumn := map[string][]difference{}
	var columns []string
	for _, d := range r.found {
		column := d.table + " " + strings.TrimPrefix(strings.TrimPrefix(d.field, "after"), "before")
		if r.sql != "" {
			column = ""
		}
		if byColumn[column] == nil {
			columns = append(columns, column)
		}
		byColumn[column] = append(byColumn[column], d)
	}
	slices.Sort(columns)
	for _, column := range columns {
		found := byColumn[column]
		best := slices.MinFunc(found, func(a, b difference) int {
			return cmp.Or(cmp.Compare(a.poor(), b.poor()), strings.Compare(a.run, b.run), strings.Compare(a.phase, b.phase), strings.Compare(a.sql, b.sql))
		})
		sql := best.sql
		if r.sql != "" {
			sql = r.sql
		}
		out = append(out, line{sql, masked(best, best.debezium), masked(best, best.ours), where(found)})
	}
	return out
}

// poor ranks examples: without the SQL that shows it, or with null on our side, it says less.
func (d difference) poor() (n int) {
	if d.sql == "" {
		n += 2
	}
	if d.ours == "null" && d.debezium == absent {
		n++
	}
	return n
}

// where says in which phases and runs something was seen.
func where(found []difference) string {
	var phases, runs []string
	for _, d := range found {
		phases, runs = append(phases, d.phase), append(runs, d.run)
	}
	slices.Sort(phases)
	slices.Sort(runs)
	phases, runs = slices.Compact(phases), slices.Compact(runs)
	text := strings.Join(phases, ", ")
	if !slices.Contains(runs, "default") {
		text += "; with " + strings.Join(runs, ", ")
	}
	return text
}

var (
	changing       = regexp.MustCompile(`@[0-9a-f]{5,8}|\b\d{6,}\b`)
	transactionIDs = regexp.MustCompile(`\d+:\d+`)
	objects        = regexp.MustCompile(`@[0-9a-f]{5,8}`)
)

// masked is a value as the document shows it: short, and without what is another number in every run.
func masked(d difference, text string) string {
	if d.field == "event" {
		return map[bool]string{true: "none", false: "a record"}[text == absent]
	}
	if text == absent && !strings.HasPrefix(d.field, "source.") {
		return "left out"
	}
	if text = steady(d, text); len(text) > 100 {
		text = text[:80] + "…"
	}
	return text
}

// steady takes out what is another number in every run.
func steady(d difference, text string) string {
	switch {
	case d.field == "id" || d.field == "key.id" && d.table == "transaction" || d.field == "transaction.id":
		return transactionIDs.ReplaceAllString(text, "…:…")
	case strings.HasPrefix(d.field, "source.") || strings.HasPrefix(d.field, "transaction") || strings.HasPrefix(d.field, "key.id"):
		return changing.ReplaceAllString(text, "…")
	}
	return objects.ReplaceAllString(text, "@…")
}

// code is text as code in a cell of a table.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.NewReplacer("|", `\|`, "\n", " ", "`", "'").Replace(text) + "`"
}

var keyed = regexp.MustCompile(`\{"id":(\d+)\}$`)

// showColumns gives each difference of a column the SQL that shows it: the column as the catalog has it, and the value of the row.
func showColumns(ctx context.Context, conn *pgx.Conn, found []difference) error {
	for i := range found {
		d := &found[i]
		_, column, ok := strings.Cut(d.field, ".")
		key := keyed.FindStringSubmatch(d.key)
		schema, table, _ := strings.Cut(d.table, ".")
		if !ok || key == nil || !strings.HasPrefix(d.field, "after.") && !strings.HasPrefix(d.field, "before.") {
			continue
		}
		var typ string
		var def *string
		err := conn.QueryRow(ctx, `SELECT format_type(a.atttypid, a.atttypmod), CASE a.attgenerated WHEN '' THEN pg_get_expr(f.adbin, f.adrelid) END FROM pg_attribute a
			LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
			WHERE a.attrelid = format('%I.%I', $1::text, $2::text)::regclass AND a.attname = $3 AND a.attnum > 0`, schema, table, column).Scan(&typ, &def)
		if err != nil {
			return fmt.Errorf("show %s: %w", d.field, err)
		}
		id, _ := strconv.Atoi(key[1])
		var literal string
		err = conn.QueryRow(ctx, fmt.Sprintf("SELECT quote_nullable(%s::text) FROM %s WHERE id = $1", pgx.Identifier{column}.Sanitize(), pgx.Identifier{schema, table}.Sanitize()), id).Scan(&literal)
		if err != nil {
			continue // the row is gone
		}
		if def != nil {
			typ += " DEFAULT " + *def
		}
		d.sql = fmt.Sprintf("CREATE TABLE t (%s %s); INSERT INTO t VALUES (%s)", pgx.Identifier{column}.Sanitize(), typ, literal)
	}
	return nil
}

func TestTheTableOfDifferences(t *testing.T) {
	t.Parallel()
	r := &rule{why: "It is lost", patterns: [5]string{"*", "*", "*", "*", "after.*"}}
	l := ledger{themes: []theme{{name: "odd_types", rules: []*rule{r}}}, pairs: pairs{any: true, met: map[string]map[string]bool{}}}
	for _, d := range []difference{
		{run: "default", phase: "stream", table: "public.t", op: "c", field: "after.v", debezium: absent, ours: "null"},
		{run: "default", phase: "snapshot", table: "public.t", op: "r", field: "after.v", debezium: absent, ours: `"a|b"`, sql: "SELECT 1"},
	} {
		if l.expected(d) != r {
			t.Fatalf("%v is not expected", d)
		}
		r.found = append(r.found, d)
	}
	got, err := replace("x\n"+tableBegins+"old\n"+tableEnds+"y\n", l.table())
	want := "x\n" + tableBegins + "\n### odd types\n\n| what | SQL | Debezium | Tandem | where |\n| --- | --- | --- | --- | --- |\n" +
		"| It is lost | `SELECT 1` | `left out` | `\"a\\|b\"` | snapshot, stream |\n\n" + tableEnds + "y\n"
	if err != nil || got != want {
		t.Errorf("got %q, want %q (%v)", got, want, err)
	}
}
