package cdc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// ways are both deliveries.
var ways = []string{exactlyOnceRequired, exactlyOnceDisabled}

func header(r Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// A change that Kafka refuses stops the connector, which says what it was and what to do. Nothing is lost: it is the first after the topic takes it.
func TestARefusedChangeStops(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t), contacts)
			w.config.ExactlyOnceSupport = way
			w.kafka.setLimit("crm.public.contact", 50_000)
			s := w.source(t)
			if err := s.Start(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Stop)
			eventually(t, "the stream", func() bool { return s.Status().Phase == "streaming" })
			w.exec(t, `INSERT INTO contact (name) VALUES ('before')`)
			w.exec(t, `INSERT INTO contact (name, note) VALUES ('large', repeat('n', 60000))`)
			w.exec(t, `INSERT INTO contact (name) VALUES ('after')`)
			<-s.Done()
			var refused *RefusedError
			if err := s.Err(); !errors.As(err, &refused) || refused.Table != "public.contact" || refused.Key != `{"id":2}` || refused.LSN == 0 || refused.Bytes < 60_000 ||
				!strings.Contains(err.Error(), "errors.tolerance=all") || !strings.Contains(err.Error(), refused.LSN.String()) {
				t.Errorf("it ended with %v", err)
			}
			w.kafka.setLimit("crm.public.contact", 0)
			w.start(t)
			want := []string{`{"id":1}`, `{"id":2}`, `{"id":3}`}
			seen := map[string]int{}
			w.kafka.await(t, "all three", func(records []Record) bool {
				clear(seen)
				for _, r := range records {
					seen[string(r.Key)]++
				}
				return len(seen) == len(want)
			})
			if way == exactlyOnceRequired && (seen[want[0]] != 1 || seen[want[2]] != 1) {
				t.Errorf("told %v", seen)
			}
		})
	}
}

// With errors.tolerance=all it goes to the dead letters, in its place and whole, with where it stands; what comes before and after goes on. What the
// dead letters do not take either loses its largest columns, and says which.
func TestARefusedChangeIsSetAside(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		for _, letters := range []int{0, 40_000} {
			t.Run(fmt.Sprint(way, ", letters of ", letters), func(t *testing.T) { t.Parallel(); setsAside(t, way, letters) })
		}
	}
}

func setsAside(t *testing.T, way string, letters int) {
	w := newWorld(t, pgtest.Database(t), contacts+`; INSERT INTO contact (name, note) VALUES ('old', repeat('o', 70000))`)
	w.config.ExactlyOnceSupport, w.config.Tolerance, w.config.DeadLetterTopic = way, config.TolerateAll, "dead"
	w.kafka.setLimit("crm.public.contact", 30_000)
	w.kafka.setLimit("dead", letters)
	s := w.start(t)
	w.exec(t, `BEGIN; INSERT INTO contact (name) VALUES ('before'); INSERT INTO contact (name, phone, note) VALUES ('large', 'p', repeat('n', 60000)); INSERT INTO contact (name) VALUES ('after'); COMMIT`)
	w.exec(t, `INSERT INTO contact (name, note) VALUES ('large too', repeat('n', 35000))`)
	var last Record
	dead := map[string]Record{}
	w.kafka.await(t, "the last", func(records []Record) bool {
		for _, r := range records {
			if last = r; r.Topic == "dead" {
				dead[string(r.Key)] = r
			}
		}
		return string(last.Key) == `{"id":5}` && len(dead) == 3
	})
	for id, table := range map[string]string{`{"id":1}`: "r", `{"id":3}`: "c", `{"id":5}`: "c"} {
		r := dead[id]
		e := decoded(t, r)
		if string(e.Op) != table || header(r, headerErrorTopic) != "crm.public.contact" || header(r, headerErrorTable) != "public.contact" ||
			header(r, headerErrorLSN) != e.Source.LSN.String() || header(r, headerErrorStage) == "" || header(r, headerErrorConnector) != "cdc" {
			t.Errorf("the letter of %s: %s, with headers %q", id, e.Op, r.Headers)
		}
		note, _ := e.After.Text("note")
		if whole := letters == 0 || id == `{"id":5}`; whole != (header(r, HeaderCut) == "") || whole != (len(note) >= 35000) {
			t.Errorf("the letter of %s: cut %q, a note of %d bytes", id, header(r, HeaderCut), len(note))
		}
	}
	if n := s.Status().Aside; n < 3 {
		t.Errorf("%d were counted", n)
	}
	w.kafka.mu.Lock()
	defer w.kafka.mu.Unlock()
	var got []string
	for _, r := range w.kafka.records {
		if e := decoded(t, r); e.Op == change.Create {
			got = append(got, r.Topic+string(r.Key))
		}
	}
	want := `crm.public.contact{"id":2} dead{"id":3} crm.public.contact{"id":4} dead{"id":5}`
	if told := strings.Join(got, " "); told != want && way == exactlyOnceRequired || !strings.HasSuffix(told, want[strings.LastIndex(want, " "):]) {
		t.Errorf("told %s, want %s", told, want)
	}
}

// The first statement of a transaction may say who makes it: every event of it has that as a header, tombstones too, and no other event. It is no event itself.
func TestTheOriginOfATransactionIsAHeader(t *testing.T) {
	t.Parallel()
	for _, protocol := range []int{protocolWhole, protocolStreaming} {
		for _, messages := range []bool{true, false} {
			t.Run(fmt.Sprint("protocol ", protocol, ", messages ", messages), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, pgtest.Database(t), contacts)
				streamed(t, w)
				w.config.Protocol, w.config.SpillDir, w.config.Messages = protocol, t.TempDir(), messages
				w.start(t)
				mark := `SELECT pg_logical_emit_message(true, 'tandem.origin', 'crm/crm-sink'); `
				w.exec(t, `BEGIN; `+mark+`INSERT INTO contact (name) SELECT repeat('m', 300) FROM generate_series(1, 1000); DELETE FROM contact WHERE id = 7; UPDATE contact SET id = 7000 WHERE id = 8; COMMIT`)
				w.exec(t, `INSERT INTO contact (id, name) VALUES (5000, 'somebody')`)
				w.exec(t, `BEGIN; SAVEPOINT s; `+mark+`INSERT INTO contact (id, name) VALUES (5001, 'never'); ROLLBACK TO s; INSERT INTO contact (id, name) VALUES (5002, 'somebody'); COMMIT`)
				records := w.kafka.await(t, "all", func(r []Record) bool { return len(r) > 0 && string(r[len(r)-1].Key) == `{"id":5002}` })
				if len(records) != 1000+2+3+2 {
					t.Errorf("%d records", len(records))
				}
				for _, r := range records {
					want := "crm/crm-sink"
					if key := string(r.Key); key == `{"id":5000}` || key == `{"id":5002}` {
						want = ""
					}
					if got := header(r, change.HeaderOrigin); got != want || strings.Contains(r.Topic, "message") {
						t.Fatalf("%s %s: header %q, want %q", r.Topic, r.Key, got, want)
					}
				}
			})
		}
	}
}
