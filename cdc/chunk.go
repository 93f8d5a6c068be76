package cdc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

const (
	// chunkBytesMax is how many bytes of rows a chunk may have: whatever a row's size, a chunk fits in memory.
	chunkBytesMax = 4 << 20

	// chunkPages is how many pages of a table without key are read at a time.
	chunkPages = 32

	// chunkLimits bounds what one chunk waits for: somebody's ALTER TABLE, and an order that no index has.
	chunkLimits = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '60s'; SET LOCAL standard_conforming_strings = on"
)

// chunk is what one look at a table found.
type chunk struct {
	table  incrementalTable // as it stands once the rows are written
	rows   []change.Event   // as op r
	done   bool             // there is no more
	failed error
}

// errReshaped is a table that is not what the incremental snapshot began with: it is read from its beginning.
var errReshaped = errors.New("the table has another key, or other files, than when its reading began")

// refusedError is a table that cannot be read at all.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }

func refusedf(format string, args ...any) error {
	return &refusedError{fmt.Sprintf(format, args...)}
}

// chunkReader reads one chunk, within a transaction that has its snapshot already. It belongs to one goroutine; what it takes from the session does not change.
type chunkReader struct {
	*session
	conn  *pgx.Conn
	types *postgres.Types
	table *table
	size  tableSize
	out   incrementalTable
}

// read gives the chunk that follows t; for a table that was not begun, an empty one that begins it.
func (c *chunkReader) read(ctx context.Context, t incrementalTable) (chunk, error) {
	c.out = t
	if err := c.look(ctx); err != nil {
		return chunk{}, err
	}
	if !t.Begun {
		return c.begin(ctx)
	}
	if !slices.Equal(c.table.key, t.Key) || len(t.Order) == 0 && c.size.files != t.Files {
		return chunk{}, errReshaped
	}
	columns, published, err := c.sent(ctx)
	if err != nil {
		return chunk{}, err
	}
	where := []string{}
	for _, filter := range []string{published, t.Filter} {
		if filter != "" {
			where = append(where, "("+filter+")")
		}
	}
	if len(t.Order) == 0 {
		return c.pages(ctx, columns, where)
	}
	return c.keys(ctx, columns, where)
}

// look finds the table as it is now.
func (c *chunkReader) look(ctx context.Context) error {
	schema, name, _ := strings.Cut(c.out.Table, ".")
	messageKeys, _ := parseMessageKeys(c.config.MessageKeys) // New has seen that it is well-formed
	c.table = &table{tableName: tableName{schema, name}, keys: messageKeys}
	for i := range c.facts.tables { // a name may have a dot of its own
		if c.facts.tables[i].String() == c.out.Table {
			c.table.tableName = c.facts.tables[i].tableName
		}
	}
	var replident string
	err := c.conn.QueryRow(ctx, `SELECT c.oid, c.relkind = 'p', `+identityColumns+` FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`, c.table.schema, c.table.name).
		Scan(&c.table.oid, &c.table.partitioned, &replident, &c.table.primary, &c.table.indexed, &c.table.unique)
	if errors.Is(err, pgx.ErrNoRows) {
		return refusedf("the table is gone: it was dropped or renamed")
	}
	if err != nil {
		return err
	}
	c.table.identity = pgoutput.Identity(replident[0])
	c.table.key = c.table.recordKey()
	// The lock comes before the columns: from here on the table stays as it is, and if it was rewritten since the snapshot that shows in its files.
	if _, err := c.conn.Exec(ctx, "SELECT FROM "+c.table.source()+" LIMIT 0"); err != nil {
		return err
	}
	sizes, err := loadSizes(ctx, c.conn, []*table{c.table})
	if err != nil {
		return err
	}
	if c.size = sizes[c.table.oid]; c.size.rewritten {
		return &alteredError{errors.New("it was truncated or rewritten while it was looked at")}
	}
	if err := loadColumns(ctx, c.conn, c.table, c.types, c.facts.version >= generatedSince); err != nil || !c.table.strange {
		return err
	}
	if c.types, err = postgres.LoadTypes(ctx, c.conn); err != nil {
		return err
	}
	return loadColumns(ctx, c.conn, c.table, c.types, c.facts.version >= generatedSince)
}

// sent gives what the publication sends of the table: what is read is followed by its changes.
func (c *chunkReader) sent(ctx context.Context) (columns []change.Column, filter string, err error) {
	columns, filter, err = c.published(ctx, c.conn, c.table)
	if errors.Is(err, pgx.ErrNoRows) {
		err = refusedf("the publication %s does not send it", c.config.Publication)
	}
	return columns, filter, err
}

// begin finds out how the table is read, and where it ends.
func (c *chunkReader) begin(ctx context.Context) (chunk, error) {
	t := &c.out
	t.Begun, t.Key, t.Order = true, c.table.key, c.table.key
	if t.Surrogate != "" {
		t.Order = []string{t.Surrogate}
	}
	if _, _, err := c.sent(ctx); err != nil {
		return chunk{}, err
	}
	rows := "FROM " + c.table.source()
	if t.Filter != "" {
		rows += " WHERE (" + t.Filter + ")"
	}
	var plan string
	if err := c.one(ctx, "EXPLAIN (FORMAT JSON) SELECT "+rows, &plan); err != nil {
		return chunk{}, err
	}
	var estimate []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal([]byte(plan), &estimate); err == nil && len(estimate) == 1 && t.Filter == "" { // a filter hides rows, but they are looked at
		t.Estimate = int64(estimate[0].Plan.Rows)
	}
	if len(t.Order) == 0 {
		if !c.size.heap {
			return chunk{}, refusedf("it has no key, and cannot be read by pages: name a column to go by (surrogate-key), or let the role read the whole table")
		}
		t.Files, t.Pages = c.size.files, c.size.pages
		return chunk{table: *t, done: t.Pages == 0}, nil
	}
	order, err := c.order(ctx)
	if err != nil {
		return chunk{}, err
	}
	t.Max, err = c.boundary(ctx, "SELECT "+order.texts()+" FROM "+c.table.source()+" ORDER BY "+order.list(" DESC")+" LIMIT 1")
	return chunk{table: *t, done: t.Max == nil}, err
}

// one scans a single text, by a statement that cannot be several.
func (c *chunkReader) one(ctx context.Context, sql string, text *string) error {
	result := c.conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if result.Err != nil {
		return result.Err
	}
	if len(result.Rows) == 1 && len(result.Rows[0]) == 1 {
		*text = string(result.Rows[0][0])
	}
	return nil
}

// orderColumns are what chunks go by, with their types.
type orderColumns []struct{ name, kind string }

func (c *chunkReader) order(ctx context.Context) (orderColumns, error) {
	var out orderColumns
	for _, name := range c.out.Order {
		var kind string
		var filled bool
		err := c.conn.QueryRow(ctx, `SELECT format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = $1 AND attname = $2 AND attnum > 0 AND NOT attisdropped`,
			c.table.oid, name).Scan(&kind, &filled)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil, refusedf("it has no column %q to go by (surrogate-key)", name)
		case err != nil:
			return nil, err
		case !filled:
			return nil, refusedf("column %q may be null, and rows without a value would be left out: name one that is NOT NULL (surrogate-key)", name)
		}
		out = append(out, struct{ name, kind string }{c.table.quoted() + "." + pgx.Identifier{name}.Sanitize(), kind}) // qualified: ORDER BY would take the text of that name
	}
	return out, nil
}

func (o orderColumns) list(after string) string {
	return o.each(func(name, _ string, _ int) string { return name + after })
}

// texts are the values in the form that is kept.
func (o orderColumns) texts() string {
	return o.each(func(name, _ string, _ int) string { return name + "::text" })
}

// compare is the order's place against values, as a condition that an index serves.
func (o orderColumns) compare(operator string, values []string) string {
	return "(" + o.list("") + ") " + operator + " (" + o.each(func(_, kind string, i int) string { return quoteText(values[i]) + "::" + kind }) + ")"
}

func (o orderColumns) each(f func(name, kind string, i int) string) string {
	parts := make([]string, len(o))
	for i := range o {
		parts[i] = f(o[i].name, o[i].kind, i)
	}
	return strings.Join(parts, ", ")
}

// quoteText is a literal, whatever is in it. Backslashes are plain: standard_conforming_strings is on.
func quoteText(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// boundary reads the values of one row; nil if there is none.
func (c *chunkReader) boundary(ctx context.Context, sql string) ([]string, error) {
	result := c.conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if result.Err != nil || len(result.Rows) == 0 {
		return nil, result.Err
	}
	var values []string
	for _, v := range result.Rows[0] {
		values = append(values, string(v))
	}
	return values, nil
}

// keys reads the next rows in the order of their key: as many as a chunk has, whether or not the filter lets them through, so that a filter that lets none through
// does not make it read the whole table.
func (c *chunkReader) keys(ctx context.Context, columns []change.Column, where []string) (chunk, error) {
	t := &c.out
	order, err := c.order(ctx)
	if err != nil {
		return chunk{}, err
	}
	source := c.table.source()
	within := []string{order.compare("<=", t.Max)}
	if t.Last != nil {
		within = append(within, order.compare(">", t.Last))
	}
	size := c.config.ChunkSize
	bound, err := c.boundary(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s OFFSET %d LIMIT 1", order.texts(), source, strings.Join(within, " AND "), order.list(""), size-1))
	if err != nil {
		return chunk{}, err
	}
	done := bound == nil
	if !done {
		within = append(within, order.compare("<=", bound))
		done = slices.Equal(bound, t.Max)
	} else {
		bound = t.Max
	}
	sql := fmt.Sprintf("SELECT %s%s FROM %s WHERE %s ORDER BY %s", selectList(columns), order.texts(), source, strings.Join(append(within, where...), " AND "), order.list(""))
	rows, last, cut, err := c.rows(ctx, sql, columns, len(order), chunkBytesMax)
	if err != nil {
		return chunk{}, err
	}
	t.Last = bound
	looked := size
	if cut {
		t.Last, done, looked = last, false, len(rows)
	}
	if done && len(where) == 0 {
		looked = len(rows)
	}
	t.Looked += uint64(looked)
	return chunk{table: *t, rows: rows, done: done}, nil
}

func selectList(columns []change.Column) string {
	var b strings.Builder
	for _, c := range columns {
		b.WriteString(pgx.Identifier{c.Name}.Sanitize() + ", ")
	}
	return b.String()
}

// pages reads the next pages of a table that has no key, fewer where they hold much. Its rows tell their whole old selves when they change (REPLICA IDENTITY FULL), so
// one that moves to another page is in the stream whole.
func (c *chunkReader) pages(ctx context.Context, columns []change.Column, where []string) (chunk, error) {
	t := &c.out
	for n := int64(chunkPages); ; n = max(n/4, 1) {
		to := min(t.Page+n, t.Pages)
		p := part{span: span{From: t.Page, To: to}}
		all := append(p.condition(), where...)
		if len(all) == 0 {
			all = []string{"true"}
		}
		sql := fmt.Sprintf("SELECT %s1 FROM %s WHERE %s", selectList(columns), c.table.source(), strings.Join(all, " AND "))
		limit := chunkBytesMax
		if n == 1 {
			limit = 0
		}
		rows, _, cut, err := c.rows(ctx, sql, columns, 1, limit)
		if err != nil {
			return chunk{}, err
		}
		if cut {
			continue
		}
		t.Page = to
		t.Looked += uint64(len(rows))
		return chunk{table: *t, rows: rows, done: to >= t.Pages}, nil
	}
}

// rows runs a query whose last columns, extra of them, say where the row stands. It stops keeping rows after limit bytes (0: never), where the place changes.
func (c *chunkReader) rows(ctx context.Context, sql string, columns []change.Column, extra, limit int) (rows []change.Event, last []string, cut bool, err error) {
	key := newKeyReader(c.table, columns)
	source := c.sourceBlock()
	source.Schema, source.Table, source.Snapshot = c.table.schema, c.table.name, change.SnapshotIncremental
	result := c.conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil)
	for bytes := 0; result.NextRow(); {
		values := result.Values()
		place := values[len(values)-extra:]
		if limit > 0 && bytes > limit && !slices.EqualFunc(place, last, func(a []byte, b string) bool { return string(a) == b }) {
			cut = true
			break
		}
		row := make(change.Row, len(columns))
		for i := range columns {
			row[i] = columns[i]
			if row[i].Value = change.NullValue(); values[i] != nil {
				row[i].Value = postgres.ParseValue(columns[i].Type, string(values[i]))
				bytes += len(values[i])
			}
			bytes += 16
		}
		last = last[:0]
		for _, v := range place {
			last = append(last, string(v))
		}
		rows = append(rows, change.Event{Op: change.Read, Key: key(row), After: row, Source: source})
	}
	_, err = result.Close()
	return rows, last, cut, err
}

// permanent reports that reading the table again would fail in the same way: what PostgreSQL says of names, rights, types and values.
func permanent(err error) bool {
	if refused := (*refusedError)(nil); errors.As(err, &refused) {
		return true
	}
	server := (*pgconn.PgError)(nil)
	if !errors.As(err, &server) || len(server.Code) < 2 {
		return false
	}
	return slices.Contains([]string{"22", "42", "25", "54"}, server.Code[:2])
}
