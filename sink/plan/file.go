package plan

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// A plan file is lines of JSON: a head, one line for each thing, and a foot with the sum of all bytes before it. People can read it, and attach it to a
// ticket; apply refuses one that was changed.

// Version is the format's.
const Version = 1

// Head is the first line of a plan.
type Head struct {
	Version  int               `json:"tandem_plan"`
	Made     time.Time         `json:"made"`
	Sync     string            `json:"sync"`
	Mappings map[string]string `json:"mappings"` // hash by entity
	Schema   []string          `json:"schema"`   // what is made in Notion beside pages
}

// Kinds of items. Those after [Restore] are told, and nothing is done about them.
const (
	Create  = "create"
	Update  = "update"
	Link    = "link"
	Delete  = "delete"
	Restore = "restore"

	Leave   = "leave"  // the row left the mapping's scope: its page stays as it is
	Return  = "return" // it is in it again, and nothing has to be written
	Held    = "hold"
	Parked  = "park"
	Waiting = "wait"
	Skipped = "skip"
)

// Item is what becomes of one record.
type Item struct {
	N        int      `json:"n"`
	Do       string   `json:"do"`
	Entity   string   `json:"entity"`
	Key      string   `json:"key,omitempty"`  // of the row
	Page     string   `json:"page,omitempty"` // id
	Name     string   `json:"name,omitempty"` // what people call it
	PageOp   string   `json:"page_op,omitempty"`
	RowOp    string   `json:"row_op,omitempty"`
	Mark     bool     `json:"mark,omitempty"`     // the page gets our id
	Doubt    bool     `json:"doubt,omitempty"`    // it cannot be told from another
	Recalled bool     `json:"recalled,omitempty"` // the page carries the id that was made for the row
	Changes  []Change `json:"changes,omitempty"`
	Why      []string `json:"why,omitempty"`
	Requests int      `json:"requests,omitempty"` // to Notion
	Hash     string   `json:"hash,omitempty"`     // of the decision; none where nothing is done
}

// Done reports whether apply does something about the item.
func (i Item) Done() bool {
	switch i.Do {
	case Create, Update, Link, Delete, Restore:
		return true
	}
	return false
}

// Change is one field of one side.
type Change struct {
	Side  string `json:"side"` // that is written
	Field string `json:"field"`
	From  string `json:"from"` // as people read it, cut
	To    string `json:"to"`
	Rule  string `json:"rule,omitempty"` // what decided, where both sides had a value of their own: From is kept in the conflict history
	Hash  string `json:"hash"`           // of both values whole
	Then  string `json:"then"`           // hash of the value that it becomes
}

// Foot is the last line of a plan.
type Foot struct {
	Items    int            `json:"items"`
	Requests int            `json:"requests"`
	Counts   map[string]int `json:"counts"`
	Sum      string         `json:"sha256"`
}

// Writer writes a plan as it is made.
type Writer struct {
	out  *bufio.Writer
	sum  interface{ Sum([]byte) []byte }
	all  io.Writer
	Foot Foot
}

// NewWriter writes the head.
func NewWriter(out io.Writer, head Head) (*Writer, error) {
	head.Version = Version
	h := sha256.New()
	w := &Writer{out: bufio.NewWriter(out), sum: h, Foot: Foot{Counts: map[string]int{}}}
	w.all = io.MultiWriter(w.out, h)
	return w, w.line(head)
}

func (w *Writer) line(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	if _, err := w.all.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}

// Add writes an item and gives its number.
func (w *Writer) Add(item Item) (Item, error) {
	w.Foot.Items++
	w.Foot.Requests += item.Requests
	w.Foot.Counts[item.Do]++
	item.N = w.Foot.Items
	return item, w.line(item)
}

// Close writes the foot.
func (w *Writer) Close() error {
	w.Foot.Sum = hex.EncodeToString(w.sum.Sum(nil))
	w.all = w.out
	if err := w.line(w.Foot); err != nil {
		return err
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}

// ErrTampered is returned for a plan that is not as it was written.
var ErrTampered = errors.New("the plan was changed or cut after it was made: make a new one")

// lineMax bounds one item: a record of 400 fields, each cut to what a line bears.
const lineMax = 1 << 20

// Read reads a plan whole and makes sure that it is as it was written.
func Read(in io.Reader) (Head, []Item, Foot, error) {
	var head Head
	var foot Foot
	var items []Item
	h := sha256.New()
	s := bufio.NewScanner(in)
	s.Buffer(nil, lineMax)
	for n := 0; s.Scan(); n++ {
		line := s.Bytes()
		var probe struct {
			Sum *string `json:"sha256"`
		}
		switch {
		case foot.Sum != "":
			return head, nil, foot, ErrTampered
		case n == 0:
			if err := json.Unmarshal(line, &head); err != nil || head.Version == 0 {
				return head, nil, foot, errors.New("this is no plan of tandem plan")
			}
			if head.Version != Version {
				return head, nil, foot, fmt.Errorf("the plan has format %d, and this program knows %d: make a new one", head.Version, Version)
			}
		case json.Unmarshal(line, &probe) == nil && probe.Sum != nil:
			if err := json.Unmarshal(line, &foot); err != nil || foot.Sum == "" {
				return head, nil, foot, ErrTampered
			}
			continue
		default:
			var item Item
			if err := json.Unmarshal(line, &item); err != nil {
				return head, nil, foot, ErrTampered
			}
			items = append(items, item)
		}
		h.Write(append(bytes.Clone(line), '\n'))
	}
	if err := s.Err(); err != nil {
		return head, nil, foot, fmt.Errorf("read the plan: %w", err)
	}
	if foot.Sum != hex.EncodeToString(h.Sum(nil)) || foot.Items != len(items) {
		return head, nil, foot, ErrTampered
	}
	return head, items, foot, nil
}
