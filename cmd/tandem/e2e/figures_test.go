package e2e

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

const (
	figureContacts = 2000
	figurePoll     = 15 * time.Second // half of the shortest by default: not so often that polls of pages just written count for much
	figureRepeats  = 20               // updates and edits, of which the mean is reported
)

// BenchmarkSync reports what docs/performance.md states: requests for a first sync, a live update, a person's edit and an idle poll, and
// what they take. Polls are counted apart, since how many there are is a matter of the interval.
func BenchmarkSync(b *testing.B) {
	for b.Loop() {
		w := newWorld(b, options{dsn: pgtest.Database(b), kafka: kafkatest.SharedApache(b), mapping: boldly, override: map[string]string{
			"notion-source/poll.interval.ms": fmt.Sprint(figurePoll.Milliseconds()), "notion-source/poll.interval.min.ms": fmt.Sprint(figurePoll.Milliseconds()),
			"notion-source/poll.interval.max.ms": fmt.Sprint(figurePoll.Milliseconds()),
		}})
		people := newPeople(w, 1)
		people.fill(figureContacts, 1, 1)
		began := time.Now()
		p := w.run()
		w.eventually("all pages are there", func() string {
			if n := w.one(`SELECT count(*)::text FROM tandem.link WHERE entity = 'contact' AND state = 'live'`); n != fmt.Sprint(figureContacts) {
				return n
			}
			return w.waiting()
		})
		b.ReportMetric(figureContacts/time.Since(began).Seconds(), "pages/s")
		b.ReportMetric(float64(w.front.beside())/(figureContacts+2), "req/page")
		w.quiet(b)
		b.ReportMetric(w.memory(p), "MiB-peak")
		b.ReportMetric(w.updates(b), "req/update")
		b.ReportMetric(w.edits(b), "req/edit")
		b.ReportMetric(w.polls(), "req/idle-poll")
		if code := p.end(); code != 0 {
			b.Errorf("exit code %d", code)
		}
		b.ReportMetric(0, "ns/op") // it says nothing here
	}
}

// BenchmarkSimulation reports how many seeds a second the simulation runs on all cores.
func BenchmarkSimulation(b *testing.B) {
	const seeds = 40
	for b.Loop() {
		began := time.Now()
		if code, out, errs := answer(b, "simulate", "--seeds", fmt.Sprint(seeds)); code != 0 {
			b.Fatalf("simulate: %d %s%s", code, out, errs)
		}
		b.ReportMetric(seeds/time.Since(began).Seconds(), "seeds/s")
		b.ReportMetric(0, "ns/op")
	}
}

// beside counts the requests that are not the poller's.
func (f *front) beside() int { return f.count("") - f.queries() }

func (f *front) queries() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if strings.HasSuffix(r, "/query") {
			n++
		}
	}
	return n
}

// kinds counts requests by method and endpoint.
func (f *front) kinds() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	count := map[string]int{}
	for _, r := range f.requests {
		count[regexp.MustCompile(`[0-9a-f-]{36}`).ReplaceAllString(r, "{id}")]++
	}
	return fmt.Sprint(count)
}

// quiet waits until nothing but polls is asked of Notion: what was just written has been seen by them.
func (w *world) quiet(b *testing.B) {
	last, since := w.front.beside(), time.Now()
	w.eventually("nothing is asked any more", func() string {
		if n := w.front.beside(); n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) < indexLag+2*figurePoll {
			return fmt.Sprint(last, " requests")
		}
		return w.waiting()
	})
	b.Logf("%d requests beside %d polls so far: %s", last, w.front.queries(), w.front.kinds())
}

// updates changes one field of some rows, and gives the requests for each.
func (w *world) updates(b *testing.B) float64 {
	before := w.front.beside()
	for n := range figureRepeats {
		w.exec(`UPDATE contact SET job_title = $1 WHERE id = $2`, fmt.Sprint("Update ", n), 100+n)
	}
	for n := range figureRepeats {
		w.shown("contact", fmt.Sprint(100+n), "Job title", fmt.Sprint("Update ", n))
	}
	w.quiet(b)
	return float64(w.front.beside()-before) / figureRepeats
}

// edits changes one property of some pages, and gives the requests for each beside the polls. It waits first until the poller no longer
// looks back at the minutes in which all pages were made.
func (w *world) edits(b *testing.B) float64 {
	time.Sleep(2 * time.Minute)
	before := w.front.beside()
	for n := range figureRepeats {
		page := w.one(`SELECT page FROM tandem.link WHERE entity = 'contact' AND key = $1`, fmt.Sprint(200+n))
		w.edit(page, map[string]any{"Job title": propertyOf("rich_text", []string{fmt.Sprint("Edit ", n)})})
	}
	for n := range figureRepeats {
		w.says(fmt.Sprint("Edit ", n), `SELECT job_title FROM contact WHERE id = $1`, 200+n)
	}
	w.quiet(b)
	return float64(w.front.beside()-before) / figureRepeats
}

// polls gives the requests of one idle poll of one data source.
func (w *world) polls() float64 {
	const rounds = 4
	before := w.front.queries()
	time.Sleep(rounds * figurePoll)
	return float64(w.front.queries()-before) / rounds / float64(len(rowSQL))
}

// memory gives the most that the process has ever had in memory, in MiB; 0 where the system does not tell.
func (w *world) memory(p *process) float64 {
	if runtime.GOOS != "linux" {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		w.t.Fatal(err)
	}
	if found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status); found != nil {
		kib, err := strconv.Atoi(string(found[1]))
		if err != nil {
			w.t.Fatal(err)
		}
		return float64(kib) / 1024
	}
	return 0
}
