package sink

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// AgeLedger is what [Aging] asks of the ledger.
type AgeLedger interface {
	Aging(ctx context.Context, sync string, known ledger.Age, now time.Time) (ledger.Aged, error)
	Raise(ctx context.Context, alerts []ledger.Alert) error
}

// AgeOutside keeps the newest age that is known, where a restore of the database does not reach it: in Kafka.
type AgeOutside interface {
	Load(ctx context.Context) (ledger.Age, error) // the zero one if none is known
	Save(ctx context.Context, age ledger.Age) error
}

// Aging tells a database that was restored from a backup from the one that was known (design.md section 5): its ledger remembers an old Notion, and what it
// would write is wrong. Each sink has one, and takes its first step before anything else of it runs. One goroutine calls RunOnce.
type Aging struct {
	Sync    string
	Ledger  AgeLedger
	Outside AgeOutside
	Sweep   func(ctx context.Context, why string) error // asks for a look at everything, on both sides
	Now     func() time.Time
	Log     *slog.Logger

	known  ledger.Age
	loaded bool
	untold bool // known is not told outside yet
}

// AgingInterval is how often a ledger's age takes a step. A failover that loses less than this is not noticed.
const AgingInterval = 5 * time.Second

// RunOnce takes a step. What the step before could not tell outside is told first, so that the two are never more than a step for each process apart.
func (a *Aging) RunOnce(ctx context.Context) (int, error) {
	if !a.loaded {
		known, err := a.Outside.Load(ctx)
		if err != nil {
			return 0, fmt.Errorf("look how old the ledger was known to be: %w", err)
		}
		a.known, a.loaded = known, true
	}
	if err := a.tell(ctx); err != nil {
		return 0, err
	}
	was := a.known
	out, err := a.Ledger.Aging(ctx, a.Sync, was, a.Now())
	if err != nil {
		return 0, err
	}
	a.known, a.untold = out.Age, true
	if err := a.heed(ctx, was, out); err != nil {
		return 0, err
	}
	return 0, a.tell(ctx)
}

func (a *Aging) heed(ctx context.Context, was ledger.Age, out ledger.Aged) error {
	switch out.Verdict {
	case ledger.AgeRestored:
		a.Log.ErrorContext(ctx, "the database was restored: nothing is written before a plan was looked at", "why", out.Why, "known", was.At, "count", was.Count)
	case ledger.AgeMoved:
		a.Log.WarnContext(ctx, "the database moved; nothing that was known is missing", "why", out.Why)
		if err := a.Sweep(ctx, out.Why); err != nil {
			return err
		}
		return a.Ledger.Raise(ctx, []ledger.Alert{{
			ID: stableID("moved", a.Sync, out.Age.System, out.Age.Timeline, out.Age.Database), At: out.Age.At, Kind: "moved", Sync: a.Sync,
			Summary: fmt.Sprintf("%s. Nothing that was known %s before is missing, and the sync goes on; both sides are looked at. What was committed in the last seconds before a failover may be lost: tandem plan shows what differs",
				out.Why, out.Age.At.Sub(was.At).Round(time.Second)),
		}})
	case ledger.AgeNew, ledger.AgeSame:
	}
	return nil
}

func (a *Aging) tell(ctx context.Context) error {
	if !a.untold {
		return nil
	}
	if err := a.Outside.Save(ctx, a.known); err != nil {
		return fmt.Errorf("tell how old the ledger is: %w", err)
	}
	a.untold = false
	return nil
}
