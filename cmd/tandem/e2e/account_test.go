package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// account is what a reader of committed records was told, and then how that differs from what the CRM has.
//
// A row of tally counts its own changes, so that a gap, a repeat and a wrong order each show in the records of one key. Rows of the other tables are told
// of once. In each partition the commits come in their order.
type account struct {
	told   map[string][]uint8 // of each table but tally: how often each id was told
	counts map[int64]int64    // of tally: the number that was told last
	events map[string]int
	at     map[string]position // of each partition

	doubles, missing, phantoms, disorder int
	first                                string // an example of what is wrong
}

// position is Debezium's source.sequence: the commit before, and the change itself.
type position struct{ commit, lsn int64 }

func newAccount() *account {
	return &account{told: map[string][]uint8{}, counts: map[int64]int64{}, events: map[string]int{}, at: map[string]position{}}
}

func (a *account) wrong() bool { return a.doubles+a.missing+a.phantoms+a.disorder > 0 }

func (a *account) String() string {
	total := 0
	for _, n := range a.events {
		total += n
	}
	return fmt.Sprintf("%d events read, committed only (%d of tally, %d of journal, %d of bulk): doubles %d, missing %d, of what was rolled back %d, out of order %d",
		total, a.events["tally"], a.events["journal"], a.events["bulk"], a.doubles, a.missing, a.phantoms, a.disorder)
}

func (a *account) fault(count *int, format string, args ...any) {
	*count++
	if a.first == "" {
		a.first = fmt.Sprintf(format, args...)
	}
}

// take is told of a record.
func (a *account) take(table string, partition int32, key string, value []byte) {
	a.events[table]++
	id, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(key, `{"id":`), "}"), 10, 64)
	at, ok := sequence(value)
	if err != nil || !ok {
		a.fault(&a.phantoms, "%s: no event of ours: %s %.300s", table, key, value)
		return
	}
	where := fmt.Sprint(table, "/", partition)
	if before := a.at[where]; at.commit < before.commit || at.commit == before.commit && at.lsn < before.lsn {
		a.fault(&a.disorder, "%s %s: %v comes after %v", table, key, at, before)
	}
	a.at[where] = at
	if table == "tally" {
		a.count(id, value)
		return
	}
	told := a.told[table]
	for int64(len(told)) <= id {
		told = append(told, make([]uint8, max(1024, len(told)/2))...)
	}
	if told[id]++; told[id] > 1 {
		a.fault(&a.doubles, "%s %d was told again", table, id)
	}
	a.told[table] = told
}

// count demands that a row's numbers come one after the other.
func (a *account) count(id int64, value []byte) {
	var c struct{ After struct{ N int64 } }
	if err := json.Unmarshal(value, &c); err != nil {
		a.fault(&a.phantoms, "tally %d: %v", id, err)
		return
	}
	switch last := a.counts[id]; {
	case c.After.N <= last:
		a.fault(&a.doubles, "tally %d: %d was told after %d", id, c.After.N, last)
	case c.After.N > last+1:
		a.fault(&a.missing, "tally %d: %d was told after %d", id, c.After.N, last)
	}
	a.counts[id] = c.After.N
}

// compare is told, after all records, of a row that the CRM has; of tally with its number.
func (a *account) compare(table string, id, n int64) {
	if table == "tally" {
		if last := a.counts[id]; last < n {
			a.fault(&a.missing, "tally %d is at %d, and was told up to %d", id, n, last)
		} else if last > n {
			a.fault(&a.phantoms, "tally %d is at %d, and was told up to %d", id, n, last)
		}
		return
	}
	if told := a.told[table]; id >= int64(len(told)) || told[id] == 0 {
		a.fault(&a.missing, "%s %d was not told", table, id)
	} else {
		told[id] = 0 // accounted for
	}
}

// close finds what was told and is not there.
func (a *account) close() {
	for table, told := range a.told {
		for id, times := range told {
			if times > 0 {
				a.fault(&a.phantoms, "%s %d was told, and is not there: it was rolled back", table, id)
			}
		}
	}
}

// sequence reads source.sequence without the rest: there may be tens of millions.
func sequence(value []byte) (position, bool) {
	_, rest, found := bytes.Cut(value, []byte(`"sequence":"[`))
	text, _, ended := bytes.Cut(rest, []byte(`]"`))
	before, own, both := strings.Cut(strings.ReplaceAll(string(text), `\"`, ""), ",")
	if !found || !ended || !both {
		return position{}, false
	}
	lsn, err := strconv.ParseInt(own, 10, 64)
	commit, _ := strconv.ParseInt(before, 10, 64) // null before the first
	return position{commit, lsn}, err == nil
}

// A judge that finds nothing must be one that can.
func TestTheAccountFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	event := func(commit, lsn, n int) []byte {
		return fmt.Appendf(nil, `{"before":null,"after":{"id":1,"n":%d},"source":{"sequence":"[\"%d\",\"%d\"]"},"op":"c"}`, n, commit, lsn)
	}
	for name, test := range map[string]struct {
		play func(a *account)
		want string
	}{
		"all is well": {func(a *account) {
			a.take("bulk", 0, `{"id":1}`, event(1, 2, 0))
			a.take("bulk", 0, `{"id":2}`, event(1, 3, 0))
			a.take("tally", 0, `{"id":7}`, event(1, 2, 1))
			a.compare("bulk", 1, 1)
			a.compare("bulk", 2, 1)
			a.compare("tally", 7, 1)
		}, "doubles 0, missing 0, of what was rolled back 0, out of order 0"},
		"a row twice": {func(a *account) {
			a.take("bulk", 0, `{"id":1}`, event(1, 2, 0))
			a.take("bulk", 0, `{"id":1}`, event(1, 2, 0))
			a.compare("bulk", 1, 1)
		}, "doubles 1, missing 0, of what was rolled back 0, out of order 0"},
		"a row not at all, and one that is not there": {func(a *account) {
			a.take("bulk", 0, `{"id":2}`, event(1, 2, 0))
			a.compare("bulk", 1, 1)
		}, "doubles 0, missing 1, of what was rolled back 1, out of order 0"},
		"a change twice, a change missing, the last one missing": {func(a *account) {
			for _, n := range []int{1, 1, 3} {
				a.take("tally", 0, `{"id":7}`, event(1, 2, n))
			}
			a.compare("tally", 7, 4)
		}, "doubles 1, missing 2, of what was rolled back 0, out of order 0"},
		"another order": {func(a *account) {
			a.take("bulk", 0, `{"id":1}`, event(5, 6, 0))
			a.take("bulk", 0, `{"id":2}`, event(1, 2, 0))
			a.take("bulk", 1, `{"id":3}`, event(1, 2, 0)) // another partition
			for id := range int64(3) {
				a.compare("bulk", id+1, 1)
			}
		}, "doubles 0, missing 0, of what was rolled back 0, out of order 1"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount()
			test.play(a)
			a.close()
			if got := a.String(); !strings.HasSuffix(got, test.want) {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}
