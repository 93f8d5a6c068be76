package plugins_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins"
	"github.com/tandem-sync/tandem/plugins/examples/phone/e164"
	"github.com/tandem-sync/tandem/plugins/host"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

var dir string // holds the example's binary, as a configuration's folder would

func TestMain(m *testing.M) {
	var err error
	if dir, err = os.MkdirTemp("", "plugins"); err != nil {
		panic(err)
	}
	if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "phone"), "./examples/phone").CombinedOutput(); err != nil {
		panic(string(out))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { os.RemoveAll(dir); os.Exit(code) }))
}

func started(t *testing.T, specs string) *plugins.Registry {
	t.Helper()
	parsed, err := plugins.ParseSpecs([]byte(specs))
	if err != nil {
		t.Fatal(err)
	}
	r, err := plugins.New(plugins.Config{Plugins: parsed, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// turn gives what a function makes of one text.
func turn(t *testing.T, r *plugins.Registry, name, config, value string) string {
	t.Helper()
	f, err := r.Function(t.Context(), name, json.RawMessage(config))
	if err != nil {
		t.Fatal(err)
	}
	got, errs := f.ToNotion(t.Context(), []change.Value{change.TextValue(value)})
	if errs != nil {
		t.Fatal(errs[0])
	}
	return got[0].Text()
}

func TestRulesAreFoundByName(t *testing.T) {
	t.Parallel()
	r := started(t, `[{"name":"phone","command":["./phone"],"config":{"region":"FR"}}]`)
	for _, tc := range []struct{ name, config, value, want string }{
		{"trim", "", " a ", "a"},
		{"builtin.upper", "{}", "a", "A"},
		{"phone.e164", "", "0612345678", "+33612345678"}, // the plugin's default
		{"phone.e164", `{ }`, "0612345678", "+33612345678"},
		{"phone.e164", `{"region":"DE"}`, "030 901820", "+4930901820"}, // the mapping's own
		{"phone.e164", `{"invalid":"keep"}`, "ask Anna", "ask Anna"},   // both
	} {
		if got := turn(t, r, tc.name, tc.config, tc.value); got != tc.want {
			t.Errorf("%s %s of %q = %q, want %q", tc.name, tc.config, tc.value, got, tc.want)
		}
	}
	if _, err := r.Mapper(t.Context(), "full_name", nil); err != nil {
		t.Error(err)
	}
	descriptions, err := r.Describe(t.Context())
	if err != nil || len(descriptions) != 2 {
		t.Errorf("Describe = %v, %v", descriptions, err)
	}
	if s := r.Status(); len(s) != 1 || s[0].Name != "phone" || s[0].State != host.Open || s[0].Version != "1.0.0" {
		t.Errorf("Status = %+v", s)
	}
	if !r.Restart("phone") || r.Restart("builtin") || r.Restart("nobody") {
		t.Error("Restart knows the wrong plugins")
	}
}

func TestCheckSaysEverything(t *testing.T) {
	t.Parallel()
	r := started(t, `[{"name":"phone","command":["./phone"]}]`)
	for _, tc := range []struct {
		kind         sdk.Kind
		name, config string
		want         []string
	}{
		{sdk.KindFunction, "trim", `{}`, nil},
		{sdk.KindFunction, "phone.e164", `{"region":"FR"}`, nil},
		{sdk.KindFunction, "fax.e164", ``, []string{`there is no plugin "fax"; there are builtin, phone`}},
		{sdk.KindFunction, "phone.fax", ``, []string{"it offers e164"}},
		{sdk.KindFunction, "trimm", ``, []string{"trim, unix_time"}},
		{sdk.KindFunction, "full_name", ``, []string{"it is a mapper, not a function"}},
		{sdk.KindMapper, "trim", ``, []string{"it is a function, not a mapper"}},
		{sdk.KindFunction, "phone.e164", `{"row":"loud","colour":1}`, []string{`row: "loud"`, `colour: there is no setting`, `region: "region" is missing`}},
		{sdk.KindFunction, "phone.e164", `{"region":"FR","region":"DE"}`, []string{"given twice"}},
	} {
		diags := r.Check(t.Context(), tc.kind, tc.name, json.RawMessage(tc.config))
		var lines []string
		for _, d := range diags {
			lines = append(lines, d.String())
		}
		all := strings.Join(lines, "\n")
		if sdk.Refused(diags) != (tc.want != nil) {
			t.Errorf("%s %s: %s", tc.name, tc.config, all)
		}
		for _, want := range tc.want {
			if !strings.Contains(all, want) {
				t.Errorf("%s %s: %q does not say %q", tc.name, tc.config, all, want)
			}
		}
	}
	_, err := r.Function(t.Context(), "phone.e164", nil)
	if refused := new(sdk.ConfigError); !errors.As(err, &refused) {
		t.Errorf("Function = %v, want a ConfigError", err)
	}
}

func TestSpecsAreStrict(t *testing.T) {
	t.Parallel()
	_, err := plugins.ParseSpecs([]byte(`[{"name":"a","comand":["x"]},{"name":"b","command":["y"],"config":[]}]`))
	for _, want := range []string{"plugins.0", "comand", "plugins.1.config"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSpecs = %v, want it to name %s", err, want)
		}
	}
	_, err = plugins.New(plugins.Config{Plugins: []plugins.Spec{{Name: "trim"}, {Name: "builtin", Command: []string{"x"}}}})
	for _, want := range []string{"plugins.0", "command: is missing", "plugins.1", `"builtin" is taken`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want it to name %s", err, want)
		}
	}
}

func TestADefaultThatNothingHasIsAnError(t *testing.T) {
	t.Parallel()
	r, err := plugins.New(plugins.Config{Dir: dir, Plugins: []plugins.Spec{
		{Name: "phone", Command: []string{"./phone"}, Config: json.RawMessage(`{"regoin":"FR"}`)}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err == nil || !strings.Contains(err.Error(), `"regoin"`) {
		t.Errorf("Start = %v, want it to name the setting", err)
	}
	if s := r.Status(); s[0].State != host.Stopped {
		t.Errorf("the plugin is %s after a Start that failed", s[0].State)
	}
}

func TestPluginsMayBeCompiledIn(t *testing.T) {
	t.Parallel()
	r, err := plugins.New(plugins.Config{InProcess: []sdk.Plugin{e164.Plugin()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil { // with nothing to start
		t.Fatal(err)
	}
	if got := turn(t, r, "phone.e164", `{"region":"FR"}`, "0612345678"); got != "+33612345678" {
		t.Errorf("got %q", got)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestDefaultsLeaveTheConfigurationAlone(t *testing.T) {
	t.Parallel()
	r := started(t, `[{"name":"phone","command":["./phone"],"config":{"region":"FR","row":"national"}}]`)
	f, err := r.Function(t.Context(), "phone.e164", json.RawMessage(`{"region":"DE"}`))
	if err != nil {
		t.Fatal(err)
	}
	got, errs := f.ToCRM(t.Context(), []change.Value{change.TextValue("+4930901820")})
	if diff := cmp.Diff([]change.Value{change.TextValue("030 901820")}, got); diff != "" || errs != nil {
		t.Error(diff, errs)
	}
}
