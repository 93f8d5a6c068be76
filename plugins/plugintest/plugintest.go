// Package plugintest judges mapping plugins by the contract of package sdk: for Tandem's own rules, for plugins that run
// as processes (through package host), and for authors' plugins in any language. For tests only.
package plugintest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// Subject is what is judged: an *sdk.Runtime in this process, or a *host.Plugin that runs one.
type Subject interface {
	Describe(ctx context.Context) (sdk.Description, error)
	Validate(ctx context.Context, offer string, config json.RawMessage) ([]sdk.Diagnostic, error)
	Function(ctx context.Context, offer string, config json.RawMessage) (sdk.Bound[change.Value], error)
	Mapper(ctx context.Context, offer string, config json.RawMessage) (sdk.Bound[change.Image], error)
}

// Item is what plugins turn.
type Item interface {
	change.Value | change.Image
}

// Case is one configuration of one offer with what is expected of it.
type Case[T Item] struct {
	Name   string // default: the offer and its configuration
	Offer  string
	Config string // JSON; empty: none

	Pairs     []Pair[T]
	BadRows   []T // refused as bad values
	BadFields []T

	// Rows and Fields generate input for the laws, beside what stands in Pairs. Refused input is passed over.
	Rows, Fields *rapid.Generator[T]
}

// Pair is a row's value, the field's value that it becomes, and the row's value that the field's becomes.
type Pair[T Item] struct{ Row, Field, Back T }

// Suite is everything that one plugin is judged by.
type Suite struct {
	Functions []Case[change.Value]
	Mappers   []Case[change.Image]

	// Refused are configurations that must be refused, by offer: the JSON, and the paths that the diagnostics must name.
	Refused []Refused
}

// Refused is a configuration that must be refused.
type Refused struct {
	Offer, Config string
	Paths         []string
}

// Run judges the subject that open gives; open is called once.
func Run(t *testing.T, open func(t *testing.T) Subject, suite Suite) {
	t.Helper()
	subject := open(t)
	t.Run("describes itself", func(t *testing.T) { describes(t, subject, suite) })
	t.Run("refuses wrong configurations", func(t *testing.T) { refuses(t, subject, suite) })
	for _, c := range suite.Functions {
		t.Run(c.name(), func(t *testing.T) { judge(t, subject, c, subject.Function) })
	}
	for _, c := range suite.Mappers {
		t.Run(c.name(), func(t *testing.T) { judge(t, subject, c, subject.Mapper) })
	}
}

// InProcess opens a plugin without a process of its own.
func InProcess(p sdk.Plugin) func(*testing.T) Subject {
	return func(t *testing.T) Subject {
		r, err := sdk.NewRuntime(p, func(offer string, v any, stack []byte) { t.Logf("%s panicked: %v\n%s", offer, v, stack) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		return r
	}
}

func (c Case[T]) name() string {
	if c.Name != "" {
		return c.Name
	}
	return strings.TrimSpace(c.Offer + " " + c.Config)
}

// describes: the description is valid, knows the offers that are tested, and its schemas take their configurations.
func describes(t *testing.T, s Subject, suite Suite) {
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatalf("Describe: %v", err)
	}
	if err := d.Validate(); err != nil {
		t.Errorf("description: %v", err)
	}
	for _, c := range suite.Functions {
		describedAs(t, d, c.Offer, c.Config, sdk.KindFunction)
	}
	for _, c := range suite.Mappers {
		describedAs(t, d, c.Offer, c.Config, sdk.KindMapper)
	}
	for _, o := range d.Offers {
		if o.Summary == "" {
			t.Errorf("%s has no summary", o.Name)
		}
	}
}

func describedAs(t *testing.T, d sdk.Description, name, config string, kind sdk.Kind) {
	t.Helper()
	o, ok := d.Offer(name)
	if !ok || o.Kind != kind {
		t.Errorf("description has %s %q: %v, as %q", kind, name, ok, o.Kind)
		return
	}
	if err := matches(o.ConfigSchema, config); err != nil {
		t.Errorf("schema of %s refuses %s: %v", name, config, err)
	}
	if err := matches(o.ConfigSchema, `{"no_such_setting":1}`); err == nil {
		t.Errorf("schema of %s takes a setting that does not exist", name)
	}
}

func matches(schema []byte, config string) error {
	if config == "" {
		config = "{}"
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.json", doc); err != nil {
		return err
	}
	compiled, err := c.Compile("config.json")
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(config))
	if err != nil {
		return err
	}
	return compiled.Validate(value)
}

// refuses: every wrong setting is named at once, by Validate and when an instance is asked for.
func refuses(t *testing.T, s Subject, suite Suite) {
	if _, err := s.Function(t.Context(), "no_such_offer", nil); err == nil {
		t.Error("Function gave an offer that does not exist")
	}
	if _, err := s.Validate(t.Context(), "no_such_offer", nil); err == nil {
		t.Error("Validate knows an offer that does not exist")
	}
	wrong := suite.Refused
	for _, c := range suite.Functions {
		wrong = append(wrong, Refused{Offer: c.Offer, Config: `{"no_such_setting":1}`, Paths: []string{"no_such_setting"}},
			Refused{Offer: c.Offer, Config: `[]`}, Refused{Offer: c.Offer, Config: `{`})
	}
	for _, w := range wrong {
		diags, err := s.Validate(t.Context(), w.Offer, json.RawMessage(w.Config))
		if err != nil {
			t.Errorf("Validate(%s, %s): %v", w.Offer, w.Config, err)
			continue
		}
		if !sdk.Refused(diags) {
			t.Errorf("%s takes %s", w.Offer, w.Config)
		}
		for _, path := range w.Paths {
			if !names(diags, path) {
				t.Errorf("%s does not name %q of %s: %v", w.Offer, path, w.Config, diags)
			}
		}
		_, err = s.Function(t.Context(), w.Offer, json.RawMessage(w.Config))
		if refused := new(sdk.ConfigError); !errors.As(err, &refused) {
			t.Errorf("Function(%s, %s) = %v, want a ConfigError", w.Offer, w.Config, err)
		}
	}
}

func names(diags []sdk.Diagnostic, path string) bool {
	for _, d := range diags {
		if d.Path == path && d.Summary != "" {
			return true
		}
	}
	return false
}

type opener[T Item] func(ctx context.Context, offer string, config json.RawMessage) (sdk.Bound[T], error)

// judge runs one case.
func judge[T Item](t *testing.T, s Subject, c Case[T], open opener[T]) {
	if diags, err := s.Validate(t.Context(), c.Offer, json.RawMessage(c.Config)); err != nil || sdk.Refused(diags) {
		t.Fatalf("Validate = %v, %v", diags, err)
	}
	b, err := open(t.Context(), c.Offer, json.RawMessage(c.Config))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Run("pairs", func(t *testing.T) { pairs(t, b, c) })
	t.Run("bad values", func(t *testing.T) { badValues(t, b, c) })
	t.Run("batches", func(t *testing.T) { batches(t, b, c) })
	t.Run("laws", func(t *testing.T) { laws(t, b, c) })
	t.Run("callers", func(t *testing.T) { callers(t, b, c) })
}

func pairs[T Item](t *testing.T, b sdk.Bound[T], c Case[T]) {
	for _, p := range c.Pairs {
		got, errs := b.ToNotion(t.Context(), []T{p.Row})
		expect(t, "ToNotion", p.Row, p.Field, got, errs)
		got, errs = b.ToCRM(t.Context(), []T{p.Field})
		expect(t, "ToCRM", p.Field, p.Back, got, errs)
	}
}

func expect[T Item](t *testing.T, what string, in, want T, got []T, errs []error) {
	t.Helper()
	if errs != nil {
		t.Errorf("%s(%s): %v", what, show(in), errs[0])
		return
	}
	if len(got) != 1 || !cmp.Equal(got[0], want) {
		t.Errorf("%s(%s) = %s, want %s", what, show(in), show(got[0]), show(want))
	}
}

func show[T Item](item T) string {
	b, err := json.Marshal(item)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// badValues: each is refused as a bad value with a reason.
func badValues[T Item](t *testing.T, b sdk.Bound[T], c Case[T]) {
	check := func(what string, items []T, turn func(context.Context, []T) ([]T, []error)) {
		for _, item := range items {
			got, errs := turn(t.Context(), []T{item})
			if errs == nil {
				t.Errorf("%s(%s) = %s, want it refused", what, show(item), show(got[0]))
				continue
			}
			var bad interface{ BadValue() bool }
			if !errors.As(errs[0], &bad) || !bad.BadValue() || errs[0].Error() == "" {
				t.Errorf("%s(%s): %v, want a bad value with a reason", what, show(item), errs[0])
			}
		}
	}
	check("ToNotion", c.BadRows, b.ToNotion)
	check("ToCRM", c.BadFields, b.ToCRM)
}

// batches: a batch of any size answers each item as a call for it alone does; bad neighbours and absent ones change nothing.
func batches[T Item](t *testing.T, b sdk.Bound[T], c Case[T]) {
	const many = 1200 // more than two of the wire's batches
	var absent T
	var items, want []T
	var bad []bool
	for len(items) < many {
		for _, p := range c.Pairs {
			items, want, bad = append(items, p.Row), append(want, p.Field), append(bad, false)
		}
		for _, row := range c.BadRows {
			items, want, bad = append(items, row), append(want, absent), append(bad, true)
		}
		items, want, bad = append(items, absent), append(want, absent), append(bad, false)
	}
	got, errs := b.ToNotion(t.Context(), items)
	if len(got) != len(items) || (errs != nil && len(errs) != len(items)) {
		t.Fatalf("%d items gave %d answers and %d errors", len(items), len(got), len(errs))
	}
	if errs == nil {
		errs = make([]error, len(items))
	}
	for i := range items {
		if (errs[i] != nil) != bad[i] || (!bad[i] && !cmp.Equal(got[i], want[i])) {
			t.Fatalf("item %d of %d: %v, %v; want %v, refused %v", i, len(items), got[i], errs[i], want[i], bad[i])
		}
	}
	if got, errs := b.ToCRM(t.Context(), nil); len(got) != 0 || errs != nil {
		t.Errorf("an empty batch = %v, %v", got, errs)
	}
}

// laws: what a value becomes is stable, from both sides.
func laws[T Item](t *testing.T, b sdk.Bound[T], c Case[T]) {
	var rows, fields []T
	for _, p := range c.Pairs {
		rows, fields = append(rows, p.Row), append(fields, p.Field)
	}
	rowLaw(t, b, rows)
	fieldLaw(t, b, fields)
	if c.Rows != nil {
		rapid.Check(t, func(t *rapid.T) { rowLaw(t, b, rapid.SliceOfN(c.Rows, 1, 20).Draw(t, "rows")) })
	}
	if c.Fields != nil {
		rapid.Check(t, func(t *rapid.T) { fieldLaw(t, b, rapid.SliceOfN(c.Fields, 1, 20).Draw(t, "fields")) })
	}
}

type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Context() context.Context
}

// rowLaw: f = ToNotion(r); ToNotion(ToCRM(f)) == f; and twice gives the same.
func rowLaw[T Item](t failer, b sdk.Bound[T], rows []T) {
	t.Helper()
	f, errs := b.ToNotion(t.Context(), rows)
	again, errsAgain := b.ToNotion(t.Context(), rows)
	if !cmp.Equal(f, again) || len(errs) != len(errsAgain) {
		t.Errorf("the same rows gave %v, then %v", f, again)
	}
	in, f := taken(rows, f, errs)
	back, errs := b.ToCRM(t.Context(), f)
	if errs != nil {
		t.Errorf("ToCRM refuses what ToNotion gave: %v", errors.Join(errs...))
		return
	}
	f2, errs := b.ToNotion(t.Context(), back)
	if errs != nil {
		t.Errorf("ToNotion refuses what ToCRM gave: %v", errors.Join(errs...))
		return
	}
	for i := range in {
		if !cmp.Equal(f[i], f2[i]) {
			t.Errorf("row %s is field %s is row %s is field %s", show(in[i]), show(f[i]), show(back[i]), show(f2[i]))
		}
	}
}

// fieldLaw: canon(f) = ToNotion(ToCRM(f)) is idempotent.
func fieldLaw[T Item](t failer, b sdk.Bound[T], fields []T) {
	t.Helper()
	r, errs := b.ToCRM(t.Context(), fields)
	in, r := taken(fields, r, errs)
	c, errs := b.ToNotion(t.Context(), r)
	if errs != nil {
		t.Errorf("ToNotion refuses what ToCRM gave: %v", errors.Join(errs...))
		return
	}
	r2, errs := b.ToCRM(t.Context(), c)
	if errs != nil {
		t.Errorf("ToCRM refuses a canonical field: %v", errors.Join(errs...))
		return
	}
	c2, errs := b.ToNotion(t.Context(), r2)
	if errs != nil {
		t.Errorf("ToNotion refuses a canonical row: %v", errors.Join(errs...))
		return
	}
	for i := range in {
		if !cmp.Equal(c[i], c2[i]) {
			t.Errorf("field %s is row %s is field %s, and then %s and %s", show(in[i]), show(r[i]), show(c[i]), show(r2[i]), show(c2[i]))
		}
	}
}

// taken leaves out what was refused.
func taken[T Item](in, out []T, errs []error) (ins, outs []T) {
	for i := range in {
		if errs == nil || errs[i] == nil {
			ins, outs = append(ins, in[i]), append(outs, out[i])
		}
	}
	return ins, outs
}

// callers: several at once get their own answers; one whose context has ended gets errors that can be retried.
func callers[T Item](t *testing.T, b sdk.Bound[T], c Case[T]) {
	if len(c.Pairs) == 0 {
		return
	}
	var all sync.WaitGroup
	failures := make(chan string, 1000)
	for i := range 8 {
		p := c.Pairs[i%len(c.Pairs)]
		all.Go(func() {
			for range 10 {
				got, errs := b.ToNotion(t.Context(), []T{p.Row, p.Row})
				if errs != nil || !cmp.Equal(got, []T{p.Field, p.Field}) {
					failures <- fmt.Sprintf("%v, %v", got, errs)
				}
			}
		})
	}
	all.Wait()
	close(failures)
	for f := range failures {
		t.Errorf("among others: %s", f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errs := b.ToNotion(ctx, []T{c.Pairs[0].Row})
	var again interface{ Retryable() bool }
	if errs == nil || !errors.As(errs[0], &again) || !again.Retryable() {
		t.Errorf("under an ended context: %v, want an error that can be retried", errs)
	}
}
