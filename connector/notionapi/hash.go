package notionapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// ContentHash sums up what a page says for the properties (all, if none is named), whether it is in the trash, and where it stands. Two
// reads with equal hashes need no second look. A value that Notion cut, or that we do not understand, may hide an edit: then the
// minute of the page's last edit goes into the sum too.
func ContentHash(page Page, propertyIDs []string) string {
	ids := make([]string, 0, len(propertyIDs))
	for _, id := range propertyIDs {
		ids = append(ids, CanonicalID(id))
	}
	if propertyIDs == nil {
		for id, prop := range page.Properties {
			if prop.Type != TypeLastEditedTime && prop.Type != TypeLastEditedBy { // they differ after every edit of anything
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	h := sha256.New()
	hidden := false
	_, _ = fmt.Fprintf(h, "v1 %q %q %t %t\n", page.ID, page.Parent.DataSourceID, page.InTrash, page.IsArchived)
	for _, id := range slices.Compact(ids) {
		prop, there := page.Properties[id]
		_, _ = fmt.Fprintf(h, "%q %q %s\n", id, prop.Type, storedForm(prop.Value))
		hidden = hidden || prop.HasMore || (there && prop.Value.IsAbsent() && prop.Type != TypeButton)
	}
	if hidden {
		_, _ = fmt.Fprintf(h, "edited %s\n", page.Edited.UTC().Format(time.RFC3339))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func storedForm(v change.Value) string {
	if v.IsAbsent() {
		return "absent"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return v.Kind().String() + " " + v.String()
	}
	return string(text)
}
