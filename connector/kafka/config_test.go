package kafka_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

func TestConfigSaysAllThatIsWrongAtOnce(t *testing.T) {
	t.Parallel()
	config := kafka.Config{
		BootstrapServers: []string{"localhost", "kafka:0", "good:9092"},
		TLS:              &kafka.TLS{CAFile: "/does/not/exist", CertFile: "only-one"},
		SASL:             &kafka.SASL{Mechanism: "GSSAPI"},
		ProducerOverrides: map[string]string{
			"acks": "1", "linger.ms": "soon", "compression.type": "rar", "batch.size": "1",
		},
		ConsumerOverrides: map[string]string{"auto.offset.reset": "latest", "heartbeat.interval.ms": "40000"},
		AdminOverrides:    map[string]string{"linger.ms": "5"},
		MetadataMinAge:    -1,
	}
	says(t, config.Validate(), []string{
		`"localhost" is not host:port`, `"kafka:0" is not host:port`,
		"ssl.truststore.location", "ssl.keystore",
		"sasl.mechanism", "sasl.username", "sasl.password",
		"producer.override.acks: is always all", "producer.override.linger.ms", "producer.override.compression.type",
		"producer.override.batch.size: not a setting",
		"consumer.override.auto.offset.reset: is always earliest", "consumer.override.heartbeat.interval.ms: must be at most a third",
		"admin.override.linger.ms: not a setting",
		"metadata min age",
	})
	says(t, kafka.Config{}.Validate(), []string{"bootstrap.servers"})
}

func TestConsumerConfigSaysAllThatIsWrongAtOnce(t *testing.T) {
	t.Parallel()
	c := kafka.ConsumerConfig{
		Topics: []string{"a b"}, Pattern: "(", Drain: -1,
		Errors: kafka.ErrorPolicy{Tolerance: "some"},
	}
	says(t, c.Validate(), []string{
		"group.id", "either topics or topics.regex", `"a b"`, "topics.regex: error parsing", "OnGap", "drain", "errors.tolerance",
	})
	onGap := func(context.Context, kafka.Gap) error { return nil }
	for _, p := range []struct {
		pattern string
		dead    string
		want    []string
	}{
		{"", "", []string{"no record is dropped"}},
		{"", "crm.public.contact", []string{"must not be among"}},
		{`crm\..*`, "crm.dlq", []string{"must not be among"}},
		{"", "crm.dlq", nil},
	} {
		c := kafka.ConsumerConfig{Group: "g", OnGap: onGap, Pattern: p.pattern,
			Errors: kafka.ErrorPolicy{Tolerance: kafka.ToleranceAll, DeadLetters: kafka.TopicSpec{Name: p.dead}}}
		if p.pattern == "" {
			c.Topics = []string{"crm.public.contact"}
		}
		says(t, c.Validate(), p.want)
	}
}

// Invariant 16.
func TestSecretsNeverPrint(t *testing.T) {
	t.Parallel()
	const password = "hunter2-geheim"
	conf := kafka.Config{
		BootstrapServers: []string{"127.0.0.1:1"},
		SASL:             &kafka.SASL{Mechanism: "NONE", Username: "tandem", Password: config.NewSecret(password)},
	}
	var log lines
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Error("config", "config", conf, "sasl", conf.SASL, "value", *conf.SASL, "password", conf.SASL.Password)
	encoded, err := json.Marshal(conf.SASL)
	if err != nil {
		t.Fatal(err)
	}
	_, openErr := kafka.OpenProducer(conf)
	for what, text := range map[string]string{
		"%v": fmt.Sprintf("%v", *conf.SASL), "%+v": fmt.Sprintf("%+v", *conf.SASL), "%#v": fmt.Sprintf("%#v", *conf.SASL),
		"%s": fmt.Sprintf("%s", conf.SASL.Password), "%q": fmt.Sprintf("%q", conf.SASL.Password), "%x": fmt.Sprintf("%x", conf.SASL.Password),
		"JSON": string(encoded), "log": log.String(), "error": fmt.Sprint(openErr, conf.Validate()),
	} {
		if strings.Contains(text, password) || strings.Contains(text, fmt.Sprintf("%x", password)) {
			t.Errorf("%s shows the password: %s", what, text)
		}
	}
}

func TestAuthenticationAndEncryption(t *testing.T) {
	t.Parallel()
	ca, cert, key := certificate(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	const user, password = "tandem", "correct horse"
	for _, mechanism := range []string{kafka.MechanismPlain, kafka.MechanismScramSHA256, kafka.MechanismScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(mechanism, user, password),
				kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cluster.Close)
			conf := kafkatest.Config(t, cluster.ListenAddrs())
			conf.TLS = &kafka.TLS{CAFile: ca, CertFile: cert, KeyFile: key}
			conf.SASL = &kafka.SASL{Mechanism: mechanism, Username: user, Password: config.NewSecret(password)}
			if err := ping(t, conf, kafkatest.Patience); err != nil {
				t.Errorf("with the right password: %v", err)
			}
			conf.SASL = &kafka.SASL{Mechanism: mechanism, Username: user, Password: config.NewSecret("wrong horse")}
			if err := ping(t, conf, time.Second); err == nil || strings.Contains(err.Error(), "wrong horse") {
				t.Errorf("with a wrong password: %v", err)
			}
			conf.SASL.Password = config.NewSecret(password)
			conf.TLS = &kafka.TLS{} // an authority that this machine does not know
			if err := ping(t, conf, time.Second); err == nil {
				t.Error("a certificate that nobody vouches for was accepted")
			}
		})
	}
}

func ping(t *testing.T, conf kafka.Config, patience time.Duration) error {
	t.Helper()
	admin, err := kafka.OpenAdmin(conf)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return admin.Ping(ctx)
}

// certificate writes a self-signed one for 127.0.0.1, which is its own authority.
func certificate(t *testing.T) (ca, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kafka"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, bytes []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("ca.pem", "CERTIFICATE", der), write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", encoded)
}
