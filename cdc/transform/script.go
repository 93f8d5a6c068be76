package transform

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
)

// What a program may cost: expressions have no loops but over lists, and the values of an event are bounded by its size.
const (
	nodesMax  = 1000    // of the expression itself
	memoryMax = 100_000 // values that one evaluation may make
)

// script is a transform with an expression. Programs are shared by goroutines.
type script struct {
	name    string
	class   string
	topics  *regexp.Regexp // only records that go to these are evaluated; nil: all
	nulls   string         // null.handling.mode: what becomes of tombstones
	program *vm.Program
}

// What an expression sees. Column values are PostgreSQL's: numbers (numeric as a double), text, true and false, lists, nil; dates and times as ISO text.
type scope struct {
	Key    map[string]any    `expr:"key"`
	Value  *scopeValue       `expr:"value"` // nil for a tombstone
	Topic  string            `expr:"topic"`
	Header map[string]string `expr:"header"`
}

type scopeValue struct {
	Op          string              `expr:"op"`
	Before      map[string]any      `expr:"before"`
	After       map[string]any      `expr:"after"`
	Source      scopeSource         `expr:"source"`
	TsMillis    int64               `expr:"ts_ms"`
	Transaction *change.Transaction `expr:"transaction"`
}

type scopeSource struct {
	Name     string `expr:"name"`
	DB       string `expr:"db"`
	Schema   string `expr:"schema"`
	Table    string `expr:"table"`
	Snapshot string `expr:"snapshot"`
	TxID     int64  `expr:"txId"`
	LSN      int64  `expr:"lsn"`
	TsMillis int64  `expr:"ts_ms"`
	Origin   string `expr:"origin"`
}

// compile reads an expression; the error says where it is wrong.
func compile(text string, condition bool) (*vm.Program, error) {
	options := []expr.Option{expr.Env(scope{}), expr.MaxNodes(nodesMax)}
	if condition {
		options = append(options, expr.AsBool())
	}
	return expr.Compile(text, options...)
}

// script reads a transform that has an expression, and everything that is wrong with it.
func (c Config) script(name string, problems *config.Problems) *script {
	get := func(key string) string { return c.Keys[name+"."+key] }
	path := "transforms." + name + "."
	s := &script{name: name, class: get("type"), nulls: get("null.handling.mode")}
	key := "condition"
	if s.class == ContentRouter {
		key = "topic.expression"
	}
	var err error
	switch text := get(key); {
	case text == "":
		problems.Errorf(path+key, "missing")
	default:
		if s.program, err = compile(text, s.class == Filter); err != nil {
			problems.Errorf(path+key, "it is no expression (key, value.op, value.before, value.after, value.source, topic and header are known; see docs/converters.md): %v", err)
		}
	}
	if get("topic.regex") != "" {
		if s.topics, err = config.Anchored(get("topic.regex")); err != nil {
			problems.Errorf(path+"topic.regex", "must be a regular expression (RE2, which has no look-around): %v", err)
		}
	}
	switch s.nulls {
	case "", "keep", "drop", "evaluate":
	default:
		problems.Errorf(path+"null.handling.mode", "must be keep, drop or evaluate")
	}
	if language := get("language"); language != "" && language != "expr" && !strings.HasPrefix(language, "jsr223.") {
		problems.Errorf(path+"language", "must be expr, or left out; comparisons of Groovy and JavaScript read the same")
	}
	return s
}

// run evaluates: a filter says whether the record stays, a router where it goes ("": where it went).
func (s *script) run(seen *scope) (topic string, keep bool, err error) {
	machine := vm.VM{MemoryBudget: memoryMax}
	out, err := machine.Run(s.program, seen)
	if err != nil {
		return "", false, err
	}
	if s.class == Filter {
		keep, ok := out.(bool)
		if !ok {
			err = fmt.Errorf("the condition gives %T, not true or false", out)
		}
		return "", keep, err
	}
	switch to := out.(type) {
	case nil:
		return "", true, nil
	case string:
		return change.TopicName(to), true, nil
	}
	return "", false, fmt.Errorf("the topic's expression gives %T, not text", out)
}

func newScope(ev *change.Event, headers []change.Header, tombstone bool) *scope {
	s := &scope{Key: plainRow(ev.Key), Header: map[string]string{}}
	for _, h := range headers {
		s.Header[h.Key] = string(h.Value)
	}
	if tombstone {
		return s
	}
	from := &ev.Source
	s.Value = &scopeValue{Op: string(ev.Op), Before: plainRow(ev.Before), After: plainRow(ev.After), TsMillis: ev.At.UnixMilli(), Transaction: ev.Tx, Source: scopeSource{
		Name: from.Name, DB: from.DB, Schema: from.Schema, Table: from.Table, Snapshot: string(from.Snapshot), TxID: from.TxID, LSN: int64(from.LSN), TsMillis: from.Time.UnixMilli(), Origin: from.Origin}}
	return s
}

// plainRow gives a row as expressions see it.
func plainRow(row change.Row) map[string]any {
	if row == nil {
		return nil
	}
	out := make(map[string]any, len(row))
	for i := range row {
		out[row[i].Name] = plainValue(row[i].Value)
	}
	return out
}

func plainValue(v change.Value) any {
	switch v.Kind() {
	case change.Absent, change.Null:
		return nil
	case change.Bool:
		return v.Bool()
	case change.Int:
		return int(v.Int())
	case change.Float:
		return v.Float()
	case change.Decimal:
		return decimalNumber(v.Text())
	case change.List, change.Set:
		items := make([]any, len(v.Items()))
		for i, item := range v.Items() {
			items[i] = plainValue(item)
		}
		return items
	case change.Text, change.Bytes, change.JSON, change.UUID, change.TimeTZ, change.Interval:
		return v.Text()
	}
	return v.String()
}

// decimalNumber is a double: good for comparing, not for counting money.
func decimalNumber(text string) any {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return x
}
