package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/connector/config"
)

// SASL mechanisms that are spoken.
const (
	MechanismPlain       = "PLAIN"
	MechanismScramSHA256 = "SCRAM-SHA-256"
	MechanismScramSHA512 = "SCRAM-SHA-512"
)

// Config is how to reach a Kafka cluster; every client is built from it. The zero values of everything but the servers are
// good for a broker on this machine.
type Config struct {
	// BootstrapServers are host:port pairs of some brokers; the rest of the cluster is learnt from them. Kafka's
	// bootstrap.servers.
	BootstrapServers []string

	// ClientID names us in the broker's logs, quotas and metrics. Empty: tandem.
	ClientID string

	TLS  *TLS  // nil: plain text
	SASL *SASL // nil: no authentication

	// Overrides carry Kafka's own client settings by name, as Connect's producer.override.*, consumer.override.* and
	// admin.override.* do (without the prefix). Validate lists the names that are known.
	ProducerOverrides map[string]string
	ConsumerOverrides map[string]string
	AdminOverrides    map[string]string

	// MetadataMinAge is the shortest time between two looks at who leads which partition, so how long a moved leader
	// stalls us. 0: one second. Tests on kfake take 100 ms.
	MetadataMinAge time.Duration

	Logger   *slog.Logger // nil: silent
	Hooks    []kgo.Hook   // given to every client: Prometheus (kprom), OpenTelemetry (kotel)
	Observer Observer     // told what happens; nil: nobody
}

// TLS names PEM files. All empty means: the system's certificate authorities, no client certificate.
type TLS struct {
	CAFile     string // authorities that may sign the brokers' certificates; ssl.truststore.location
	CertFile   string // our certificate, with KeyFile; ssl.keystore.location
	KeyFile    string // ssl.keystore.key
	ServerName string // the name that brokers' certificates must carry, when it is not their host name
}

// SASL is a user name and how its password is proven.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; sasl.mechanism
	Username  string
	Password  config.Secret
}

// Validate reports everything that is wrong, each problem under the name of its setting. It reads the TLS files, and asks nobody.
func (c Config) Validate() error {
	problems := c.serverProblems()
	if _, err := c.TLS.load(); err != nil {
		problems = append(problems, err)
	}
	problems = append(problems, c.SASL.problems()...)
	for _, r := range []role{producerRole, consumerRole, adminRole} {
		_, err := c.settings(r)
		problems = append(problems, err)
	}
	if c.MetadataMinAge < 0 {
		problems = append(problems, errors.New("metadata min age: must not be negative"))
	}
	return errors.Join(problems...)
}

func (c Config) serverProblems() (problems []error) {
	if len(c.BootstrapServers) == 0 {
		problems = append(problems, errors.New("bootstrap.servers: name at least one broker as host:port"))
	}
	for _, server := range c.BootstrapServers {
		host, port, err := net.SplitHostPort(server)
		n, perr := strconv.Atoi(port)
		if err != nil || perr != nil || host == "" || n < 1 || n > 65535 {
			problems = append(problems, fmt.Errorf("bootstrap.servers: %q is not host:port", server))
		}
	}
	return problems
}

func (s *SASL) problems() (problems []error) {
	if s == nil {
		return nil
	}
	switch s.Mechanism {
	case MechanismPlain, MechanismScramSHA256, MechanismScramSHA512:
	default:
		problems = append(problems, fmt.Errorf("sasl.mechanism: %q is not one of %s, %s, %s",
			s.Mechanism, MechanismPlain, MechanismScramSHA256, MechanismScramSHA512))
	}
	if s.Username == "" {
		problems = append(problems, errors.New("sasl.username: must not be empty"))
	}
	if s.Password.IsZero() {
		problems = append(problems, errors.New("sasl.password: must not be empty"))
	}
	return problems
}

// load reads the files; nil in, nil out.
func (t *TLS) load() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	var problems []error
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		pool := x509.NewCertPool()
		if err != nil {
			problems = append(problems, fmt.Errorf("ssl.truststore.location: %w", err))
		} else if !pool.AppendCertsFromPEM(pem) {
			problems = append(problems, fmt.Errorf("ssl.truststore.location: %s holds no PEM certificate (a Java key store must be converted)", t.CAFile))
		}
		out.RootCAs = pool
	}
	switch {
	case t.CertFile == "" && t.KeyFile == "":
	case t.CertFile == "" || t.KeyFile == "":
		problems = append(problems, errors.New("ssl.keystore: a certificate and its key belong together, one file is missing"))
	default:
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			problems = append(problems, fmt.Errorf("ssl.keystore: %w", err))
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, errors.Join(problems...)
}

func (c Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}

func (c Config) observe(e Event) {
	if c.Observer != nil {
		c.Observer.Observe(e)
	}
}
