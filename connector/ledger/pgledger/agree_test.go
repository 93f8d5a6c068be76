package pgledger_test

import (
	"testing"

	"github.com/tandem-sync/tandem/connector/ledger/ledgertest"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func TestAgreesWithMemory(t *testing.T) {
	t.Parallel()
	p := pool(t, pgtest.Database(t))
	s := pgledger.New(p)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	empty := func() ledgertest.Store {
		_, err := p.Exec(t.Context(), `TRUNCATE tandem.link, tandem.work, tandem.hold, tandem.conflict, tandem.write, tandem.alert, tandem.entity`)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ledgertest.Agree(t, func() ledgertest.Store { return memledger.New() }, empty)
}
