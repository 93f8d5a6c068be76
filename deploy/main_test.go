package deploy_test

import (
	"testing"

	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
