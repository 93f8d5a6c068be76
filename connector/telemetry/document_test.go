package telemetry_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandem-sync/tandem/connector/telemetry"
)

const metricsDocument = "../../docs/metrics.md"

// Whoever builds a dashboard looks into the table: it has every metric of ours with its labels and its HELP, and no other.
// UPDATE=1 writes it anew.
func TestTheTableHasEveryMetric(t *testing.T) {
	t.Parallel()
	described := make(chan *prometheus.Desc)
	go func() {
		defer close(described)
		telemetry.NewMetrics("v1").Registry().Describe(described)
	}()
	form := regexp.MustCompile(`fqName: "(tandem_[a-z_]+)", help: "(.*?)", .*variableLabels: \{([^}]*)\}`)
	var rows []string
	for d := range described {
		if m := form.FindStringSubmatch(d.String()); m != nil {
			if m[2] == "" {
				t.Errorf("%s has no HELP", m[1])
			}
			rows = append(rows, "| `"+m[1]+"` | "+strings.ReplaceAll(m[3], ",", ", ")+" | "+m[2]+" |")
		}
	}
	slices.Sort(rows)
	data, err := os.ReadFile(metricsDocument)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), "| --- | --- | --- |\n")
	if !found {
		t.Fatalf("%s has no table", metricsDocument)
	}
	_, after, _ := strings.Cut(rest, "\n\n")
	want := before + "| --- | --- | --- |\n" + strings.Join(rows, "\n") + "\n\n" + after
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(metricsDocument, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("%s is not what the program says (UPDATE=1 writes it): want (-), got (+):\n%s", metricsDocument, diff)
	}
}
