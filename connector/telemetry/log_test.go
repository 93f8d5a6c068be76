package telemetry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/telemetry"
)

func TestLogLinesCarryTheirComponent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, _ := telemetry.NewLogger(&out, telemetry.LogConfig{Format: "json"})
	telemetry.Component(log, "cdc.slot").Info("created", "slot", "tandem")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if line["component"] != "cdc.slot" || line["slot"] != "tandem" || line["level"] != "INFO" {
		t.Errorf("line = %v", line)
	}
}

func TestLevelsAreFoundByTheNearestComponentAbove(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, levels := telemetry.NewLogger(&out, telemetry.LogConfig{Level: slog.LevelInfo})
	slot := telemetry.Component(log, "cdc.slot")
	grouped := slot.WithGroup("g").With("component", "sink") // a group's own word, not a component

	says := func() []string {
		out.Reset()
		log.Debug("root")
		slot.Debug("slot")
		grouped.Debug("grouped")
		telemetry.Component(log, "cdcx").Debug("cdcx")
		telemetry.Component(log, "sink").Debug("sink")
		var words []string
		for line := range strings.Lines(out.String()) {
			_, word, _ := strings.Cut(line, "msg=")
			words = append(words, strings.Fields(word)[0])
		}
		return words
	}
	for _, step := range []struct {
		component string
		level     slog.Level
		want      []string
	}{
		{"root", slog.LevelInfo, nil},
		{"cdc", slog.LevelDebug, []string{"slot", "grouped"}},
		{"cdc.slot", slog.LevelWarn, nil},
		{"", slog.LevelDebug, []string{"root", "cdcx", "sink"}},
	} {
		levels.Set(step.component, step.level)
		if diff := cmp.Diff(step.want, says()); diff != "" {
			t.Errorf("after Set(%q, %v): %s", step.component, step.level, diff)
		}
	}
	if got := levels.All(); len(got) != 3 || got["root"] != slog.LevelDebug {
		t.Errorf("All = %v", got)
	}
}

func TestParseLevelAndFormat(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]slog.Level{"DEBUG": slog.LevelDebug, "trace": slog.LevelDebug, "Info": slog.LevelInfo, "WARNING": slog.LevelWarn, "FATAL": slog.LevelError} {
		if got, err := telemetry.ParseLevel(text); err != nil || got != want {
			t.Errorf("ParseLevel(%q) = %v, %v", text, got, err)
		}
	}
	if _, err := telemetry.ParseLevel("loud"); err == nil {
		t.Error("loud was accepted")
	}
	if err := (telemetry.LogConfig{Format: "xml"}).Validate(); err == nil {
		t.Error("xml was accepted")
	}
}
