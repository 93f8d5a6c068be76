package e2e

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// patience is how long a test waits for what will come. Only a test that fails waits so long, and on two busy cores a minute is little.
const patience = 4 * time.Minute

// eventually waits until check finds nothing to complain of. Real servers are in between, so there is nothing to be told by.
func (w *world) eventually(what string, check func() string) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for pause := 50 * time.Millisecond; ; pause = min(pause*3/2, 500*time.Millisecond) { // looking costs the machine what is looked for
		complaint := check()
		if complaint == "" {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: not within %s: %s", what, patience, complaint)
		}
		time.Sleep(pause)
	}
}

// idle waits until nothing is left to do and nothing is on its way. That no work is left is true as well before the event has come
// that makes some; so for a while, in which every data source is polled anew and the index forgets nothing, there must be no work, and
// then no record that a sink has not read. What was committed in the CRM last has to be waited for before: it may not be in Kafka yet.
func (w *world) idle() {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.kafka...))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	since, polled, last := time.Now(), w.front.pollsSoFar(), "nothing"
	w.eventually("nothing is left to do", func() string {
		moves := w.moves()
		if moves == "" && (time.Since(since) < 2*indexLag || !w.front.polledSince(polled)) {
			return fmt.Sprintf("it was only just done; %s ago there was: %s; polls then %v, now %v", time.Since(since).Round(time.Second), last, polled, w.front.pollsSoFar())
		}
		if moves == "" {
			moves = w.unread(kadm.NewClient(client))
		}
		if moves == "" {
			moves = w.moves() // of the last record's reason: it is there before the offset is committed
		}
		if moves != "" {
			since, polled, last = time.Now(), w.front.pollsSoFar(), moves
		}
		return moves
	})
}

// moves names what goes on by itself.
func (w *world) moves() string {
	if waits := w.waiting(); waits != "" {
		return waits
	}
	return w.one(`SELECT CASE WHEN count(*) > 0 THEN count(*) || ' alerts are not published' ELSE '' END FROM tandem.alert WHERE delivered_at IS NULL`)
}

// waiting names the work that is neither done nor parked. What refers to a page that a person put in the trash waits for that person:
// it is tried again now and then.
func (w *world) waiting() string {
	return w.one(`WITH refers AS (
		SELECT 'opportunity' AS entity, id::text AS key, 'contact' AS target, contact_id::text AS to_key FROM opportunity
		UNION SELECT 'opportunity', opportunity_id::text, 'contact', contact_id::text FROM opportunity_contact
		UNION SELECT 'task', id::text, 'contact', contact_id::text FROM task
		UNION SELECT 'task', id::text, 'opportunity', opportunity_id::text FROM task)
	SELECT coalesce(string_agg(line, ', '), '') FROM (
		SELECT w.entity || ' to ' || side || ': ' || count(*) || ' (' || min(why) || ')' AS line FROM tandem.work w JOIN tandem.link l ON l.id = w.link
		WHERE parked = '' AND NOT (attempts > 0 AND EXISTS (SELECT FROM refers r JOIN tandem.link t ON t.entity = r.target AND t.key = r.to_key
			WHERE r.entity = w.entity AND r.key = l.key AND t.state = 'page_trashed'))
		GROUP BY w.entity, side) AS lines`)
}

// labels are the tables that are looked up only: their records are for other readers than the sinks.
var labels = map[string]bool{"public.company": true, "public.tag": true}

// unread names a topic with records that a sink has not taken yet.
func (w *world) unread(admin *kadm.Client) string {
	for sink, prefix := range map[string]string{"notion-sink": "crm-" + w.id + ".", "crm-sink": "notion-" + w.id + "."} {
		group := "connect-" + sink + "-" + w.id
		committed, err := admin.FetchOffsets(w.t.Context(), group)
		if err != nil {
			return "offsets of " + group + ": " + err.Error()
		}
		ends, err := admin.ListEndOffsets(w.t.Context())
		if err != nil {
			return "the topics' ends: " + err.Error()
		}
		for topic, partitions := range ends {
			for partition, end := range partitions {
				at, _ := committed.Lookup(topic, partition)
				if strings.HasPrefix(topic, prefix) && !labels[strings.TrimPrefix(topic, prefix)] && at.At < end.Offset {
					return fmt.Sprintf("%s is at %d of %d in %s/%d", group, at.At, end.Offset, topic, partition)
				}
			}
		}
	}
	return ""
}

// pollsSoFar counts the polls of each data source.
func (f *front) pollsSoFar() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.polls)
}

// polledSince reports whether every data source was polled, from the beginning to the end, after some count: when a third poll begins the
// second is over, and what it found is in Kafka.
func (f *front) polledSince(before map[string]int) bool {
	for path, n := range f.pollsSoFar() {
		if n < before[path]+3 {
			return false
		}
	}
	return true
}

// records reads a topic from its beginning to its present end.
func (w *world) records(topic string) (out []*kgo.Record) {
	w.t.Helper()
	w.read(topic, func(r *kgo.Record) { out = append(out, r) })
	return out
}

// read is records for topics that memory does not hold.
func (w *world) read(topic string, each func(*kgo.Record)) {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.kafka...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords()) // the last offsets may be a transaction's end
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(w.t.Context(), topic)
	if err == nil {
		err = ends.Error()
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return
	}
	if err != nil {
		w.t.Fatalf("the end of %s: %v", topic, err)
	}
	left := map[int32]int64{} // partition → its end, as long as that has not been read
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	for len(left) > 0 {
		fetches := client.PollFetches(w.t.Context())
		if err := fetches.Err(); err != nil {
			w.t.Fatalf("read %s: %v", topic, err)
		}
		for _, r := range fetches.Records() {
			if !r.Attrs.IsControl() {
				each(r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		}
	}
}
