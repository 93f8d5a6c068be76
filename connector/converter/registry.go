package converter

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tandem-sync/tandem/connector/kafka"
)

const (
	// requestTimeout is one request's, so that a registry that does not answer is asked again.
	requestTimeout = 5 * time.Second

	// patience is how long a registry that is away is asked again before the caller starts over. PostgreSQL hears nothing of us meanwhile
	// (wal_sender_timeout is a minute).
	patience = 20 * time.Second

	// idsMax bounds what is remembered; Confluent's max.schemas.per.subject is as much.
	idsMax = 1000
)

// registry is a schema registry that speaks Confluent's API, with the ids that it has given.
type registry struct {
	client           *sr.Client
	register, latest bool
	patience         time.Duration

	mu    sync.Mutex
	ids   map[asked]*list.Element
	order *list.List // of known; the newest first
}

type asked struct{ subject, schema string }

type known struct {
	asked
	id int
}

func openRegistry(c Config, s Side) (*registry, error) {
	options := []sr.ClientOpt{sr.URLs(s.Registry...), sr.HTTPClient(&http.Client{Timeout: requestTimeout}), sr.UserAgent("tandem")}
	if user, password, ok := strings.Cut(s.UserInfo.Reveal(), ":"); ok && s.Credentials == "USER_INFO" {
		options = append(options, sr.BasicAuth(user, password))
	}
	if c.RegistryCA != "" || c.RegistryCert != "" {
		tls, err := (&kafka.TLS{CAFile: c.RegistryCA, CertFile: c.RegistryCert, KeyFile: c.PrivKey}).Config()
		if err != nil {
			return nil, fmt.Errorf("reach the schema registry by https: %w", err)
		}
		options = append(options, sr.DialTLSConfig(tls))
	}
	client, err := sr.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("reach the schema registry: %w", err)
	}
	return &registry{client: client, register: s.Register, latest: s.Latest, patience: patience, ids: map[asked]*list.Element{}, order: list.New()}, nil
}

// id gives the id of a schema under a subject. A registry that is away is asked again for a while; the error then says that it may be asked later
// (Retryable). What the registry refuses is for people to mend.
func (r *registry) id(ctx context.Context, subject, schema string) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := asked{subject, schema}
	if found, ok := r.ids[at]; ok {
		r.order.MoveToFront(found)
		return found.Value.(known).id, nil
	}
	pauses := backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond), backoff.WithMaxInterval(3*time.Second), backoff.WithMaxElapsedTime(r.patience))
	var id int
	err := backoff.Retry(func() (err error) {
		id, err = r.ask(ctx, subject, schema)
		var refused *RegistryError
		if errors.As(err, &refused) && !refused.Retryable() {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(pauses, ctx))
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err != nil {
		return 0, err
	}
	r.ids[at] = r.order.PushFront(known{at, id})
	if r.order.Len() > idsMax {
		delete(r.ids, r.order.Remove(r.order.Back()).(known).asked)
	}
	return id, nil
}

func (r *registry) ask(ctx context.Context, subject, schema string) (int, error) {
	text := sr.Schema{Schema: schema, Type: sr.TypeAvro}
	var id int
	var err error
	switch {
	case r.register:
		id, err = r.client.RegisterSchema(ctx, subject, text, -1, -1)
	case r.latest:
		return r.newest(ctx, subject, schema)
	default:
		var found sr.SubjectSchema
		found, err = r.client.LookupSchema(ctx, subject, text)
		id = found.ID
	}
	if err != nil {
		return 0, &RegistryError{Subject: subject, err: err}
	}
	return id, nil
}

// newest takes the newest schema of a subject, if what we write reads as it.
func (r *registry) newest(ctx context.Context, subject, schema string) (int, error) {
	found, err := r.client.SchemaByVersion(ctx, subject, -1)
	if err != nil {
		return 0, &RegistryError{Subject: subject, err: err}
	}
	ours, err := avro.Parse(schema)
	if err != nil {
		return 0, fmt.Errorf("read our own schema for subject %s: %w", subject, err)
	}
	theirs, err := avro.Parse(found.Schema.Schema)
	if err != nil || !bytes.Equal(ours.Canonical(), theirs.Canonical()) {
		return 0, &RegistryError{Subject: subject, err: fmt.Errorf("version %d has other fields or types than the table: register the table's schema, or set auto.register.schemas=true and use.latest.version=false", found.Version), final: true}
	}
	return found.ID, nil
}

// RegistryError is returned when a schema's id could not be had.
type RegistryError struct {
	Subject string
	err     error
	final   bool
}

// Unwrap gives what the registry, or the network, said.
func (e *RegistryError) Unwrap() error { return e.err }

// Retryable reports that the same question may be answered later: the registry is away, or in trouble itself.
func (e *RegistryError) Retryable() bool {
	var said *sr.ResponseError
	if e.final {
		return false
	}
	return !errors.As(e.err, &said) || said.StatusCode >= 500 || said.StatusCode == http.StatusTooManyRequests || said.StatusCode == http.StatusRequestTimeout
}

func (e *RegistryError) Error() string {
	text := fmt.Sprintf("schema registry, subject %q: %v", e.Subject, e.err)
	var said *sr.ResponseError
	if !errors.As(e.err, &said) {
		return text
	}
	switch said.StatusCode {
	case http.StatusConflict:
		return text + "; the table's schema is not compatible with the subject's earlier ones: make the change in a compatible way (a new column needs a default or may be null), " +
			"or set the subject's compatibility (PUT /config/" + e.Subject + `, {"compatibility":"NONE"}), or delete the subject's old versions; then start the connector again, which goes on where it stopped`
	case http.StatusUnauthorized, http.StatusForbidden:
		return text + "; see key.converter.basic.auth.user.info and value.converter.basic.auth.user.info, and what that user may do with the subject"
	case http.StatusNotFound:
		return text + "; it is not registered: register it, or set auto.register.schemas=true"
	}
	return text
}
