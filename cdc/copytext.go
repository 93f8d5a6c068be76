package cdc

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// copyReader is an io.Writer that takes what COPY … TO STDOUT sends (text format) and calls row for each row. The text of a
// value is that of the stream, so both give the same values. https://www.postgresql.org/docs/current/sql-copy.html
type copyReader struct {
	columns []change.Column
	room    func() change.Row // a row to overwrite, made of columns; nil, or a nil row: a new one for each
	row     func(change.Row) error
	large   *sync.Mutex // held while a large row is worked on; nil: not needed
	rest    []byte      // of a row that is not complete; the server sends whole rows, but does not promise to
}

func (c *copyReader) Write(data []byte) (int, error) {
	n := len(data)
	if len(c.rest) > 0 {
		data = append(c.rest, data...)
	}
	for {
		line, after, ok := bytes.Cut(data, []byte{'\n'})
		if !ok {
			c.rest = append(c.rest[:0], data...)
			return n, nil
		}
		if err := c.line(line); err != nil {
			return 0, err
		}
		data = after
	}
}

func (c *copyReader) line(line []byte) error {
	if c.large != nil && len(line) >= giantRow {
		c.large.Lock()
		defer c.large.Unlock()
	}
	var row change.Row
	if c.room != nil {
		row = c.room()
	}
	if row == nil {
		row = append(change.Row{}, c.columns...)
	}
	if err := parseCopyLine(row, string(line)); err != nil { // one copy for all values of the row
		return err
	}
	return c.row(row)
}

// parseCopyLine gives the columns of row their values.
func parseCopyLine(row change.Row, line string) error {
	for i := range row {
		field, rest, more := strings.Cut(line, "\t")
		if more == (i == len(row)-1) {
			return fmt.Errorf("read a copied row: want %d columns, got fewer or more", len(row))
		}
		if field == `\N` {
			row[i].Value = change.NullValue()
		} else {
			row[i].Value = postgres.ParseValue(row[i].Type, unescapeCopy(field))
		}
		line = rest
	}
	return nil
}

// unescapeCopy undoes the backslashes that CopyAttributeOutText writes; octal and hexadecimal forms are for input only.
func unescapeCopy(field string) string {
	if strings.IndexByte(field, '\\') < 0 {
		return field
	}
	out := make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c == '\\' && i+1 < len(field) {
			i++
			switch c = field[i]; c {
			case 'b':
				c = '\b'
			case 'f':
				c = '\f'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			case 'v':
				c = '\v'
			}
		}
		out = append(out, c)
	}
	return string(out)
}
