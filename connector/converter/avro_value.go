package converter

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/tandem-sync/tandem/connector/change"
)

// appendAvro writes in Avro's binary form what stands in JSON. The JSON is ours: of the schema's shape, its fields in the schema's order, without blanks.
// https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
func appendAvro(dst []byte, s *change.Schema, text []byte) ([]byte, error) {
	r := jsonReader{text: text}
	dst, err := r.value(dst, s)
	if err == nil && r.at != len(text) {
		err = errors.New("more follows")
	}
	if err != nil {
		return nil, fmt.Errorf("write Avro of %q: %w at %d of %.80q", s.Name, err, r.at, text[max(0, min(r.at, len(text)-1)-40):])
	}
	return dst, nil
}

// jsonReader walks through JSON once.
type jsonReader struct {
	text []byte
	at   int
}

var errShape = errors.New("the value is not of its schema")

func (r *jsonReader) take(word string) bool {
	if bytes.HasPrefix(r.text[r.at:], []byte(word)) {
		r.at += len(word)
		return true
	}
	return false
}

func (r *jsonReader) value(dst []byte, s *change.Schema) ([]byte, error) {
	null := r.take("null")
	if null && !s.Optional {
		return nil, fmt.Errorf("%w: null where there must be a value", errShape)
	}
	if s.Optional {
		dst = append(dst, branchOf(null, nullFirst(s)))
	}
	if null {
		return dst, nil
	}
	switch s.Type {
	case change.SchemaStruct:
		return r.record(dst, s)
	case change.SchemaArray:
		return r.array(dst, s)
	case change.SchemaMap:
		return r.object(dst, s)
	case change.SchemaString:
		raw, err := r.quoted()
		if err != nil {
			return nil, err
		}
		return appendLong(dst, int64(len(raw)), raw), nil
	case change.SchemaBytes:
		raw, err := r.quoted()
		if err != nil {
			return nil, err
		}
		data, err := base64.StdEncoding.AppendDecode(nil, raw)
		return appendLong(dst, int64(len(data)), data), err
	case change.SchemaBoolean:
		switch {
		case r.take("true"):
			return append(dst, 1), nil
		case r.take("false"):
			return append(dst, 0), nil
		}
		return nil, errShape
	}
	return r.number(dst, s)
}

// branchOf is the index of a union's branch, as Avro writes it.
func branchOf(null, nullFirst bool) byte {
	if null == nullFirst {
		return 0
	}
	return 2
}

func appendLong(dst []byte, n int64, then []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(n<<1)^uint64(n>>63)), then...)
}

func (r *jsonReader) number(dst []byte, s *change.Schema) ([]byte, error) {
	from := r.at
	text := ""
	if r.at < len(r.text) && r.text[r.at] == '"' { // NaN and the infinities
		raw, err := r.quoted()
		if err != nil {
			return nil, err
		}
		text = string(raw)
	} else {
		for r.at < len(r.text) && bytes.IndexByte([]byte("+-.0123456789eE"), r.text[r.at]) >= 0 {
			r.at++
		}
		text = string(r.text[from:r.at])
	}
	switch s.Type {
	case change.SchemaFloat32:
		x, err := strconv.ParseFloat(text, 32)
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(x))), beyond(err)
	case change.SchemaFloat64:
		x, err := strconv.ParseFloat(text, 64)
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x)), beyond(err)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return appendLong(dst, n, nil), err
}

// beyond lets a number pass that is the nearest infinity.
func beyond(err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return nil
	}
	return err
}

// quoted takes a text and gives what it says; the next call may overwrite it.
func (r *jsonReader) quoted() ([]byte, error) {
	from := r.at
	if r.at == len(r.text) || r.text[r.at] != '"' {
		return nil, errShape
	}
	escaped := false
	for r.at++; r.at < len(r.text); r.at++ {
		switch r.text[r.at] {
		case '\\':
			escaped = true
			r.at++
		case '"':
			r.at++
			if !escaped {
				return r.text[from+1 : r.at-1], nil
			}
			var said string
			err := json.Unmarshal(r.text[from:r.at], &said)
			return []byte(said), err
		}
	}
	return nil, errShape
}

func (r *jsonReader) record(dst []byte, s *change.Schema) ([]byte, error) {
	if !r.take("{") {
		return nil, errShape
	}
	for i, f := range s.Fields {
		if i > 0 && !r.take(",") {
			return nil, errShape
		}
		name, err := r.quoted()
		if err != nil {
			return nil, err
		}
		if string(name) != f.Name || !r.take(":") {
			return nil, fmt.Errorf("%w: %q stands where %q belongs", errShape, name, f.Name)
		}
		if dst, err = r.value(dst, f.Schema); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if !r.take("}") {
		return nil, errShape
	}
	return dst, nil
}

// array writes its items as one block, whose length comes first.
func (r *jsonReader) array(dst []byte, s *change.Schema) ([]byte, error) {
	var items []byte
	n, err := r.each("[", "]", func() (err error) {
		items, err = r.value(items, s.Items)
		return err
	})
	return appendBlock(dst, n, items), err
}

func (r *jsonReader) object(dst []byte, s *change.Schema) ([]byte, error) {
	var items []byte
	n, err := r.each("{", "}", func() error {
		name, err := r.quoted()
		if err != nil || !r.take(":") {
			return errors.Join(errShape, err)
		}
		items = appendLong(items, int64(len(name)), name)
		items, err = r.value(items, s.Items)
		return err
	})
	return appendBlock(dst, n, items), err
}

func appendBlock(dst []byte, n int64, items []byte) []byte {
	if n > 0 {
		dst = appendLong(dst, n, items)
	}
	return append(dst, 0)
}

func (r *jsonReader) each(opens, closes string, item func() error) (n int64, err error) {
	if !r.take(opens) {
		return 0, errShape
	}
	if r.take(closes) {
		return 0, nil
	}
	for {
		if err := item(); err != nil {
			return n, err
		}
		n++
		if r.take(closes) {
			return n, nil
		}
		if !r.take(",") {
			return n, errShape
		}
	}
}
