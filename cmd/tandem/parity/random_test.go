package parity

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The theme "random" is tables, values and statements that a seed makes. It keeps to what is equal: values that are known to differ (the other themes
// list them) are not made, so that whatever differs is news.

// column is one of a generated table.
type column struct {
	name, typ string
	value     func(*rand.Rand) string // an SQL literal, never NULL
	notNull   bool
}

type randomTable struct {
	name    string
	keys    []column
	columns []column
	full    bool
	added   int
}

type generator struct {
	*rand.Rand
	out []string
}

// randomTheme makes the theme of a seed.
func randomTheme(seed uint64) theme {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, seed))}
	th := theme{name: "random", schema: []string{`CREATE EXTENSION IF NOT EXISTS citext; CREATE EXTENSION IF NOT EXISTS hstore; CREATE EXTENSION IF NOT EXISTS ltree;
		CREATE TYPE r_mood AS ENUM ('sad', 'so so', 'O''k "x"'); CREATE DOMAIN r_price AS numeric(9,3);`}}
	tables := make([]*randomTable, 6)
	for i := range tables {
		tables[i] = g.table(fmt.Sprintf("r_%d", i))
		th.schema = append(th.schema, tables[i].create())
	}
	for _, t := range tables {
		g.insert(t, 1+g.IntN(8))
	}
	th.prepared, g.out = g.out, nil
	for range 150 {
		g.step(tables)
	}
	th.stream = g.out
	return th
}

func (g *generator) table(name string) *randomTable {
	t := &randomTable{name: name, full: g.IntN(3) == 0}
	for i := range 1 + g.IntN(2) {
		c := keyTypes[g.IntN(len(keyTypes))]
		c.name = fmt.Sprintf("k%d", i)
		t.keys = append(t.keys, c)
	}
	for range 2 + g.IntN(9) {
		t.columns = append(t.columns, g.column(t))
	}
	return t
}

func (g *generator) column(t *randomTable) column {
	c := randomTypes[g.IntN(len(randomTypes))]
	t.added++
	c.name = fmt.Sprintf([]string{"c%d", "Col %d", "ç%d"}[g.IntN(3)], t.added)
	c.notNull = t.full && g.IntN(4) == 0 // of a deleted row that is not whole Debezium invents what is NOT NULL
	return c
}

func quoted(name string) string { return `"` + name + `"` }

// create declares the key's columns last and in another order than the key's, now and then.
func (t *randomTable) create() string {
	var columns, keys []string
	for _, c := range slices.Concat(t.columns, t.keys) {
		text := quoted(c.name) + " " + c.typ
		if c.notNull {
			text += " NOT NULL"
		}
		columns = append(columns, text)
	}
	for _, c := range t.keys {
		keys = append(keys, quoted(c.name))
	}
	sql := fmt.Sprintf("CREATE TABLE %s (%s, PRIMARY KEY (%s));", t.name, strings.Join(columns, ", "), strings.Join(keys, ", "))
	if t.full {
		sql += fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY FULL;", t.name)
	}
	return sql
}

func (g *generator) insert(t *randomTable, rows int) {
	all := slices.Concat(t.keys, t.columns)
	var names, tuples []string
	for _, c := range all {
		names = append(names, quoted(c.name))
	}
	for range rows {
		var values []string
		for i, c := range all {
			values = append(values, g.literal(c, i < len(t.keys)))
		}
		tuples = append(tuples, "("+strings.Join(values, ", ")+")")
	}
	g.say("INSERT INTO %s (%s) VALUES %s ON CONFLICT DO NOTHING", t.name, strings.Join(names, ", "), strings.Join(tuples, ", "))
}

func (g *generator) literal(c column, key bool) string {
	if !key && !c.notNull && g.IntN(5) == 0 {
		return "NULL"
	}
	return "'" + strings.ReplaceAll(c.value(g.Rand), "'", "''") + "'::" + c.typ
}

func (g *generator) say(format string, args ...any) {
	g.out = append(g.out, fmt.Sprintf(format, args...)+";")
}

// one picks the row that comes n-th by its place on the disk: both connectors see what the server did, whichever it was.
func (g *generator) one(t *randomTable) string {
	return fmt.Sprintf("ctid = (SELECT ctid FROM %s OFFSET %d LIMIT 1)", t.name, g.IntN(4))
}

func (g *generator) step(tables []*randomTable) {
	t := tables[g.IntN(len(tables))]
	switch n := g.IntN(100); {
	case n < 35:
		g.insert(t, 1+g.IntN(3))
	case n < 60 && len(t.columns) > 0:
		c := t.columns[g.IntN(len(t.columns))]
		g.say("UPDATE %s SET %s = %s WHERE %s", t.name, quoted(c.name), g.literal(c, false), g.one(t))
	case n < 66:
		c := t.keys[g.IntN(len(t.keys))]
		g.say("DO $$ BEGIN UPDATE %s SET %s = %s WHERE %s; EXCEPTION WHEN unique_violation THEN NULL; END $$", t.name, quoted(c.name), g.literal(c, true), g.one(t))
	case n < 75:
		g.say("DELETE FROM %s WHERE %s", t.name, g.one(t))
	case n < 80:
		g.within("BEGIN", tables, []string{"COMMIT", "COMMIT", "ROLLBACK"}[g.IntN(3)])
	case n < 85:
		g.say("BEGIN")
		g.insert(t, 1)
		g.within("SAVEPOINT s", tables, []string{"ROLLBACK TO s", "RELEASE s"}[g.IntN(2)])
		g.say("COMMIT")
	case n < 88:
		c := g.column(t)
		c.notNull = false
		t.columns = append(t.columns, c)
		g.say("ALTER TABLE %s ADD %s %s", t.name, quoted(c.name), c.typ)
	case n < 90 && len(t.columns) > 1:
		at := g.IntN(len(t.columns))
		g.say("ALTER TABLE %s DROP %s", t.name, quoted(t.columns[at].name))
		t.columns = slices.Delete(t.columns, at, at+1)
	case n < 92:
		at := g.IntN(len(t.columns))
		t.added++
		name := fmt.Sprintf("renamed%d", t.added)
		g.say("ALTER TABLE %s RENAME %s TO %s", t.name, quoted(t.columns[at].name), name)
		t.columns[at].name = name
	case n < 94:
		g.say("SELECT pg_logical_emit_message(true, '%s', '%s')", word(g.Rand, letters, 5), word(g.Rand, letters, 30))
	default:
		g.say("UPDATE %s SET %s = %[2]s", t.name, quoted(t.keys[0].name))
	}
}

// within plays changes of rows between two statements.
func (g *generator) within(begin string, tables []*randomTable, end string) {
	g.say("%s", begin)
	for range 1 + g.IntN(4) {
		t := tables[g.IntN(len(tables))]
		g.insert(t, 1+g.IntN(2))
		g.say("DELETE FROM %s WHERE %s", t.name, g.one(t))
	}
	g.say("%s", end)
}

const letters = "abcXYZ019_"

// wild are characters that something has to be done about.
var wild = []rune("ab Z\"'\\/{},:\n\t\u0001é中😀\u2028<>&%")

func word(r *rand.Rand, from string, most int) string {
	var b strings.Builder
	runes := []rune(from)
	for range 1 + r.IntN(most) {
		b.WriteRune(runes[r.IntN(len(runes))])
	}
	return b.String()
}

func number(r *rand.Rand, most int64) string { return fmt.Sprint(r.Int64N(2*most+1) - most) }

func day(r *rand.Rand) string {
	return fmt.Sprintf("%04d-%02d-%02d", 1583+r.IntN(8000), 1+r.IntN(12), 1+r.IntN(28))
}

func clock(r *rand.Rand) string {
	return fmt.Sprintf("%02d:%02d:%02d.%06d", r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e6))
}

func list(of func(*rand.Rand) string) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		items := make([]string, r.IntN(4))
		for i := range items {
			if items[i] = "NULL"; r.IntN(4) > 0 {
				items[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(of(r)) + `"`
			}
		}
		return "{" + strings.Join(items, ",") + "}"
	}
}

func object(r *rand.Rand) string {
	return fmt.Sprintf(`{"a": %s,  "b":[true,null,{"c":"%s"}]}`, number(r, 1e15), word(r, letters, 8))
}

func identifier(r *rand.Rand) string {
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<16), r.IntN(1<<16), r.Int64N(1<<48))
}

func ofNumber(most int64) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return number(r, most) }
}

func text(from string, most int) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return word(r, from, most) }
}

func fraction(whole int64, digits int) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return number(r, whole) + "." + fmt.Sprintf("%09d", r.IntN(1e9))[:digits] }
}

func quarter(r *rand.Rand) string { return fmt.Sprint(float64(r.IntN(1<<20)-1<<19) / 4) }

func moment(r *rand.Rand) string { return day(r) + " " + clock(r) }

func span(of func(*rand.Rand) string) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		a, b := of(r), of(r)
		if a > b {
			a, b = b, a
		}
		return fmt.Sprintf("[%s,%s)", a, b)
	}
}

// keyTypes have values that are one key whichever way they are written, and nothing that headers do not escape.
var keyTypes = []column{
	{typ: "int", value: ofNumber(1 << 30)}, {typ: "bigint", value: ofNumber(1 << 60)}, {typ: "text", value: text(letters+`é中😀"\/' `, 9)}, {typ: "uuid", value: identifier},
	{typ: "date", value: day}, {typ: "numeric(12,3)", value: fraction(1e6, 3)}, {typ: "timestamptz", value: moment}, {typ: "bytea", value: func(r *rand.Rand) string { return fmt.Sprintf(`\x%08x`, r.Uint32()) }},
}

var randomTypes = append(slices.Clone(keyTypes), []column{
	{typ: "boolean", value: func(r *rand.Rand) string { return fmt.Sprint(r.IntN(2) == 0) }},
	{typ: "smallint", value: ofNumber(32767)}, {typ: "oid", value: func(r *rand.Rand) string { return fmt.Sprint(r.Uint32()) }},
	{typ: "real", value: quarter}, {typ: "float8", value: quarter}, // few digits: Java 17 does not always write the fewest
	{typ: "numeric", value: fraction(1e15, 9)}, {typ: "numeric(30,9)", value: fraction(1e15, 9)}, {typ: "r_price", value: fraction(1e5, 3)},
	{typ: "money", value: fraction(1e12, 2)}, {typ: "text", value: text(string(wild), 40)}, {typ: "varchar(20)", value: text(string(wild), 20)}, {typ: "char(7)", value: text(string(wild), 7)},
	{typ: "text", value: func(r *rand.Rand) string { return strings.Repeat(word(r, letters, 5), 200) }},
	{typ: "citext", value: text(string(wild), 9)}, {typ: "r_mood", value: func(r *rand.Rand) string { return []string{"sad", "so so", `O'k "x"`}[r.IntN(3)] }},
	{typ: "json", value: object}, {typ: "jsonb", value: object}, {typ: "xml", value: func(r *rand.Rand) string { return "<a>" + word(r, letters, 5) + "</a>" }},
	{typ: "hstore", value: func(r *rand.Rand) string { return word(r, letters, 4) + `=>"` + word(r, letters+" é😀", 9) + `"` }},
	{typ: "ltree", value: text("abc", 5)}, {typ: "timestamp", value: moment}, {typ: "timestamp(3)", value: moment}, {typ: "timestamp(0)", value: moment}, {typ: "timestamptz(2)", value: moment},
	{typ: "time", value: clock}, {typ: "time(3)", value: func(r *rand.Rand) string { return fmt.Sprintf("%02d:00:00.%03d", r.IntN(24), r.IntN(1000)) }},
	{typ: "timetz", value: func(r *rand.Rand) string { return clock(r) + fmt.Sprintf("%+03d:%02d", r.IntN(28)-14, r.IntN(60)) }},
	{typ: "interval", value: func(r *rand.Rand) string {
		return fmt.Sprintf("%d years %d mons %d days %d secs", r.IntN(99)-50, r.IntN(12), r.IntN(99)-50, r.IntN(1e6))
	}},
	{typ: "inet", value: func(r *rand.Rand) string { return fmt.Sprintf("10.%d.%d.1/%d", r.IntN(256), r.IntN(256), r.IntN(33)) }},
	{typ: "macaddr", value: func(r *rand.Rand) string { return fmt.Sprintf("08:00:2b:00:%02x:%02x", r.IntN(256), r.IntN(256)) }},
	{typ: "point", value: func(r *rand.Rand) string { return "(" + quarter(r) + "," + quarter(r) + ")" }},
	{typ: "bit(1)", value: text("01", 1)}, {typ: "daterange", value: span(day)}, {typ: "tsrange", value: span(moment)},
	{typ: "tsvector", value: text("ab cd", 12)},
	{typ: "int[]", value: list(ofNumber(1 << 30))}, {typ: "bigint[]", value: list(ofNumber(1 << 60))}, {typ: "text[]", value: list(text(string(wild), 9))}, {typ: "varchar(9)[]", value: list(text(letters, 9))},
	{typ: "uuid[]", value: list(identifier)}, {typ: "boolean[]", value: list(func(r *rand.Rand) string { return fmt.Sprint(r.IntN(2) == 0) })}, {typ: "numeric(12,3)[]", value: list(fraction(1e6, 3))},
	{typ: "date[]", value: list(day)}, {typ: "timestamp[]", value: list(moment)}, {typ: "timestamptz[]", value: list(moment)}, {typ: "float8[]", value: list(quarter)}, {typ: "jsonb[]", value: list(object)},
	{typ: "inet[]", value: list(func(r *rand.Rand) string { return fmt.Sprintf("10.0.0.%d", r.IntN(256)) })},
}...)

// The same seed is the same theme: what it found can be looked at again.
func TestARandomThemeIsItsSeeds(t *testing.T) {
	t.Parallel()
	a, b, c := randomTheme(7), randomTheme(7), randomTheme(8)
	same := func(x, y theme) bool {
		return slices.Equal(x.schema, y.schema) && slices.Equal(x.prepared, y.prepared) && slices.Equal(x.stream, y.stream)
	}
	if !same(a, b) || same(a, c) || len(a.stream) < 150 {
		t.Errorf("seeds 7 and 7 are alike: %t, 7 and 8: %t, with %d statements", same(a, b), same(a, c), len(a.stream))
	}
}
