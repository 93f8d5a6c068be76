package embedded_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/embedded"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/lifecycle/lifecycletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func broker(t *testing.T, config embedded.Config) *embedded.Broker {
	t.Helper()
	config.Logger = kafkatest.Logger(t)
	b, err := embedded.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	return b
}

func start(t *testing.T, b *embedded.Broker) {
	t.Helper()
	if err := b.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsSurviveARestart(t *testing.T) {
	t.Parallel()
	b := broker(t, embedded.Config{Dir: t.TempDir()})
	start(t, b)
	address := b.Bootstrap()
	topic := kafkatest.Create(t, []string{address}, kafka.TopicSpec{Name: "crm.public.contact", Partitions: 1, Cleanup: kafka.CleanupDelete})
	p, err := kafka.OpenProducer(kafkatest.Config(t, []string{address}))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for round := range 3 {
		if err := p.SendBatch(kafkatest.Context(t), []kafka.Record{{Topic: topic, Value: fmt.Append(nil, round)}}); err != nil {
			t.Fatal(err)
		}
		b.Stop()
		start(t, b)
		if b.Bootstrap() != address {
			t.Fatalf("the address moved from %s to %s", address, b.Bootstrap())
		}
	}
	admin, err := kafka.OpenAdmin(kafkatest.Config(t, []string{address}))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	lags, err := admin.Lag(kafkatest.Context(t), "nobody", topic)
	if err != nil || len(lags) != 1 || lags[0].End != 3 {
		t.Errorf("lags %v, %v; want 3 records", lags, err)
	}
}

func TestASecondBrokerOnTheFolderIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := broker(t, embedded.Config{Dir: dir}), broker(t, embedded.Config{Dir: dir})
	start(t, first)
	if err := second.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "in use by another embedded broker") {
		t.Errorf("Start = %v", err)
	}
	first.Stop()
	start(t, second)
}

func TestAPortInUseIsSaid(t *testing.T) {
	t.Parallel()
	first := broker(t, embedded.Config{Dir: t.TempDir()})
	start(t, first)
	var port int
	if _, err := fmt.Sscanf(first.Bootstrap(), "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	second := broker(t, embedded.Config{Dir: t.TempDir(), Port: port})
	if err := second.Start(t.Context()); err == nil || !strings.Contains(err.Error(), fmt.Sprint("port ", port)) {
		t.Errorf("Start = %v", err)
	}
}

func TestBrokerKeepsTheServiceContract(t *testing.T) {
	t.Parallel()
	b := broker(t, embedded.Config{Dir: t.TempDir()})
	lifecycletest.Stress(t, b)
}

func TestConfigSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := embedded.New(embedded.Config{Port: -1, CleanEvery: -time.Second})
	for _, part := range []string{"dir", "port", "clean every"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("no complaint about %s in %v", part, err)
		}
	}
}
