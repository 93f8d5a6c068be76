package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// environmentFile lists the names that the unit's environment file sets.
func environmentFile(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for line := range strings.Lines(read(t, "systemd/tandem.env")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			names[name] = true
			if strings.Contains(name, "PASSWORD") || strings.Contains(name, "TOKEN") {
				if value != "" {
					t.Errorf("the example environment file holds a value for %s", name)
				}
			}
		}
	}
	return names
}

func TestUnitIsHardened(t *testing.T) {
	t.Parallel()
	unit := map[string]string{}
	for line := range strings.Lines(read(t, "systemd/tandem@.service")) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			unit[key] = value
		}
	}
	for key, want := range map[string]string{
		"ExecStart": "/usr/local/bin/tandem run /etc/tandem/%i.json", "EnvironmentFile": "/etc/tandem/tandem.env",
		"DynamicUser": "yes", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "CapabilityBoundingSet": "",
		"PrivateTmp": "yes", "PrivateDevices": "yes", "MemoryDenyWriteExecute": "yes", "SystemCallArchitectures": "native",
		"RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "UMask": "0077",
		"Restart": "on-failure", "RestartPreventExitStatus": "2", "KillSignal": "SIGTERM",
	} {
		if got, ok := unit[key]; !ok || got != want {
			t.Errorf("%s = %q (there: %v), want %q", key, got, ok, want)
		}
	}
	var stop int
	if _, err := fmt.Sscanf(unit["TimeoutStopSec"], "%ds", &stop); err != nil || stop <= 25 {
		t.Errorf("TimeoutStopSec = %q, and a connector may take 25 s", unit["TimeoutStopSec"])
	}
}

// systemd's own judgement, where it is there to ask; what it would say in short is in the test above.
func TestSystemdAcceptsTheUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not installed: only our own look at the unit was taken")
		return
	}
	unit := filepath.Join(t.TempDir(), "tandem@.service")
	text := regexp.MustCompile(`ExecStart=\S+`).ReplaceAllString(read(t, "systemd/tandem@.service"), "ExecStart=/bin/true") // it must exist here
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", unit}, {"security", "--offline=true", "--threshold=15", unit}} {
		out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}
