package notionapi_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

// notes is a recorder that keeps what it is told; while away is set it takes nothing.
type notes struct {
	sent     []notionapi.Sending
	answered map[int64]notionapi.Answered
	away     error
}

func (n *notes) Sending(_ context.Context, s notionapi.Sending) (int64, error) {
	if n.away == nil {
		n.sent = append(n.sent, s)
	}
	return int64(len(n.sent)), n.away
}

func (n *notes) Answered(_ context.Context, of int64, a notionapi.Answered) error {
	n.answered[of] = a
	return nil
}

// What changes something in Notion is written down before it leaves, each attempt by itself, with what came of it; what cannot be written down is not sent.
func TestChangesAreWrittenDownFirst(t *testing.T) {
	t.Parallel()
	n := &notes{answered: map[int64]notionapi.Answered{}}
	w := newWorld(t, func(_ *emulator.Config, c *notionapi.Config) { c.Recorder = n })
	ds := w.source(t, "People")
	before := len(n.sent)
	if err := w.emu.Inject(emulator.Fault{Kind: emulator.FaultUnavailable, Method: "POST", Path: "/v1/pages", Count: 1}); err != nil {
		t.Fatal(err)
	}
	page, err := w.client.CreatePage(t.Context(), notionapi.NewPage{DataSourceID: ds.ID})
	if err == nil {
		t.Fatal("the first attempt should be of unknown outcome")
	}
	if page, err = w.client.CreatePage(t.Context(), notionapi.NewPage{DataSourceID: ds.ID}); err != nil {
		t.Fatal(err)
	}
	trash := true
	if _, err := w.client.UpdatePage(t.Context(), page.ID, notionapi.PageUpdate{InTrash: &trash}); err != nil {
		t.Fatal(err)
	}
	for range w.client.Rows(t.Context(), ds.ID, notionapi.Query{}) { //nolint:revive // a read, however its method is called
	}
	sent := n.sent[before:]
	if len(sent) != 3 || sent[2].Path != "/v1/pages/"+page.ID || !slices.Equal(sent[2].Parts, []string{"in_trash"}) {
		t.Fatalf("%+v", sent)
	}
	first, second := n.answered[int64(before+1)], n.answered[int64(before+2)]
	if first.Applied || first.Outcome != notionapi.OutcomeUnknown || first.RequestID == "" {
		t.Errorf("the attempt that failed: %+v", first)
	}
	if !second.Applied || second.Status != 200 || second.RequestID == "" || second.Made != page.ID {
		t.Errorf("the one that did not: %+v", second)
	}
	n.away = errors.New("the ledger is away")
	trash = false
	if _, err := w.client.UpdatePage(t.Context(), page.ID, notionapi.PageUpdate{InTrash: &trash}); err == nil || notionapi.Unknown(err) {
		t.Errorf("a change that could not be written down: %v", err)
	}
	if got, err := w.client.Page(t.Context(), page.ID); err != nil || !got.InTrash {
		t.Errorf("it was sent all the same: %+v %v", got.InTrash, err)
	}
}
