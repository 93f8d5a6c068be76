package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// docs/options.md is what the command prints (TANDEM_UPDATE=1 writes it), and no key is without a word on what it does.
func TestTheOptionsAreDocumented(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	got := w.command(exitOK, "options", "--markdown")
	const path = "../../docs/options.md"
	if os.Getenv("TANDEM_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/options.md is not what is printed; TANDEM_UPDATE=1 writes it (-want +got):\n%s", diff)
	}
	var classes map[string][]describedKey
	if err := json.Unmarshal([]byte(w.command(exitOK, "options", "--json")), &classes); err != nil {
		t.Fatal(err)
	}
	for class, keys := range classes {
		for _, k := range keys {
			if !strings.HasSuffix(k.Documentation, ".") || k.Group == "" {
				t.Errorf("%s of %s: %q in group %q: what does it do?", k.Name, class, k.Documentation, k.Group)
			}
		}
	}
	if len(classes) != 4 {
		t.Errorf("%d classes, want 4", len(classes))
	}
	if text := w.command(exitOK, "options", "PostgresSource"); !strings.Contains(text, "slot.name  (string, default tandem)") {
		t.Errorf("the keys of one class are not shown:\n%s", text)
	}
	if _, _, errs := w.tandem("options", "Nothing"); !strings.Contains(errs, "cdc.PostgresSource") {
		t.Errorf("an unknown class: %q", errs)
	}
}
