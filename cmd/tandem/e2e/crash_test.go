package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// The flags of `make soak`.
var (
	seedFlag = flag.Uint64("e2e.seed", 0, "the seed of people and kills; 0 draws one")
	killsMin = flag.Int("e2e.kills", 10, "how often processes are killed")
	soakFor  = flag.Duration("e2e.for", 0, "kill for so long, however often that is; 0 kills e2e.kills times")
	gapMax   = flag.Duration("e2e.gap", 4*time.Second, "how long a process lives at most before it is killed")
)

// crash is a way to run the connectors and to kill them.
type crash struct {
	name                           string
	contacts, opportunities, tasks int
	kills                          int
	processes                      [][]string
	faults                         bool
	static                         bool // restarted consumers take over at once, as with group.instance.id, instead of after the session's end
}

// Whatever is killed, and whenever: in the end both sides say the same, no page is there twice, nobody's edit went silently, and every
// conflict on a critical field was told.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	for _, c := range []crash{
		{name: "all in one process", contacts: 600, opportunities: 200, tasks: 200, kills: *killsMin, processes: [][]string{connectors}, static: true},
		{name: "with faults", contacts: 120, opportunities: 40, tasks: 40, kills: *killsMin, processes: [][]string{connectors}, static: true, faults: true},
		{name: "a process each", contacts: 60, opportunities: 20, tasks: 20, kills: *killsMin, processes: [][]string{{"crm-source"}, {"notion-sink"}, {"notion-source"}, {"crm-sink"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seed := *seedFlag
			if seed == 0 {
				seed = rand.Uint64()
			}
			t.Logf("-e2e.seed=%d", seed)
			c.run(t, seed)
		})
	}
}

func (c crash) run(t *testing.T, seed uint64) {
	override := map[string]string{}
	if c.static {
		override["notion-sink/consumer.override.group.instance.id"] = "one"
		override["crm-sink/consumer.override.group.instance.id"] = "one"
	}
	w := newWorld(t, options{dsn: pgtest.Database(t), kafka: kafkatest.SharedApache(t), override: override, mapping: boldly})
	p := newPeople(w, seed)
	p.fill(c.contacts, c.opportunities, c.tasks)
	if c.faults {
		w.trouble()
	}
	running := make([]*process, len(c.processes))
	for i, names := range c.processes {
		running[i] = w.run(names...)
	}
	ctx, stop := context.WithCancel(t.Context())
	var live sync.WaitGroup
	live.Go(func() { p.live(ctx, 20) })
	dice := rand.New(rand.NewPCG(seed, 2))
	began := time.Now()
	kills := 0
	for ; kills < c.kills && *soakFor == 0 || time.Since(began) < *soakFor; kills++ {
		time.Sleep(time.Duration(dice.Int64N(int64(*gapMax))))
		i := dice.IntN(len(running))
		if running[i].ended() {
			t.Fatalf("a process ended by itself")
		}
		running[i].kill()
		running[i] = w.run(c.processes[i]...)
	}
	stop()
	live.Wait()
	p.summary(t)
	w.notion.ClearFaults()
	t.Logf("killed %d times within %s", kills, time.Since(began).Round(time.Second))
	quiet := time.Now()
	w.settle(p.truth)
	// Only a sweep tells of a page in the trash where there are no webhooks: queries leave it out.
	if code, out, errs := answer(t, "sync", "--all", "--config", w.files["notion-sink"]); code != 0 {
		t.Errorf("sync --all: %d %s%s", code, out, errs)
	}
	for _, page := range p.trashed {
		w.eventually("the page in the trash is noticed", func() string {
			return w.one(`SELECT coalesce((SELECT 'link ' || id || ' of row ' || key || ' is ' || state FROM tandem.link l WHERE page = $1 AND state = 'live'
				AND NOT EXISTS (SELECT FROM tandem.hold WHERE link = l.id)), '')`, page)
		})
	}
	w.idle()
	t.Logf("quiet %s after the last kill; %s conflicts, %s holds", time.Since(quiet).Round(time.Second), w.one(`SELECT count(*)::text FROM tandem.conflict`), w.one(`SELECT count(*)::text FROM tandem.hold`))
	demand(t, w.verdict(p.truth))
	for _, r := range running {
		if code := r.end(); code != 0 {
			t.Errorf("SIGTERM: exit code %d, want 0", code)
		}
	}
}

// trouble is what Notion answers now and then beside what it should: before a request took effect, and after.
func (w *world) trouble() {
	w.t.Helper()
	for _, f := range []emulator.Fault{
		{Kind: emulator.FaultRateLimited, Chance: 0.002, RetryAfter: 1},
		{Kind: emulator.FaultConflict, Method: http.MethodPatch, Chance: 0.01},
		{Kind: emulator.FaultCommitted, Method: http.MethodPost, Path: "/v1/pages", Chance: 0.03},
		{Kind: emulator.FaultCommitted, Method: http.MethodPatch, Path: "/v1/pages/*", Chance: 0.02},
		{Kind: emulator.FaultGatewayAfter, Method: http.MethodPost, Path: "/v1/pages", Chance: 0.03},
		{Kind: emulator.FaultGatewayAfter, Method: http.MethodPatch, Path: "/v1/pages/*", Chance: 0.02},
		{Kind: emulator.FaultDropAfter, Method: http.MethodPost, Path: "/v1/pages", Chance: 0.02},
		{Kind: emulator.FaultDropAfter, Method: http.MethodPatch, Path: "/v1/pages/*", Chance: 0.01},
		{Kind: emulator.FaultUnavailable, Chance: 0.005},
		{Kind: emulator.FaultBadGateway, Chance: 0.005},
		{Kind: emulator.FaultDrop, Chance: 0.005},
		{Kind: emulator.FaultOverload, Chance: 0.001, RetryAfter: 1},
	} {
		if err := w.notion.Inject(f); err != nil {
			w.t.Fatal(err)
		}
	}
}

// boldly lets mappings do what the example's brakes and pauses would make the test wait for.
func boldly(_ string, m map[string]any) {
	m["creates"] = map[string]any{"to_notion": true, "to_crm": true, "quiet_seconds": 1}
	m["brakes"] = map[string]any{"max": 1000, "share": 1}
}

// settle waits until what people did last has arrived on the other side, and nothing is left to do.
func (w *world) settle(tr *truth) {
	w.t.Helper()
	w.eventually("every entity's first page", func() string {
		return w.one(`SELECT CASE WHEN count(*) = 3 THEN '' ELSE 'pages of first rows: ' || count(*) END FROM tandem.link WHERE key = '1' AND page IS NOT NULL`)
	})
	person := w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	for entity, f := range map[string][2]field{
		"contact": {wordFields["contact"][4], wordFields["contact"][6]}, "opportunity": {wordFields["opportunity"][0], wordFields["opportunity"][1]},
		"task": {wordFields["task"][0], wordFields["task"][1]},
	} {
		for _, edge := range f {
			tr.replaced(w.list(fmt.Sprintf(`SELECT coalesce(%s, '') FROM %s WHERE id = 1`, edge.column, entity)), nil, "the test's marks")
		}
		mark := fmt.Sprint("settled ", time.Now().UnixNano())
		w.exec(fmt.Sprintf(`UPDATE %s SET %s = $1 WHERE id = 1`, entity, f[0].column), mark)
		page := w.one(`SELECT page FROM tandem.link WHERE entity = $1 AND key = '1'`, entity)
		if err := person.Edit(page, map[string]any{f[1].property: propertyOf(f[1].kind, []string{mark})}); err != nil {
			w.t.Fatal(err)
		}
		w.eventually(entity+": the last edit in the CRM shows in Notion", func() string {
			now, err := person.Properties(page)
			if text, _ := textOf(now[f[0].property]); err != nil || text != mark {
				return fmt.Sprintf("the page says %q %v; waiting: %s", text, err, w.waiting())
			}
			return ""
		})
		w.eventually(entity+": the last edit in Notion shows in the CRM", func() string {
			if text := w.one(fmt.Sprintf(`SELECT coalesce(%s, '') FROM %s WHERE id = 1`, f[1].column, entity)); text != mark {
				return fmt.Sprintf("the row says %q; waiting: %s", text, w.waiting())
			}
			return ""
		})
	}
	w.idle()
}
