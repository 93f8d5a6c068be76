package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/plugins"
	"github.com/tandem-sync/tandem/plugins/sdk"
	"github.com/tandem-sync/tandem/sink"
)

// moody is a plugin whose answer depends on what it is given.
type moody struct{}

func (*moody) ToNotion(v change.Value) (change.Value, error) {
	switch v.Text() {
	case "bad":
		return v, sdk.BadValue("%q will never do", v.Text())
	case "retry":
		return v, sdk.Retry("later")
	case "fatal":
		return v, sdk.Fatal("no licence")
	case "panic":
		panic("on this value")
	}
	return change.TextValue("<" + v.Text() + ">"), nil
}

func (*moody) ToCRM(v change.Value) (change.Value, error) {
	return change.TextValue(strings.Trim(v.Text(), "<>")), nil
}

// What is wrong with a value is said of the value; what is wrong with the plugin makes the work wait, and never stops the work on
// everything else.
func TestAFunctionsErrorsAreToldApart(t *testing.T) {
	t.Parallel()
	registry, err := plugins.New(plugins.Config{InProcess: []sdk.Plugin{{Name: "test", Version: "1", Offers: []sdk.Offer{{Name: "moody", Summary: "it depends", New: func() any { return &moody{} }}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := registry.Close(); err != nil {
			t.Error(err)
		}
	})
	f := newFunctions(registry)
	use := mapping.FunctionUse{Name: "test.moody"}
	for _, c := range []struct{ value, want, bad, fails string }{
		{value: "x", want: "<x>"},
		{value: "bad", bad: `"bad" will never do`},
		{value: "retry", fails: "rule test.moody cannot answer: later"},
		{value: "fatal", fails: "rule test.moody cannot answer: no licence"},
		{value: "panic", bad: "panic"},
	} {
		got, err := f.Function(t.Context(), use, true, []change.Value{change.TextValue(c.value)})
		switch {
		case c.fails != "":
			var again interface{ Retryable() bool }
			if err == nil || err.Error() != c.fails || !errors.As(err, &again) || !again.Retryable() || sink.Fatal(err) || sink.Permanent(err) {
				t.Errorf("%s: %v, want %q, retryable and not fatal", c.value, err, c.fails)
			}
		case err != nil || len(got) != 1:
			t.Errorf("%s: %v %v", c.value, got, err)
		case c.bad != "":
			if !strings.Contains(got[0].Bad, c.bad) {
				t.Errorf("%s: bad %q, want %q", c.value, got[0].Bad, c.bad)
			}
		case got[0].Value.Text() != c.want:
			t.Errorf("%s: %q, want %q", c.value, got[0].Value.Text(), c.want)
		}
	}
	if back, err := f.Function(t.Context(), use, false, []change.Value{change.TextValue("<x>")}); err != nil || back[0].Value.Text() != "x" {
		t.Errorf("back: %v %v", back, err)
	}
	if _, err := f.Function(t.Context(), mapping.FunctionUse{Name: "nobody.knows"}, true, nil); err == nil || !strings.Contains(err.Error(), `there is no plugin "nobody"`) {
		t.Errorf("an unknown function: %v", err)
	}
	if len(f.byUse) != 1 {
		t.Errorf("%d instances were kept for one use", len(f.byUse))
	}
}

// A plugin that dies of a value, refuses, or wants a licence parks or postpones what it was asked; the process, the connector and all
// other records go on.
func TestAPluginThatDiesTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.write("plugins/phone.json", []map[string]any{
		{"name": "phone", "command": []string{phonePlugin(t)}}, {"name": "rogue", "command": []string{w.build("../../plugins/host/testdata/rogue")}},
	})
	w.editMapping("contact", func(m map[string]any) {
		for _, f := range m["fields"].([]any) {
			if field := f.(map[string]any); field["name"] == "job_title" {
				field["function"] = map[string]any{"name": "rogue.f"}
			}
		}
	})
	for i, title := range []string{"fine", "crash", "panic", "fatal", "retry", "also fine"} {
		w.contact(i+1, title, title[:2]+"@example.com", "0612345678")
		w.exec(`UPDATE contact SET job_title = $2 WHERE id = $1`, i+1, title)
	}
	r := w.start()
	w.waitShown("contact", "fine", "Job title", "fine")
	w.waitShown("contact", "also fine", "Job title", "also fine")
	w.eventually("status shows what became of each", 4*time.Minute, func() string {
		var answer statusAnswer
		code, out, stderr := w.tandem("status", "--json", "--config", w.files[1])
		if code != exitOK || json.Unmarshal([]byte(out), &answer) != nil {
			return fmt.Sprintf("status: %d %s %s", code, out, stderr)
		}
		kinds := map[string]string{}
		for _, p := range answer.Pending {
			kinds[p.Key] = p.Kind
		}
		if diff := cmp.Diff(map[string]string{"2": "parked", "3": "parked", "4": "retried", "5": "retried"}, kinds); diff != "" {
			return "want (-), got (+):\n" + diff
		}
		return ""
	})
	if why := w.one(`SELECT w.parked FROM tandem.work w JOIN tandem.link l ON l.id = w.link WHERE l.key = '2'`); !strings.Contains(why, "job_title") {
		t.Errorf("the value that kills is parked with %q", why)
	}
	w.exec(`UPDATE contact SET job_title = 'healed' WHERE id BETWEEN 2 AND 5`)
	for _, name := range []string{"crash", "panic", "fatal", "retry"} {
		w.waitShown("contact", name, "Job title", "healed")
	}
	w.idle()
	if code := r.end(); code != exitOK {
		t.Errorf("run ended with %d", code)
	}
}
