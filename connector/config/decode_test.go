package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/config"
)

// pump is a component's configuration, as components write theirs.
type pump struct {
	config.Common
	Slot     string
	Password config.Secret
	Batch    int
	Rows     int64
	Share    float64
	Interval time.Duration
	Tables   []string
	Mode     mode
	Snapshot bool
	Producer map[string]string
}

type mode string

func (p *pump) Define(s *config.Set) {
	p.Common.Define(s)
	s.String(&p.Slot, config.Key{Name: "slot.name", Default: "tandem", Validate: config.Matches(`[a-z0-9_]{1,63}`, "must be lower-case letters, digits and underscores"), Doc: "The slot."})
	s.Password(&p.Password, config.Key{Name: "database.password", Required: true, Doc: "The password of the role. It never shows.", Validate: func(v string) error {
		if strings.ContainsAny(v, " \x00") {
			return fmt.Errorf("password %q has a blank", v)
		}
		return nil
	}})
	s.Int(&p.Batch, config.Key{Name: "batch.size", Default: "500", Validate: config.Between(1, 10_000)})
	s.Long(&p.Rows, config.Key{Name: "rows.max", Default: "5000000000"})
	s.Double(&p.Share, config.Key{Name: "share", Default: "0.5"})
	s.Duration(&p.Interval, config.Key{Name: "poll.interval.ms", Default: "300000", Validate: config.AtLeast(1000)})
	s.List(&p.Tables, config.Key{Name: "tables"})
	config.Enum(s, &p.Mode, config.Key{Name: "mode", Default: "observe"}, mode("observe"), mode("write"))
	s.Bool(&p.Snapshot, config.Key{Name: "snapshot", Default: "true"})
	s.Prefix(&p.Producer, config.Key{Name: "producer.override."})
}

func (p *pump) Validate() error {
	var problems config.Problems
	if p.Snapshot && len(p.Tables) == 0 {
		problems.Errorf("tables", "missing: a snapshot needs tables")
	}
	if p.Batch > 1000 && p.Share < 0.1 {
		problems.Errorf("batch.size", "is too large for this share")
	}
	return errors.Join(problems.Err())
}

func minimal(more ...string) config.Map {
	m := config.Map{"name": "p", "connector.class": "cdc.Pump", "database.password": hunter, "tables": "a"}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func TestDecodeFillsTheStruct(t *testing.T) {
	t.Parallel()
	var got pump
	problems := config.Decode(minimal("batch.size", " 10 ", "poll.interval.ms", "1500", "tables", " public.a ,, public.b,", "mode", "write",
		"snapshot", "FALSE", "rows.max", "9223372036854775807", "producer.override.linger.ms", "5", "database.password", "${env:PW}"),
		environment(map[string]string{"PW": hunter}), &got)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := pump{
		Common: config.Common{Name: "p", Class: "cdc.Pump", TasksMax: 1, Sync: "tandem", Tolerance: config.TolerateNone, RetryTimeout: -time.Millisecond, RetryDelayMax: time.Minute, LogErrors: true},
		Slot:   "tandem", Password: config.NewSecret(hunter), Batch: 10, Rows: 9223372036854775807, Share: 0.5, Interval: 1500 * time.Millisecond,
		Tables: []string{"public.a", "public.b"}, Mode: "write", Producer: map[string]string{"linger.ms": "5"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	var got pump
	problems := config.Decode(config.Map{
		"connector.class": "cdc.Pump", "slot.name": "My Slot", "batch.size": "many", "rows.max": "1.5", "share": "NaN", "poll.interval.ms": "5m",
		"mode": "wirte", "snapshot": "yes", "tasks.max": "0", "errors.tolerance": "some", "database.passwrod": hunter, "poll_interval": "3", "qwertz": "1",
	}, environment(nil), &got)
	want := []string{
		`name: missing: The connector's name, unique among connectors`,
		`tasks.max: must be between 1 and 64 (got "0")`,
		`errors.tolerance: must be one of none, all (got "some")`,
		`slot.name: must be lower-case letters, digits and underscores (got "My Slot")`,
		`database.password: missing: The password of the role`,
		`batch.size: must be a whole number (got "many")`,
		`rows.max: must be a whole number (got "1.5")`,
		`share: must be a number (got "NaN")`,
		`poll.interval.ms: must be milliseconds without a unit: 5 minutes are 300000 (got "5m")`,
		`mode: must be one of observe, write (got "wirte")`,
		`snapshot: must be true or false (got "yes")`,
		`tables: missing: a snapshot needs tables`,
		`warning: database.passwrod: unknown key, which nothing reads (did you mean database.password?)`,
		`warning: poll_interval: unknown key, which nothing reads`,
		`warning: qwertz: unknown key, which nothing reads`,
	}
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	if len(problems.Warnings()) != 3 || len(problems.Errors()) != 12 {
		t.Errorf("%d warnings, %d errors", len(problems.Warnings()), len(problems.Errors()))
	}
	if got.Interval != 5*time.Minute || got.Slot != "tandem" || got.Mode != "observe" || got.TasksMax != 1 {
		t.Errorf("a wrong key does not hold its default: %+v", got)
	}
}

func TestWarningsStopNothing(t *testing.T) {
	t.Parallel()
	problems := config.Decode(minimal("slot_name", "x"), environment(nil), new(pump))
	if problems.Err() != nil || len(problems) != 1 || problems[0].Detail != "did you mean slot.name?" {
		t.Errorf("problems = %v", problems)
	}
}

// The values of passwords and of references must not show in any message, however malformed they are and whatever
// a validator says of them.
func TestNoMessageHoldsASecret(t *testing.T) {
	t.Parallel()
	bad := "hunt er2 \x00 https://u:hunter2@h"
	r := environment(map[string]string{"BAD": bad})
	for _, m := range []config.Map{
		minimal("database.password", bad),
		minimal("database.password", "${env:BAD}"),
		minimal("database.password", "x${env:BAD}"),
		minimal("slot.name", "${env:BAD}"), minimal("batch.size", "${env:BAD}"), minimal("rows.max", "${env:BAD}"), minimal("share", "${env:BAD}"),
		minimal("poll.interval.ms", "${env:BAD}"), minimal("mode", "${env:BAD}"), minimal("snapshot", "${env:BAD}"),
		minimal("connector.class", "${env:BAD}", "name", "${env:BAD}"),
		minimal("producer.override.sasl", "${env:BAD}${env:NONE}"),
		minimal("databasepasswort", bad), minimal("database.password", "${env:NONE}${env:BAD}", "tables", ""),
		minimal("database.password", "a${hunter2:b}c"), minimal("database.password", "a${hunter2:x:b}c"), // a password that looks like a reference
	} {
		problems := config.Decode(m, r, new(pump))
		text := fmt.Sprint(problems, problems.Error()) + fmt.Sprintf("%#v %+v", problems, problems)
		if strings.Contains(text, "hunt") {
			t.Errorf("%v:\n%s", m, text)
		}
		if problems.Err() == nil && m["databasepasswort"] == "" && m["connector.class"] == "cdc.Pump" {
			t.Errorf("%v was accepted", m)
		}
	}
}

func FuzzDecodeLeaksNothing(f *testing.F) {
	f.Add("hunter2 with a blank", "9")
	f.Add("\x00\xff", "1e99")
	f.Fuzz(func(t *testing.T, secret, number string) {
		secret = "S3CR" + secret
		var p pump
		problems := config.Decode(minimal("database.password", secret, "batch.size", number, "mode", "${env:S}", "share", "${env:S}"),
			environment(map[string]string{"S": secret}), &p)
		if strings.Contains(problems.Error(), "S3CR") {
			t.Fatal(problems.Error())
		}
		if p.Batch < 1 || p.Batch > 10_000 {
			t.Fatalf("batch.size = %d was let through from %q", p.Batch, number)
		}
	})
}

func TestDefinitionsAreWhatTheAPIShows(t *testing.T) {
	t.Parallel()
	got := map[string]config.Definition{}
	for _, d := range config.Definitions(new(pump)) {
		got[d.Name] = d
	}
	for name, want := range map[string]config.Type{
		"name": config.TypeString, "connector.class": config.TypeClass, "tasks.max": config.TypeInt, "database.password": config.TypePassword,
		"rows.max": config.TypeLong, "share": config.TypeDouble, "poll.interval.ms": config.TypeLong, "tables": config.TypeList, "snapshot": config.TypeBoolean,
	} {
		if got[name].Type != want {
			t.Errorf("%s: type %s, want %s", name, got[name].Type, want)
		}
	}
	if d := got["poll.interval.ms"]; d.Default != "300000" || d.Importance != config.Medium {
		t.Errorf("poll.interval.ms = %+v", d)
	}
	if d := got["mode"]; !cmp.Equal(d.Values, []string{"observe", "write"}) {
		t.Errorf("mode's values = %q", d.Values)
	}
	if !got["producer.override."].Prefix {
		t.Error("producer.override. is not marked as a prefix")
	}
}

// sunk is a sink's configuration with nothing of its own.
type sunk struct {
	config.Common
	config.Sink
}

func (c *sunk) Define(s *config.Set) { c.Common.Define(s); c.Sink.Define(s) }

func TestSinkKeys(t *testing.T) {
	t.Parallel()
	base := map[string]string{"name": "s", "connector.class": "c"}
	for name, tc := range map[string]struct {
		with map[string]string
		want string
	}{
		"topics":      {map[string]string{"topics": "a,b"}, "no problem"},
		"regex":       {map[string]string{"topics.regex": `crm\.public\..*`}, "no problem"},
		"none":        {nil, "no problem"}, // they follow from the mappings
		"no replicas": {map[string]string{"errors.deadletterqueue.topic.replication.factor": "0"}, `errors.deadletterqueue.topic.replication.factor: must be between 1 and 32 (got "0")`},
		"both":        {map[string]string{"topics": "a", "topics.regex": "b"}, "topics.regex: cannot be given together with topics"},
		"bad regex":   {map[string]string{"topics.regex": "("}, "topics.regex: is not a regular expression: error parsing regexp: missing closing ): `(` (got \"(\")"},
		"letter loop": {map[string]string{"topics": "a,b", "errors.deadletterqueue.topic.name": "b"}, "errors.deadletterqueue.topic.name: is one of topics: dead letters would be read again for ever"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := config.Map{}
			for _, part := range []map[string]string{base, tc.with} {
				for k, v := range part {
					m[k] = v
				}
			}
			if got := config.Decode(m, environment(nil), new(sunk)).Error(); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
