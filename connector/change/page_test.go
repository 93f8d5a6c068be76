package change

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func samplePage() *PageEvent {
	edited := time.Date(2026, 11, 22, 8, 41, 0, 0, time.UTC)
	return &PageEvent{
		Op: Update, At: edited.Add(75 * time.Second),
		Page: Page{ID: "1f0c", Parent: json.RawMessage(`{"type":"data_source_id","data_source_id":"d5"}`),
			Properties: map[string]json.RawMessage{"title": json.RawMessage(`{"type":"title","title":[]}`), "%3AUPp": json.RawMessage(`{"id":"%3AUPp","number":12345678901234567890}`)}},
		Source: PageSource{Version: "1.0", Name: "notion", Entity: "contact", DataSource: "d5", Edited: edited, ReadFrom: edited.Add(70 * time.Second),
			ReadTo: edited.Add(71 * time.Second), Seq: 3, Via: ViaPoll, Created: edited.Add(-time.Hour), CreatedBy: "u1", LastEditedBy: "u2", Authors: []string{"u2"}},
	}
}

func TestPageEventsRoundTrip(t *testing.T) {
	t.Parallel()
	trashed, first := samplePage(), samplePage()
	trashed.Op, trashed.Page.InTrash, trashed.Source.Via = Delete, true, ViaWebhook
	first.Op, first.Source.Via = Read, ViaSweep
	for _, want := range []*PageEvent{samplePage(), trashed, first} {
		value, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "page_"+string(want.Op)+".value.json", value)
		got, err := DecodePage(value)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Op, diff)
		}
		envelope, err := Decode(want.Key(), value, nil) // the same envelope: general tools must read it too
		if err != nil {
			t.Fatal(err)
		}
		if id, _ := envelope.Key.Text("page_id"); id != want.Page.ID || envelope.Source.Connector != "notion" {
			t.Errorf("%s: as an envelope: %+v", want.Op, envelope)
		}
	}
}

// A poller's mistake must not become a deleted customer.
func TestPageEventsAreCheckedOnBothSides(t *testing.T) {
	t.Parallel()
	bad := samplePage()
	bad.Op, bad.Source.Via, bad.Source.Edited = Delete, "guess", bad.Source.Edited.Add(time.Second)
	_, err := bad.Encode()
	for _, want := range []string{"only a page read as trashed is a d", `via "guess"`, "is not a whole minute"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	good, err := samplePage().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for old, replacement := range map[string]string{`"op":"u"`: `"op":"d"`, `"via":"poll"`: `"via":""`, `"connector":"notion"`: `"connector":"postgresql"`} {
		if _, err := DecodePage([]byte(strings.Replace(string(good), old, replacement, 1))); err == nil {
			t.Errorf("%s was accepted", replacement)
		}
	}
}
