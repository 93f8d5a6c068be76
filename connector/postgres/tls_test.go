package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// authority signs certificates for a test.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	text string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.text, _ = a.sign(t, template)
	return a
}

// sign gives certificate and key as PEM; the first one is the authority's own.
func (a *authority) sign(t *testing.T, c *x509.Certificate) (cert, key string) {
	t.Helper()
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, parent := a.key, a.cert
	if signer == nil {
		signer, parent = own, c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, own.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if a.key == nil {
		a.key = own
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return block("CERTIFICATE", der), block("EC PRIVATE KEY", raw)
}

func block(kind string, raw []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}))
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const oddPassword = `p'w"x\y z;=&?%41ß:/@#`

// secured is a server with a certificate for localhost, and roles that come in by one way each: tls by SCRAM over TLS, cert by its certificate, weak by a
// password in clear text.
func secured(t *testing.T) (s *pgserver.Server, a, stranger *authority) {
	t.Helper()
	a, stranger = newAuthority(t), newAuthority(t)
	cert, key := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, KeyUsage: x509.KeyUsageDigitalSignature})
	s = pgtest.ServerOf(t, pgserver.Options{
		Settings: map[string]string{"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "root.crt"},
		Files: map[string]string{"server.crt": cert, "server.key": key, "root.crt": a.text, "pg_hba.conf": `
			host    all postgres 127.0.0.1/32 scram-sha-256
			hostssl all tls      127.0.0.1/32 scram-sha-256
			hostssl all cert     127.0.0.1/32 cert
			host    all weak     127.0.0.1/32 password
		`},
	})
	conn, err := Connect(t.Context(), Config{DSN: config.NewSecret(s.DSN("postgres"))})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	quoted := strings.ReplaceAll(oddPassword, "'", "''")
	if _, err := conn.Exec(t.Context(), fmt.Sprintf(`CREATE ROLE tls LOGIN REPLICATION PASSWORD '%[1]s'; CREATE ROLE cert LOGIN; CREATE ROLE weak LOGIN PASSWORD '%[1]s'`, quoted)); err != nil {
		t.Fatal(err)
	}
	return s, a, stranger
}

// Every mode of TLS does what libpq's does, by which roles and servers are refused.
func TestTLS(t *testing.T) {
	t.Parallel()
	s, a, stranger := secured(t)
	trusted, other := file(t, "ca.crt", a.text), file(t, "other.crt", stranger.text)
	cert, key := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "cert"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	certFile, keyFile := file(t, "client.crt", cert), file(t, "client.key", key)
	der, _ := pem.Decode([]byte(key))
	sealed, err := x509.EncryptPEMBlock(rand.Reader, der.Type, der.Bytes, []byte("sesame"), x509.PEMCipherAES256) //nolint:staticcheck // what openssl -traditional writes
	if err != nil {
		t.Fatal(err)
	}
	sealedFile := file(t, "sealed.key", string(pem.EncodeToMemory(sealed)))
	for _, tc := range []struct {
		name, host string
		change     func(c *Config)
		want       string // of the error; "" connects with TLS
	}{
		{"disable", "localhost", func(c *Config) { c.SSLMode = "disable" }, "pg_hba.conf"},
		{"allow finds out", "localhost", func(c *Config) { c.SSLMode = "allow" }, ""},
		{"prefer", "localhost", func(*Config) {}, ""},
		{"require asks nobody", "127.0.0.1", func(c *Config) { c.SSLMode = "require" }, ""},
		{"require with a certificate is verify-ca", "127.0.0.1", func(c *Config) { c.SSLMode, c.SSLRootCert = "require", other }, "certificate signed by unknown authority"},
		{"verify-ca", "127.0.0.1", func(c *Config) { c.SSLMode, c.SSLRootCert = "verify-ca", trusted }, ""},
		{"verify-ca of a stranger", "localhost", func(c *Config) { c.SSLMode, c.SSLRootCert = "verify-ca", other }, "certificate signed by unknown authority"},
		{"verify-full", "localhost", func(c *Config) { c.SSLMode, c.SSLRootCert = "verify-full", trusted }, ""},
		{"verify-full of another name", "127.0.0.1", func(c *Config) { c.SSLMode, c.SSLRootCert = "verify-full", trusted }, "127.0.0.1"},
		{"bound", "localhost", func(c *Config) { c.SSLMode, c.Binding = "require", "require" }, ""},
		{"a wrong password", "localhost", func(c *Config) { c.Password = config.NewSecret("no") }, "the user or the password is wrong"},
		{"scram alone", "localhost", func(c *Config) { c.User, c.Auth = "weak", "scram-sha-256" }, "require_auth"},
		{"scram alone, and it is", "localhost", func(c *Config) { c.Auth = "scram-sha-256" }, ""},
		{"our certificate", "localhost", func(c *Config) { c.User, c.SSLMode, c.SSLCert, c.SSLKey = "cert", "require", certFile, keyFile }, ""},
		{"no certificate", "localhost", func(c *Config) { c.User, c.SSLMode = "cert", "require" }, "certificate"},
		{"a sealed key", "localhost", func(c *Config) {
			c.User, c.SSLMode, c.SSLCert, c.SSLKey, c.SSLPassword = "cert", "require", certFile, sealedFile, config.NewSecret("sesame")
		}, ""},
		{"a sealed key without its password", "localhost", func(c *Config) { c.SSLMode, c.SSLCert, c.SSLKey = "require", certFile, sealedFile }, "database.sslpassword"},
		{"a sealed key with another", "localhost", func(c *Config) {
			c.SSLMode, c.SSLCert, c.SSLKey, c.SSLPassword = "require", certFile, sealedFile, config.NewSecret("swordfish")
		}, "database.sslpassword"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Config{Host: tc.host, Port: s.Port, Database: "postgres", User: "tls", Password: config.NewSecret(oddPassword)}
			tc.change(&c)
			got := reach(t, c)
			if got == "TLS" {
				got = ""
			}
			if tc.want == "" && got != "" || tc.want != "" && !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			for _, secret := range []string{oddPassword, "sesame", "swordfish"} {
				if strings.Contains(got, secret) {
					t.Errorf("a password shows in %q", got)
				}
			}
		})
	}
}

// reach gives TLS, clear, or the error of Validate or Connect. The way to the stream is the same.
func reach(t *testing.T, c Config) string {
	t.Helper()
	if err := c.Validate(); err != nil {
		return err.Error()
	}
	conn, err := Connect(t.Context(), c)
	if err != nil {
		return err.Error()
	}
	defer conn.Close(t.Context())
	var ssl, replicates bool
	if err := conn.QueryRow(t.Context(), `SELECT ssl, (SELECT rolreplication FROM pg_roles WHERE rolname = current_user) FROM pg_stat_ssl WHERE pid = pg_backend_pid()`).Scan(&ssl, &replicates); err != nil {
		t.Fatal(err)
	}
	if replicates {
		stream, err := ConnectReplication(t.Context(), c)
		if err != nil {
			return err.Error()
		}
		defer stream.Close(t.Context())
		if _, err := pglogrepl.IdentifySystem(t.Context(), stream); err != nil {
			t.Error(err)
		}
	}
	if ssl {
		return "TLS"
	}
	return "clear"
}

// Passwords and addresses may be kept in libpq's files.
func TestPassAndServiceFiles(t *testing.T) {
	t.Parallel()
	s, _, _ := secured(t)
	escaped := strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(oddPassword)
	pass := file(t, "pgpass", fmt.Sprintf("# ours\nelsewhere:*:*:*:no\n127.0.0.1:%d:postgres:tls:%s\n", s.Port, escaped))
	services := file(t, "services.conf", fmt.Sprintf("[crm]\nhost=127.0.0.1\nport=%d\ndbname=postgres\nuser=tls\nsslmode=require\n", s.Port))
	open := file(t, "open", "127.0.0.1:*:*:*:x")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	base := Config{Host: "127.0.0.1", Port: s.Port, Database: "postgres", User: "tls", PassFile: pass}
	for _, tc := range []struct {
		name   string
		change func(c *Config)
		want   string
	}{
		{"by the file", func(*Config) {}, "TLS"},
		{"with an address", func(c *Config) {
			*c = Config{DSN: config.NewSecret(fmt.Sprintf("postgres://127.0.0.1:%d/postgres?sslmode=require", s.Port)), User: "tls", PassFile: pass}
		}, "TLS"},
		{"others may read it", func(c *Config) { c.PassFile = open }, "run chmod 600"},
		{"it is not there", func(c *Config) { c.PassFile = pass + "x" }, "no such file"},
		{"nobody of ours in it", func(c *Config) { c.User = "weak" }, "the user or the password is wrong"},
		{"by a service", func(c *Config) { *c = Config{Service: "crm", ServiceFile: services, PassFile: pass} }, "TLS"},
		{"by a service, with another user", func(c *Config) {
			*c = Config{Service: "crm", ServiceFile: services, User: "weak", Password: config.NewSecret(oddPassword)}
		}, "TLS"},
		{"no such service", func(c *Config) { *c = Config{Service: "erp", ServiceFile: services} }, "has no section [erp]"},
		{"no service file", func(c *Config) { *c = Config{Service: "crm", ServiceFile: services + "x"} }, "no such file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := base
			tc.change(&c)
			if got := reach(t, c); !strings.Contains(got, tc.want) || strings.Contains(got, oddPassword) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// Of several servers the one that is meant is taken, whichever is up and in whatever order they are named.
func TestSeveralHosts(t *testing.T) {
	t.Parallel()
	primary := pgtest.Server(t)
	standby := pgtest.Standby(t, primary, pgserver.Options{})
	parsed, err := Config{DSN: config.NewSecret(primary.DSN("postgres"))}.parse()
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Host: fmt.Sprintf("127.0.0.1:1,127.0.0.1:%d, 127.0.0.1:%d", standby.Port, primary.Port), Database: "postgres", User: "postgres", Password: config.NewSecret(parsed.Password)}
	for target, port := range map[string]int{"": standby.Port, "any": standby.Port, "read-write": primary.Port, "primary": primary.Port, "standby": standby.Port, "prefer-standby": standby.Port} {
		c.Target = target
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		conn, err := Connect(t.Context(), c)
		if err != nil {
			t.Fatalf("%q: %v", target, err)
		}
		stream, err := ConnectReplication(t.Context(), c)
		if err != nil {
			t.Fatalf("%q: %v", target, err)
		}
		for _, at := range []net.Addr{conn.PgConn().Conn().RemoteAddr(), stream.Conn().RemoteAddr()} {
			if got := at.(*net.TCPAddr).Port; got != port {
				t.Errorf("%q: reached port %d, want %d", target, got, port)
			}
		}
		conn.Close(t.Context())
		stream.Close(t.Context())
	}
	for _, host := range []string{"a,,b", "a:x", "a:70000", ":5432"} {
		if err := (Config{Host: host, Database: "x"}).Validate(); err == nil || !strings.Contains(err.Error(), "hostname") {
			t.Errorf("%q: %v", host, err)
		}
	}
}
