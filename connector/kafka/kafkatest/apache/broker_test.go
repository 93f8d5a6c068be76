package apache_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/apache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func need(t *testing.T) {
	t.Helper()
	switch err := apache.Missing(); {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal(err)
	default:
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
}

// reachable asks a broker for anything. One that is gone refuses at once.
func reachable(t *testing.T, address string) bool {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RequestRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return client.Ping(ctx) == nil
}

func TestABrokerOfOnesOwnComesAndGoes(t *testing.T) {
	t.Parallel()
	need(t)
	b, err := apache.Start(t.Context(), apache.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	if !reachable(t, b.Bootstrap()) {
		t.Error("it does not answer though Start has returned")
	}
	b.Kill()
	if reachable(t, b.Bootstrap()) {
		t.Error("it answers though it was killed")
	}
	if err := b.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !reachable(t, b.Bootstrap()) {
		t.Error("it does not answer after Resume")
	}
	b.Stop()
	b.Stop()
	if _, err := os.Stat(b.Dir()); !os.IsNotExist(err) {
		t.Errorf("its temporary folder is still there: %v", err)
	}
}

func TestASettingThatKafkaRefusesIsShown(t *testing.T) {
	t.Parallel()
	need(t)
	_, err := apache.Start(t.Context(), apache.Config{Properties: map[string]string{"num.io.threads": "none"}})
	if err == nil || !strings.Contains(err.Error(), "num.io.threads") {
		t.Errorf("Start = %v; want Kafka's own complaint", err)
	}
}

// The command dies by SIGKILL, as a crashed test run does; its broker must not stay behind.
func TestABrokerDiesWithItsParent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a parent-death signal")
	}
	need(t)
	binary := filepath.Join(t.TempDir(), "kafka")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(binary, "--dir", t.TempDir())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`bootstrap\.servers=(\S+)`).FindStringSubmatch(line)
	if found == nil || !reachable(t, found[1]) {
		t.Fatalf("the command printed %q, and no broker is there", line)
	}
	_ = cmd.Process.Kill()
	for deadline := time.Now().Add(time.Minute); reachable(t, found[1]); {
		if time.Now().After(deadline) {
			t.Fatal("the broker outlives its parent")
		}
	}
}
