package deploy_test

import (
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Every series of the alerting rules is one that Tandem has: docs/metrics.md lists them all, as a test of the program sees to.
func TestTheRulesNameSeriesThatExist(t *testing.T) {
	t.Parallel()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "prometheus/tandem.rules.yml")), &file); err != nil {
		t.Fatal(err)
	}
	metrics := read(t, "../docs/metrics.md")
	labels := regexp.MustCompile(`(?m)^\| ` + "`(tandem_[a-z_]+)`" + ` \| ([^|]*) \|`)
	known := map[string]string{}
	for _, m := range labels.FindAllStringSubmatch(metrics, -1) {
		known[m[1]] = "," + strings.ReplaceAll(m[2], " ", "") + ","
	}
	series := regexp.MustCompile(`(tandem_[a-z_]+)(?:\{([^}]*)\})?`)
	n := 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s says neither what it is nor what to do", rule.Alert)
			}
			for _, m := range series.FindAllStringSubmatch(rule.Expr, -1) {
				n++
				have, ok := known[m[1]]
				if !ok {
					t.Errorf("%s: there is no series %s", rule.Alert, m[1])
					continue
				}
				for _, matcher := range strings.Split(m[2], ",") {
					label, _, _ := strings.Cut(strings.TrimSpace(matcher), "=")
					if label != "" && !strings.Contains(have, ","+label+",") {
						t.Errorf("%s: %s has no label %q, but%s", rule.Alert, m[1], label, have)
					}
				}
			}
			for _, by := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(rule.Expr, -1) {
				for _, label := range strings.Split(by[1], ",") {
					for _, m := range series.FindAllStringSubmatch(rule.Expr, -1) {
						if !strings.Contains(known[m[1]], ","+strings.TrimSpace(label)+",") {
							t.Errorf("%s: %s has no label %q", rule.Alert, m[1], label)
						}
					}
				}
			}
		}
	}
	if n < 8 {
		t.Errorf("the rules name %d series", n)
	}
}
