package memledger_test

import (
	"github.com/tandem-sync/tandem/connector/ledger/ledgertest"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
)

var _ ledgertest.Store = (*memledger.Store)(nil)
