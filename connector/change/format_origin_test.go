package change

import (
	"strings"
	"testing"
)

// A session that replays another server's changes says from where, and only maybe from which position there: Debezium writes 0 then, and null for
// transactions that were made here.
func TestTheOriginsPositionIsZeroWhereItIsNotSaid(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]string{"": `"origin":null,"origin_lsn":null}`, "elsewhere": `"origin":"elsewhere","origin_lsn":0}`} {
		e := &Event{Op: Message, Source: sampleSource(), Message: &LogicalMessage{Prefix: "p"}}
		e.Source.Origin = origin
		if got := string(Format{}.AppendValue(nil, e)); !strings.Contains(got, want) {
			t.Errorf("origin %q: %s, want %s", origin, got, want)
		}
	}
}
