package cdc

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// Reselect says when a value that PostgreSQL did not send, because an update left a large one as it was, is read from the table.
type Reselect string

// The choices.
const (
	ReselectNone      Reselect = "none"
	ReselectKeyChange Reselect = "key.change" // when the row got another key: nothing under that key has the value yet
	ReselectAll       Reselect = "all"
)

func (c *Config) wantsReselect(e *change.Event) bool {
	switch {
	case e.After == nil || len(e.Key) == 0 || c.Reselect == ReselectNone || c.Reselect == "":
		return false
	case c.Reselect == ReselectKeyChange && e.OldKey == nil:
		return false
	}
	for i := range e.After {
		if e.After[i].Value.IsAbsent() {
			return true
		}
	}
	return false
}

// reselect reads what is absent from the row as it is now: that value, or one of a change that is still to come. A row, column or table that is gone leaves it
// absent: the stream will say so.
func (r *reader) reselect(e *change.Event) error {
	sql, keys, ok := reselectQuery(e)
	if !ok {
		return nil
	}
	var result *pgconn.Result
	err := r.ask(func(ctx context.Context) error {
		result = r.control.PgConn().ExecParams(ctx, sql, keys, nil, nil, nil).Read()
		return nil
	})
	if err != nil {
		return err
	}
	if refused := (*pgconn.PgError)(nil); errors.As(result.Err, &refused) && !r.control.IsClosed() {
		table := tableName{e.Source.Schema, e.Source.Table}
		r.log.Debug("a value that was not sent cannot be read; it is left out, as the placeholder", "table", table.String(), "err", refused.Message)
		return nil
	}
	if result.Err != nil {
		return postgres.Explain(fmt.Errorf("read a value that was not sent: %w", result.Err))
	}
	if len(result.Rows) != 1 {
		return nil
	}
	values := result.Rows[0]
	for i := range e.After {
		c := &e.After[i]
		if !c.Value.IsAbsent() {
			continue
		}
		if c.Value = change.NullValue(); values[0] != nil {
			c.Value = postgres.ParseValue(c.Type, string(values[0]))
		}
		values = values[1:]
	}
	return nil
}

// reselectQuery asks for the absent columns of the row with e's key; not ok where a key's value has no text that PostgreSQL reads back.
func reselectQuery(e *change.Event) (sql string, keys [][]byte, ok bool) {
	var columns, where []string
	for _, c := range e.After {
		if c.Value.IsAbsent() {
			columns = append(columns, pgx.Identifier{c.Name}.Sanitize())
		}
	}
	for i, c := range e.Key {
		text := c.Value.String()
		switch c.Value.Kind() {
		case change.Bytes:
			text = `\x` + hex.EncodeToString([]byte(c.Value.Text()))
		case change.List, change.Set, change.Null:
			return "", nil, false
		}
		where = append(where, fmt.Sprintf("%s = $%d", pgx.Identifier{c.Name}.Sanitize(), i+1))
		keys = append(keys, []byte(text))
	}
	table := tableName{e.Source.Schema, e.Source.Table}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + table.quoted() + " WHERE " + strings.Join(where, " AND "), keys, true
}
