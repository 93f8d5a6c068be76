package main

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/config"
)

// A source that writes what the sink of its sync cannot read was found out by the first record, when everything ran.
func TestASinkIsNotGivenAvro(t *testing.T) {
	t.Parallel()
	a := newApp(slog.New(slog.DiscardHandler))
	doc := func(file string, pairs config.Map) document {
		return document{Document: config.Document{Name: file, Config: pairs}, file: file}
	}
	source := config.Map{"connector.class": "cdc.PostgresSource", "topic.prefix": "crm", "value.converter": "io.confluent.connect.avro.AvroConverter"}
	sink := config.Map{"connector.class": "sink.NotionSink"}
	got := []string{}
	for _, p := range a.formatProblems([]document{doc("cdc.json", source), doc("notion.json", sink)}) {
		got = append(got, p.Path)
	}
	if diff := cmp.Diff([]string{"cdc.json: value.converter"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, other := range map[string]config.Map{"another sync": {"connector.class": "sink.NotionSink", "sync": "other"}, "a sink that reads Notion's topics": {"connector.class": "sink.PostgresSink"}} {
		if found := a.formatProblems([]document{doc("cdc.json", source), doc("x.json", other)}); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
	source["value.converter"] = "json"
	if found := a.formatProblems([]document{doc("cdc.json", source), doc("notion.json", sink)}); len(found) > 0 {
		t.Errorf("JSON with schemas is read: %v", found)
	}
}
