package pgledger_test

import (
	"testing"

	"github.com/tandem-sync/tandem/connector/ledger/ledgertest"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
)

func TestAgreesWithMemory(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	empty := func() ledgertest.Store {
		d.empty(t)
		return d.store
	}
	ledgertest.Agree(t, func() ledgertest.Store { return memledger.New() }, empty)
}
