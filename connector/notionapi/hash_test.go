package notionapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// The hash of a page stands in ledgers: written another way, every page would be told anew. This is how it was written first.
func TestContentHashStaysWhatItWas(t *testing.T) {
	t.Parallel()
	values := []change.Value{
		{}, change.NullValue(), change.TextValue(`quote " <b> é ` + "\u2028\xff"), change.BoolValue(true), change.DecimalValue("1.50"),
		change.TextSet("b", `a"`), change.ListValue(change.TextValue("x")), change.InstantValue(time.UnixMicro(1_700_000_000_000_000)), change.DateValue(20_000),
	}
	for i, v := range values {
		page := notionapi.Page{ID: "p", Parent: notionapi.Parent{DataSourceID: "d \"x\""}, InTrash: i%2 == 0, Edited: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC),
			Properties: map[string]notionapi.Property{"a%3B": {Type: "rich_text", Value: v}}}
		h := sha256.New()
		fmt.Fprintf(h, "v1 %q %q %t %t\n", page.ID, page.Parent.DataSourceID, page.InTrash, page.IsArchived)
		stored := "absent"
		if !v.IsAbsent() {
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			stored = string(text)
		}
		fmt.Fprintf(h, "%q %q %s\n", "a%3B", "rich_text", stored)
		if v.IsAbsent() {
			fmt.Fprintf(h, "edited %s\n", page.Edited.UTC().Format(time.RFC3339))
		}
		if got, want := notionapi.ContentHash(page, []string{"a%3B"}), hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%s: %s, and it was %s", v, got, want)
		}
	}
}
