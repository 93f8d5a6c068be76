package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

const (
	snapshotRows  = 20_000
	snapshotKills = 2 // of each kind of snapshot
)

// snapshotTable has a value that is large, and that updates leave out.
const snapshotTable = `
	CREATE TABLE paper (id int PRIMARY KEY, n int NOT NULL, note text NOT NULL); ALTER TABLE paper ALTER note SET STORAGE EXTERNAL;
	INSERT INTO paper SELECT i, 0, repeat('note ' || i || ' ', 50 + 150 * (i % 10 / 9)) FROM generate_series(1, 20000) i`

// told is what a consumer knows of a row.
type told struct {
	n              int
	note           string
	gone           bool
	first, second  int // reads: by the snapshot at the start, and by the incremental one
	highest, stale int // the newest number that came; reads of the incremental snapshot that were older
}

// The source is killed in the middle of a table, twice while it reads it at the start and twice while it reads it again beside its stream, and the table is written to all along. In the end a consumer knows the
// table. Each row was read, perhaps more than once; the reads of the incremental snapshot never go back behind a change.
func TestSnapshotsUnderKills(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{dsn: pgtest.Database(t), kafka: kafkatest.SharedKfake(t), noCRM: true, override: map[string]string{
		"crm-source/mapping.files": "", "crm-source/table.include.list": `public\.paper`, "crm-source/snapshot.mode": "initial", "crm-source/offset.flush.interval.ms": "100",
		"crm-source/incremental.snapshot.chunk.size": "200", "crm-source/snapshot.max.threads": "1",
		"crm-source/in.flight.bytes.max": "100000", "crm-source/record.bytes.max": "50000", // slow enough to be killed in the middle
	}})
	w.exec(snapshotTable)
	topic := "crm-" + w.id + ".public.paper"
	ctx, cancel := context.WithCancel(context.Background())
	var load sync.WaitGroup
	var writes atomic.Int64
	stop := sync.OnceFunc(func() { cancel(); load.Wait() })
	t.Cleanup(stop)
	load.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			id := i*7919%snapshotRows + 1
			sql := `UPDATE paper SET n = n + 1 WHERE id BETWEEN $1 AND $1 + 3`
			if i%20 == 7 {
				sql = `DELETE FROM paper WHERE id = $1`
			}
			if _, err := w.db.Exec(context.Background(), sql, id); err != nil {
				t.Errorf("write: %v", err)
				return
			}
			writes.Add(1)
			time.Sleep(5 * time.Millisecond) // the source is slow on purpose, and must not fall behind for ever
		}
	})
	p := w.run("crm-source")
	restart := func(at int64) {
		w.eventually(fmt.Sprintf("%d records", at), func() string { return w.arrived(topic, at) })
		p.kill()
		p = w.run("crm-source")
	}
	for i := range int64(snapshotKills) {
		restart(500 * (i + 1))
	}
	w.eventually("the stream", func() string { return missingIn(w.log.String(), `streaming" from`, "msg=streaming") })
	status := func(want string) func() string {
		return func() string {
			code, out, errs := answer(t, "snapshot", "status", "--config", w.files["crm-source"])
			if code != 0 || !strings.Contains(out, want) {
				return out + errs
			}
			return ""
		}
	}
	if code, out, errs := answer(t, "snapshot", "start", "--config", w.files["crm-source"], "--table", "public.paper"); code != 0 || !strings.Contains(out, "execute") {
		t.Fatalf("start: %d %s %s", code, out, errs)
	}
	midst := 0
	for range snapshotKills {
		w.eventually("a part that is read", status("reading"))
		p.kill()
		midst += strings.Count(missingIn(w.log.String(), "snapshot of a table is complete"), "not")
		p = w.run("crm-source")
	}
	w.eventually("the end of the incremental snapshot", status(" read "))
	if !strings.Contains(w.log.String(), `"goes on"=true`) || midst == 0 {
		t.Errorf("no kill came in the middle: first snapshot\n%s", w.log.tail(40))
	}
	stop()
	want := map[int]told{}
	rows, err := w.db.Query(t.Context(), `SELECT id, n, note FROM paper`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var id int
		var one told
		if err := rows.Scan(&id, &one.n, &one.note); err != nil {
			t.Fatal(err)
		}
		want[id] = one
	}
	var known map[int]*told
	w.eventually("the table's last state", func() string {
		known = w.papers(topic)
		return differ(known, want)
	})
	again, twice := 0, 0
	for id, one := range known {
		if one.stale > 0 {
			t.Errorf("paper %d: %d reads of the incremental snapshot went back behind a change", id, one.stale)
		}
		if one.first > 1 || one.second > 1 {
			twice++
		}
		if one.second > 0 {
			again++
		}
	}
	t.Logf("%d kills under %d writes: %d rows left of %d, %d of them read a second time by the incremental snapshot, %d rows read more than once by one snapshot", 2*snapshotKills, writes.Load(), len(want),
		snapshotRows, again, twice)
	if code := p.end(); code != 0 {
		t.Errorf("SIGTERM: exit code %d, want 0", code)
	}
}

// missingIn says that none of the texts is there yet.
func missingIn(log string, texts ...string) string {
	for _, text := range texts {
		if strings.Contains(log, text) {
			return ""
		}
	}
	return "not in the log"
}

// papers reads the topic as a consumer.
func (w *world) papers(topic string) map[int]*told {
	known := map[int]*told{}
	w.read(topic, func(r *kgo.Record) {
		var key struct{ ID int }
		if err := json.Unmarshal(r.Key, &key); err != nil {
			w.t.Fatal(err)
		}
		one := known[key.ID]
		if one == nil {
			one = &told{}
			known[key.ID] = one
		}
		if r.Value == nil {
			return
		}
		var e struct {
			Op     string
			Source struct{ Snapshot string }
			After  struct {
				N    int
				Note string
			}
		}
		if err := json.Unmarshal(r.Value, &e); err != nil {
			w.t.Fatal(err)
		}
		if one.gone = e.Op == "d"; one.gone {
			one.highest = 1 << 30 // no number may come any more
			return
		}
		if e.Op == "r" && e.Source.Snapshot == "incremental" {
			one.second++
			if e.After.N < one.highest {
				one.stale++
			}
		} else if e.Op == "r" {
			one.first++
		}
		one.n, one.highest = e.After.N, max(one.highest, e.After.N)
		if !strings.HasPrefix(e.After.Note, "__debezium") {
			one.note = e.After.Note
		}
	})
	return known
}

func differ(known map[int]*told, want map[int]told) string {
	for id, one := range want {
		got := known[id]
		switch {
		case got == nil || got.gone || got.first == 0:
			return fmt.Sprintf("paper %d was not read", id)
		case got.n != one.n || got.note != one.note:
			return fmt.Sprintf("paper %d is %d %.20s, and known as %d %.20s", id, one.n, one.note, got.n, got.note)
		}
	}
	for id, got := range known {
		if _, there := want[id]; !there && !got.gone {
			return fmt.Sprintf("paper %d is known, and gone", id)
		}
	}
	return ""
}

// arrived says how many records are lacking, those counted whose transaction is open.
func (w *world) arrived(topic string, n int64) string {
	client, err := kgo.NewClient(kgo.SeedBrokers(w.kafka...))
	if err != nil {
		return err.Error()
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(w.t.Context(), topic)
	if err != nil {
		return err.Error()
	}
	have := int64(0)
	ends.Each(func(o kadm.ListedOffset) { have += o.Offset })
	if have < n {
		return fmt.Sprintf("%d records", have)
	}
	return ""
}
