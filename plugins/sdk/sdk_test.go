package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told is a function that notes what is done to it.
type told struct {
	Fail  string            `json:"fail" enum:",provision,validate,panic" doc:"where to fail"`
	Count int               `json:"count" required:"true"`
	Tags  map[string]string `json:"tags"`
	Deep  *struct {
		A bool `json:"a"`
	} `json:"deep"`

	diary *[]string
}

func (f *told) note(what string) { *f.diary = append(*f.diary, what) }

func (f *told) Provision(context.Context) error {
	f.note("provision")
	switch f.Fail {
	case "provision":
		return errors.New("no such zone")
	case "panic":
		panic("in provision")
	}
	return nil
}

func (f *told) Validate() []sdk.Diagnostic {
	f.note("validate")
	if f.Fail == "validate" {
		return []sdk.Diagnostic{sdk.Problem("fail", "", "refused"), sdk.Warning("count", "", "odd")}
	}
	return []sdk.Diagnostic{sdk.Warning("count", "", "odd")}
}

func (f *told) Cleanup() error { f.note("cleanup"); return nil }

func (f *told) ToNotion(v change.Value) (change.Value, error) { f.note("use"); return v, nil }
func (f *told) ToCRM(v change.Value) (change.Value, error)    { return v, nil }

func runtime(t *testing.T) (*sdk.Runtime, *[]string) {
	t.Helper()
	diary := &[]string{}
	r, err := sdk.NewRuntime(sdk.Plugin{Name: "p", Version: "1", Summary: "s", Offers: []sdk.Offer{
		{Name: "told", Summary: "s", New: func() any { *diary = append(*diary, "new"); return &told{diary: diary} }},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	*diary = nil // describing makes an instance, which has no side effects
	return r, diary
}

func TestTheLifecycle(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		config string
		want   []string
	}{
		{`{"count":1}`, []string{"new", "provision", "validate", "use", "cleanup"}},
		{`{"count":1,"fail":"validate"}`, []string{"new", "provision", "validate", "cleanup"}},
		{`{"count":1,"fail":"provision"}`, []string{"new", "provision", "cleanup"}},
		{`{"count":1,"fail":"panic"}`, []string{"new", "provision", "cleanup"}},
		{`{"count":"many"}`, []string{"new"}},
	} {
		r, diary := runtime(t)
		f, err := r.Function(t.Context(), "told", json.RawMessage(tc.config))
		if (err == nil) != slices.Contains(tc.want, "use") {
			t.Errorf("%s: %v", tc.config, err)
		}
		if err == nil {
			if _, errs := f.ToNotion(t.Context(), []change.Value{change.NullValue(), {}}); errs != nil {
				t.Error(errs)
			}
		}
		for range 2 {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff(tc.want, *diary); diff != "" {
			t.Errorf("%s: %s", tc.config, diff)
		}
	}
}

func TestAClosedRuntimeAnswersWithErrors(t *testing.T) {
	t.Parallel()
	r, _ := runtime(t)
	f, err := r.Function(t.Context(), "told", json.RawMessage(`{"count":1}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if _, errs := f.ToNotion(t.Context(), []change.Value{change.NullValue()}); errs == nil || sdk.ClassOf(errs[0]) != sdk.ClassRetry {
		t.Errorf("after Close: %v, want an error that can be retried", errs)
	}
	if _, err := r.Function(t.Context(), "told", json.RawMessage(`{"count":1}`)); err == nil {
		t.Error("a closed runtime makes an instance")
	}
}

func TestAConfigurationIsReadStrictly(t *testing.T) {
	t.Parallel()
	r, diary := runtime(t)
	for _, tc := range []struct {
		config string
		paths  []string
	}{
		{`{"count":1,"tags":{"a":"b"},"deep":{"a":true}}`, nil},
		{``, []string{"count"}},
		{`null`, []string{"count"}},
		{`{"COUNT":1}`, []string{"COUNT", "count"}},
		{`{"count":1,"count":2}`, []string{"count"}},
		{`{"count":1.5,"fail":"later","tags":{"a":1},"deep":{"b":1},"diary":1}`, []string{"count", "fail", "tags", "deep", "diary"}},
		{`{"count":null}`, []string{"count"}},
		{`{"count":1} {}`, []string{""}},
		{`{"count":1`, []string{""}},
		{`"x"`, []string{""}},
	} {
		diags, err := r.Validate(t.Context(), "told", json.RawMessage(tc.config))
		if err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, d := range diags {
			if d.Severity == sdk.SeverityError {
				paths = append(paths, d.Path)
			}
		}
		if diff := cmp.Diff(tc.paths, paths); diff != "" {
			t.Errorf("%s: %v\n%s", tc.config, diags, diff)
		}
	}
	if n := strings.Count(strings.Join(*diary, " "), "provision"); n != strings.Count(strings.Join(*diary, " "), "cleanup") {
		t.Errorf("checks leave instances behind: %q", *diary)
	}
}

func TestTheSchemaSaysWhatTheStructSays(t *testing.T) {
	t.Parallel()
	r, _ := runtime(t)
	d, err := r.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(d.Offers[0].ConfigSchema, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
		"required": []any{"count"},
		"properties": map[string]any{
			"fail":  map[string]any{"type": "string", "description": "where to fail", "enum": []any{"", "provision", "validate", "panic"}},
			"count": map[string]any{"type": "integer"},
			"tags":  map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}},
			"deep":  map[string]any{"type": "object"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAPluginThatDescribesItselfWronglyIsRefused(t *testing.T) {
	t.Parallel()
	fine := func() any { return &told{} }
	for name, p := range map[string]sdk.Plugin{
		"no offers":    {Name: "p"},
		"bad name":     {Name: "P q", Offers: []sdk.Offer{{Name: "f", New: fine}}},
		"offer twice":  {Name: "p", Offers: []sdk.Offer{{Name: "f", New: fine}, {Name: "f", New: fine}}},
		"dotted offer": {Name: "p", Offers: []sdk.Offer{{Name: "f.g", New: fine}}},
		"no New":       {Name: "p", Offers: []sdk.Offer{{Name: "f"}}},
		"no rule":      {Name: "p", Offers: []sdk.Offer{{Name: "f", New: func() any { return &struct{}{} }}}},
	} {
		if _, err := sdk.NewRuntime(p, nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
