package emulator

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestOfficialClient lets Notion's own JavaScript client, unmodified, judge the
// emulator: see js/*.test.js. It needs Node 20 and npm.
func TestOfficialClient(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing: install Node 20 or newer", tool)
			}
			t.Skipf("SKIPPED: %s is missing; install Node 20 or newer to let the official client judge the emulator", tool)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	installClient(t, ctx)

	srv := &Server{Emulator: New(Config{Token: "ntn_judge", IntegrationName: "Judge", Limit: -1,
		Webhook: WebhookConfig{Window: 50 * time.Millisecond}}), Every: 10 * time.Millisecond}
	if err := srv.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer srv.Stop()

	files, err := filepath.Glob("js/*.test.js")
	if err != nil || len(files) == 0 {
		t.Fatalf("no suite in js: %v", err)
	}
	args := []string{"--test", "--test-reporter=tap", "--test-concurrency=1"}
	for _, f := range files {
		args = append(args, filepath.Base(f))
	}
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = "js"
	cmd.Env = append(os.Environ(), "EMULATOR_URL="+srv.URL(), "EMULATOR_TOKEN=ntn_judge", "EMULATOR_ROOT="+srv.Emulator.RootPageID())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	summary := regexp.MustCompile(`(?m)^# (tests|pass|fail|skipped) \d+$`).FindAllString(out.String(), -1)
	t.Log(strings.Join(summary, ", "))
	if err != nil {
		t.Errorf("%v\n%s", err, failures(out.String()))
	}
	if strings.Contains(out.String(), "# tests 0") {
		t.Error("the suite ran no test")
	}
}

// installClient runs npm ci unless the pinned client is already there.
func installClient(t *testing.T, ctx context.Context) {
	t.Helper()
	have, err := os.ReadFile("js/node_modules/@notionhq/client/package.json")
	_, missing := os.Stat("js/node_modules/ts-json-schema-generator") // newer than the first lock file
	if err == nil && missing == nil && bytes.Contains(have, []byte(`"version": "5.26.0"`)) {
		return
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = "js"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// failures keeps the part of a TAP report that says what went wrong.
func failures(tap string) string {
	lines := strings.Split(tap, "\n")
	var out []string
	for i, l := range lines {
		if strings.Contains(l, "not ok") {
			out = append(out, lines[i:min(i+45, len(lines))]...)
		}
	}
	if len(out) > 400 {
		out = out[:400]
	}
	return strings.Join(out, "\n")
}

// TestLockFile keeps the judge installable anywhere: no registry but npm's own.
func TestLockFile(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("js/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"resolved": "([^"]*)"`).FindAllStringSubmatch(string(raw), -1) {
		if !strings.HasPrefix(m[1], "https://registry.npmjs.org/") {
			t.Errorf("package-lock.json resolves %s", m[1])
		}
	}
}
