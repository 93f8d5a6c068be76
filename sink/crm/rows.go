package crm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

// Committer stores a ledger commit in a transaction that holds a CRM write too. The ledger in PostgreSQL is one.
type Committer interface {
	CommitTx(ctx context.Context, tx pgx.Tx, c ledger.Commit) error
}

// Limits of one statement and of the wait for one lock; both may be configured.
const (
	defaultStatementTimeout = 30 * time.Second
	defaultLockTimeout      = 5 * time.Second
	defaultApplication      = "tandem sink.crm"
	batchMax                = 500 // keys in one statement
)

// RowsConfig is what [Rows] needs.
type RowsConfig struct {
	Entity           *mapping.Entity
	Pool             *pgxpool.Pool
	Ledger           Committer        // may be nil where only Read, Keys and CustomNames are called, as in sink/notion
	Memory           sink.DriftLedger // remembers columns; nil: a column that is missing is noticed, one that is another now is not
	StatementTimeout time.Duration    // default 30 s
	LockTimeout      time.Duration    // default 5 s
	Application      string           // application_name of the transactions, default "tandem sink.crm"
	Origin           string           // what transactions that write say of themselves in WAL, for whoever captures it; "": nothing
}

// Validate reports all problems.
func (c RowsConfig) Validate() error {
	var errs []error
	if c.Entity == nil {
		errs = append(errs, errors.New("rows: no entity is given"))
	}
	if c.Pool == nil {
		errs = append(errs, errors.New("rows: no connection pool is given"))
	}
	if c.StatementTimeout < 0 || c.LockTimeout < 0 {
		errs = append(errs, errors.New("rows: a timeout is negative"))
	}
	return errors.Join(errs...)
}

// Rows are the rows of one entity in PostgreSQL. It may be used by many goroutines. It leaves the session's search_path and time
// zone as they are: triggers of the CRM may rely on them; its own statements name schemas and zones.
type Rows struct {
	entity *mapping.Entity
	pool   *pgxpool.Pool
	ledger Committer
	config RowsConfig

	mu   sync.Mutex
	plan *plan // of the newest look at the catalog; nil: look again
}

var _ sink.Rows = (*Rows)(nil)

// NewRows makes Rows without any I/O: the catalog is read at the first use, and again after the table was changed.
func NewRows(c RowsConfig) (*Rows, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.StatementTimeout == 0 {
		c.StatementTimeout = defaultStatementTimeout
	}
	if c.LockTimeout == 0 {
		c.LockTimeout = defaultLockTimeout
	}
	if c.Application == "" {
		c.Application = defaultApplication
	}
	return &Rows{entity: c.Entity, pool: c.Pool, ledger: c.Ledger, config: c}, nil
}

// plan is what the mapping means for the tables as they are now.
type plan struct {
	entity  *mapping.Entity
	catalog mapping.Catalog
	query   mapping.ImageQuery
	root    string // quoted
	table   string // schema.table
	keys    []mapping.ColumnInfo

	drawn       time.Time
	fingerprint string            // of the tables
	parked      map[string]string // fields that are left out
	generations map[string]int
}

// lookAgain is how long a plan that leaves fields out is good: a person may accept their columns as they are, from another process.
const lookAgain = 10 * time.Second

func (r *Rows) planned(ctx context.Context) (*plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.plan != nil && (len(r.plan.parked) == 0 || time.Since(r.plan.drawn) < lookAgain) {
		return r.plan, nil
	}
	p, err := r.draw(ctx)
	if err != nil {
		return nil, err
	}
	r.plan = p
	return p, nil
}

// forget drops the plan after an error that a change of the tables explains.
func (r *Rows) forget(err error) {
	if staleCatalog(err) || errors.Is(err, errRedefined) {
		r.forgetPlan()
	}
}

func (r *Rows) forgetPlan() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.plan = nil
}

// begin opens a transaction on the primary, with its limits, and gives the server's clock and snapshot.
func (r *Rows) begin(ctx context.Context, options pgx.TxOptions) (tx pgx.Tx, at time.Time, snapshot string, err error) {
	tx, err = r.pool.BeginTx(ctx, options)
	if err != nil {
		return nil, at, "", translate("begin a transaction in the CRM's database", nil, err)
	}
	const sql = `SELECT pg_catalog.statement_timestamp(), pg_catalog.pg_current_snapshot()::pg_catalog.text, pg_catalog.pg_is_in_recovery(),
		pg_catalog.set_config('application_name', $1, true), pg_catalog.set_config('statement_timeout', $2, true),
		pg_catalog.set_config('lock_timeout', $3, true), pg_catalog.set_config('idle_in_transaction_session_timeout', $2, true),
		pg_catalog.set_config('extra_float_digits', '1', true),
		CASE WHEN $4::pg_catalog.text <> '' THEN pg_catalog.pg_logical_emit_message(true, '` + change.HeaderOrigin + `', $4::pg_catalog.text)::pg_catalog.text ELSE '' END`
	var standby bool
	var ignored string
	origin := r.config.Origin
	if options.AccessMode == pgx.ReadOnly {
		origin = ""
	}
	err = tx.QueryRow(ctx, sql, r.config.Application, millis(r.config.StatementTimeout), millis(r.config.LockTimeout), origin).
		Scan(&at, &snapshot, &standby, &ignored, &ignored, &ignored, &ignored, &ignored, &ignored)
	if err == nil && standby {
		err = ErrStandby
	}
	if err != nil {
		rollback(ctx, tx)
		return nil, at, "", translate("begin a transaction in the CRM's database", nil, err)
	}
	return tx, at, snapshot, nil
}

// rollback ends a transaction that may have ended already, also when the caller's time is up.
func rollback(ctx context.Context, tx pgx.Tx) {
	const patience = 5 * time.Second // of a server that is gone; the pool drops the connection then
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = tx.Rollback(ctx)
}

func millis(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// Read implements [sink.Rows]. What was read while a table was being changed is read again.
func (r *Rows) Read(ctx context.Context, keys []string) (sink.Snapshot, error) {
	for attempt := 1; ; attempt++ {
		snap, err := r.read(ctx, keys)
		if err == nil {
			return snap, nil
		}
		r.forget(err)
		if !errors.Is(err, errRedefined) && !staleCatalog(err) || attempt == redefinedMax {
			return sink.Snapshot{}, fmt.Errorf("read %d rows of %s: %w", len(keys), r.entity.Name, err)
		}
	}
}

// redefinedMax is how often something is tried whose tables change meanwhile.
const redefinedMax = 3

func (r *Rows) read(ctx context.Context, keys []string) (sink.Snapshot, error) {
	p, err := r.planned(ctx)
	if err != nil {
		return sink.Snapshot{}, err
	}
	tx, at, text, err := r.begin(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return sink.Snapshot{}, err
	}
	defer rollback(ctx, tx)
	visible, err := parseSnapshot(text)
	if err != nil {
		return sink.Snapshot{}, err
	}
	snap := sink.Snapshot{At: at, Rows: make(map[string]sink.Row, len(keys)), Visible: visible.contains, Parked: p.parked, Generations: p.generations}
	for _, k := range keys {
		snap.Rows[k] = sink.Row{Key: k}
	}
	for start := 0; start < len(keys); start += batchMax {
		batch := keys[start:min(start+batchMax, len(keys))]
		if err := p.images(ctx, tx, batch, snap.Rows); err != nil {
			return sink.Snapshot{}, err
		}
	}
	// The snapshot is older than the statements' own look at the tables: only a later look tells that they are what the plan was made of.
	rollback(ctx, tx)
	return snap, p.unchanged(ctx, r.pool)
}

// images puts the rows under the keys into the map.
func (p *plan) images(ctx context.Context, tx pgx.Tx, keys []string, into map[string]sink.Row) error {
	rows, err := tx.Query(ctx, p.query.SQL, p.entity.KeyParams(p.catalog, keys)...)
	if err != nil {
		return translate("read images", nil, err)
	}
	var scope, soft bool
	texts := make([]*string, len(p.query.Outputs))
	dest := []any{&scope, &soft}
	for i := range texts {
		dest = append(dest, &texts[i])
	}
	_, err = pgx.ForEachRow(rows, dest, func() error {
		row := p.row(texts)
		row.Exists, row.Soft, row.InScope = !soft, soft, scope
		into[row.Key] = row
		return nil
	})
	return translate("read images", nil, err)
}

// one reads one row's image; false if there is no row.
func (p *plan) one(ctx context.Context, tx pgx.Tx, key string) (sink.Row, bool, error) {
	into := map[string]sink.Row{}
	if err := p.images(ctx, tx, []string{key}, into); err != nil {
		return sink.Row{}, false, err
	}
	for _, row := range into {
		return row, true, nil
	}
	return sink.Row{Key: key}, false, nil
}

// problem is the error of a value that cannot be read as its type.
func (p *plan) problem(row *sink.Row, field, format string, args ...any) {
	if row.Problems == nil {
		row.Problems = map[string]string{}
	}
	row.Problems[field] = fmt.Sprintf(format, args...)
	delete(row.Image, field)
}

// row decodes one answer of the image query.
func (p *plan) row(texts []*string) sink.Row {
	row := sink.Row{Image: change.Image{}}
	var key []change.Value
	for i, o := range p.query.Outputs {
		switch o.Kind {
		case mapping.OutputKey:
			v, err := decode(o.Column, texts[i], p.entity.Zone())
			if err != nil {
				p.problem(&row, o.Column.Name, "the key cannot be read: %v", err)
			}
			key = append(key, v)
		case mapping.OutputCustom:
			p.customColumn(&row, texts[i])
		case mapping.OutputAttributes:
			p.attributes(&row, o.Column, texts[i])
		default:
			v, err := p.value(o, texts[i])
			if err != nil {
				p.problem(&row, o.Field, "%v", err)
				continue
			}
			row.Image[o.Field] = v
		}
	}
	row.Key = mapping.EncodeKey(key...)
	return row
}

func (p *plan) value(o mapping.Output, text *string) (change.Value, error) {
	switch o.Kind {
	case mapping.OutputTarget:
		return decodeTargets(text, true)
	case mapping.OutputTargets:
		return decodeTargets(text, false)
	case mapping.OutputLabels:
		return decodeLabels(o.Column, text, p.entity.Zone())
	}
	return decode(o.Column, text, p.entity.Zone())
}
