package mapping

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(code int) int {
		if err := goleak.Find(); code == 0 && err != nil {
			println(err.Error())
			return 1
		}
		return code
	})
}
