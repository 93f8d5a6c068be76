package notion

import (
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// form is a row of a query as it was shown. An edit gives a page another hash or, from the next minute on, another time.
type form struct {
	page   string
	hash   string
	edited time.Time
}

// memory is what a poller knows of rows that show something else than what was published last: which of them a GET proved to be old, and
// which were left for the next poll. It spares requests and decides nothing: without it, as after a start, a GET tells. One goroutine uses it.
type memory struct {
	old  map[form]time.Time // when the GET began that showed something else
	left map[form]time.Time // when the row was left first
	full map[time.Time]sight
}

// sight is what is known of a minute with more edits than a query gives.
type sight struct {
	first time.Time // when it was met
	again bool      // a sweep was asked for once the minute was over for sure
}

const (
	// leftFor is how long a row may be left for the next poll because of a write. What is under way longer than that is looked at.
	leftFor = time.Minute
	// leftKnown is how long it is remembered that a row was left, and that a minute was full: longer than polls show it.
	leftKnown = time.Hour
	// formsMax bounds each half of the memory; what it has no room for costs a GET.
	formsMax = 10_000
)

// isOld reports that a GET proved the form old less than the index lag ago, which is as long as the index may show it. After that it counts
// anew, for a person may have brought it back within the minute; the poll's overlap still shows it then.
func (m *memory) isOld(f form, now time.Time, lag time.Duration) bool {
	at, ok := m.old[f]
	return ok && now.Before(at.Add(lag))
}

func (m *memory) provedOld(f form, at time.Time) { m.old = noted(m.old, f, at) }

// mayLeave notes that a row is left for the next poll, and refuses once it has been for long enough.
func (m *memory) mayLeave(f form, now time.Time) bool {
	first, ok := m.left[f]
	if ok {
		return now.Before(first.Add(leftFor))
	}
	m.left = noted(m.left, f, now)
	_, ok = m.left[f]
	return ok
}

func noted(forms map[form]time.Time, f form, at time.Time) map[form]time.Time {
	if forms == nil {
		forms = map[form]time.Time{}
	}
	if _, known := forms[f]; known || len(forms) < formsMax {
		forms[f] = at
	}
	return forms
}

// mayAsk reports whether a sweep is to be asked for because of a full minute: when it is met, and once more when no later edit of that minute
// can be hidden. The polls show it for a quarter of an hour, and a sweep for each of them would spend the backfill's requests.
func (m *memory) mayAsk(minute, now time.Time, settles time.Duration) bool {
	s, met := m.full[minute]
	switch {
	case !met:
		s.first = now
	case s.again || now.Before(s.first.Add(settles)):
		return false
	default:
		s.again = true
	}
	if m.full == nil {
		m.full = map[time.Time]sight{}
	}
	m.full[minute] = s
	return true
}

// forget drops what says nothing any more.
func (m *memory) forget(now time.Time, lag time.Duration) {
	for f, at := range m.old {
		if !now.Before(at.Add(lag)) {
			delete(m.old, f)
		}
	}
	for minute, s := range m.full {
		if !now.Before(s.first.Add(leftKnown)) {
			delete(m.full, minute)
		}
	}
	for f, at := range m.left {
		if !now.Before(at.Add(leftKnown)) {
			delete(m.left, f)
		}
	}
}

// unsettled reports that a row may show our own write, whose outcome the ledger does not know yet, or the page from before a write or a read
// that was answered while the query was: the next poll tells. A lease that ran out is a holder that died: then the row is looked at.
func unsettled(page notionapi.Page, known ledger.Emitted, now time.Time) bool {
	return known.Writing.After(now) || known.WroteAt.After(page.ReadFrom) || known.ReadAt.After(page.ReadFrom)
}
