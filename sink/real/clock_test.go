package real

import (
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// A timestamp without a zone means what PostgreSQL's AT TIME ZONE says, also where clocks change: the CRM's own SQL reads it so.
func TestWallClocksAreThoseOfPostgreSQL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `SELECT 1`)
	for _, name := range []string{"Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia", "Europe/Dublin", "UTC"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, local := range []string{
			"2026-03-29T01:59:59", "2026-03-29T02:00:00", "2026-03-29T02:30:00", "2026-03-29T03:00:00", "2026-10-25T01:59:59", "2026-10-25T02:00:00", "2026-10-25T02:30:00", "2026-10-25T02:59:59",
			"2026-10-25T03:00:00", "2026-03-08T02:30:00", "2026-11-01T01:30:00", "2026-11-01T02:00:00", "2026-04-05T01:45:00", "2026-10-04T02:15:00", "2018-11-04T00:30:00", "2019-02-16T23:30:00",
			"2011-12-30T12:00:00", "1970-01-01T00:00:00", "2026-07-01T12:00:00.123456",
		} {
			v, err := change.ParseTimestamp(local)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := mapping.WallClock(v, zone).Instant()
			const sql = `SELECT to_char(($1::text::timestamp AT TIME ZONE $2::text) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')`
			w.is(local+" in "+name, got.UTC().Format("2006-01-02T15:04:05.000000"), w.one(sql, local, name))
		}
	}
}
