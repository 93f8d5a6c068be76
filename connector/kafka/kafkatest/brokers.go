// Package kafkatest gives tests real brokers: kfake (in this process, over TCP) and Apache Kafka (a JVM beside it). One
// suite runs on both: kfake for speed and faults, Apache Kafka as the judge of whether kfake tells the truth.
//
// Shared brokers live as long as the test process, so packages that use them call [Main] from TestMain. Tests keep apart by topics and
// groups of their own ([Topic], [Name]).
package kafkatest

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/embedded"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/apache"
)

// Variable names a running Apache Kafka (host:port) to use as the shared one instead of starting a JVM per test process.
const Variable = "TANDEM_TEST_KAFKA"

// startMax covers the first download of Apache Kafka's jars.
const startMax = 6 * time.Minute

// The brokers that suites run on.
const (
	Kfake  = "kfake"
	Apache = "apache"
)

// shared are this process's brokers, started when first asked for.
var shared struct {
	mu     sync.Mutex
	kfake  *kfake.Cluster
	apache *apache.Broker
	failed error // why Apache Kafka did not start: asked once
}

// Main is TestMain's body: it runs the tests, stops the shared brokers, and fails the package for leaked goroutines.
func Main(m *testing.M, options ...goleak.Option) {
	code := m.Run()
	Stop()
	if code == 0 {
		if err := goleak.Find(options...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Stop ends the shared brokers. For packages whose TestMain does more than [Main].
func Stop() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.kfake != nil {
		shared.kfake.Close()
		shared.kfake = nil
	}
	if shared.apache != nil {
		shared.apache.Stop()
		shared.apache = nil
	}
}

// Each runs test on kfake and on Apache Kafka, in parallel, each shared with all other tests of the process.
func Each(t *testing.T, test func(t *testing.T, bootstrap []string)) {
	t.Helper()
	t.Run(Kfake, func(t *testing.T) {
		t.Parallel()
		test(t, SharedKfake(t))
	})
	t.Run(Apache, func(t *testing.T) {
		t.Parallel()
		test(t, SharedApache(t))
	})
}

// SharedKfake is this process's kfake.
func SharedKfake(t testing.TB) []string {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.kfake == nil {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(1))
		if err != nil {
			t.Fatalf("start kfake: %v", err)
		}
		shared.kfake = cluster
	}
	return shared.kfake.ListenAddrs()
}

// SharedApache is this process's Apache Kafka, or the one that Variable names. Where it cannot run the test is skipped, and fails in CI.
func SharedApache(t testing.TB) []string {
	t.Helper()
	if servers := os.Getenv(Variable); servers != "" {
		return strings.Split(servers, ",")
	}
	needApache(t)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.apache == nil && shared.failed == nil {
		ctx, cancel := context.WithTimeout(context.Background(), startMax)
		defer cancel()
		shared.apache, shared.failed = apache.Start(ctx, apache.Config{})
	}
	if shared.failed != nil {
		t.Fatal(shared.failed)
	}
	return []string{shared.apache.Bootstrap()}
}

// needApache skips where Java or Maven is missing, loudly; in CI that is a failure.
func needApache(t testing.TB) {
	t.Helper()
	if testing.Short() && os.Getenv("CI") == "" {
		t.Skip("SKIPPED: Apache Kafka is left out by -short")
	}
	if err := missing(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("Apache Kafka cannot run here: %v", err)
		}
		t.Skipf("SKIPPED, NOT TESTED: Apache Kafka cannot run here: %v", err)
	}
}

// missing asks once: java -version takes a tenth of a second.
var missing = sync.OnceValue(apache.Missing)

// Own is a broker for one test alone, which may halt it and bring it back.
type Own struct {
	Name      string   // Kfake or Apache
	Bootstrap []string // stays the same over Halt and Resume
	Halt      func()   // stops it in order; its data stays
	Kill      func()   // kill -9, where it is a process; its data stays
	Resume    func()   // starts it again; for the test's own goroutine
}

// EachOwn runs test on a kfake and on an Apache Kafka of its own. The latter takes 3 s: for tests that need its death.
func EachOwn(t *testing.T, test func(t *testing.T, broker Own)) {
	t.Helper()
	t.Run(Kfake, func(t *testing.T) {
		t.Parallel()
		test(t, OwnEmbedded(t))
	})
	t.Run(Apache, func(t *testing.T) {
		t.Parallel()
		test(t, OwnApache(t))
	})
}

// OwnEmbedded is the embedded broker: a kfake with its records in a folder, so that it can be halted and brought back.
func OwnEmbedded(t *testing.T) Own {
	t.Helper()
	broker, err := embedded.New(embedded.Config{Dir: t.TempDir(), Port: freePort(t)})
	if err != nil {
		t.Fatal(err)
	}
	start := func() {
		t.Helper()
		if err := broker.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	start()
	t.Cleanup(broker.Stop)
	return Own{Name: Kfake, Bootstrap: []string{broker.Bootstrap()}, Halt: broker.Stop, Kill: broker.Stop, Resume: start}
}

// OwnApache is an Apache Kafka for one test, with settings of its own if need be: Kill is kill -9.
func OwnApache(t *testing.T, properties ...map[string]string) Own {
	t.Helper()
	needApache(t)
	ctx, cancel := context.WithTimeout(context.Background(), startMax)
	defer cancel()
	config := apache.Config{}
	if len(properties) > 0 {
		config.Properties = properties[0]
	}
	broker, err := apache.Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Stop)
	return Own{Name: Apache, Bootstrap: []string{broker.Bootstrap()}, Halt: broker.Halt, Kill: broker.Kill, Resume: func() {
		ctx, cancel := context.WithTimeout(context.Background(), startMax)
		defer cancel()
		if err := broker.Resume(ctx); err != nil {
			t.Fatal(err) // what the test waits for next would never come
		}
	}}
}

// OwnKfake is a kfake in memory for one test, with its faults and controls.
func OwnKfake(t testing.TB, options ...kfake.Opt) (*kfake.Cluster, []string) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.DefaultNumPartitions(1)}, options...)...)
	if err != nil {
		t.Fatalf("start kfake: %v", err)
	}
	t.Cleanup(cluster.Close)
	return cluster, cluster.ListenAddrs()
}

// Config reaches the brokers and logs to the test. Metadata is refreshed at once: waiting a second per moved leader adds up.
func Config(t testing.TB, bootstrap []string) kafka.Config {
	return kafka.Config{BootstrapServers: bootstrap, MetadataMinAge: 100 * time.Millisecond, Logger: Logger(t)}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := apache.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
