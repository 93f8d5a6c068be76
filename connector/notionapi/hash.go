package notionapi

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
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
	sum := make([]byte, 0, 128+64*len(ids))
	hidden := false
	sum = strconv.AppendQuote(append(sum, "v1 "...), page.ID)
	sum = strconv.AppendQuote(append(sum, ' '), page.Parent.DataSourceID)
	sum = strconv.AppendBool(append(sum, ' '), page.InTrash)
	sum = strconv.AppendBool(append(sum, ' '), page.IsArchived)
	sum = append(sum, '\n')
	for _, id := range slices.Compact(ids) {
		prop, there := page.Properties[id]
		sum = strconv.AppendQuote(sum, id)
		sum = strconv.AppendQuote(append(sum, ' '), prop.Type)
		sum = append(appendStored(append(sum, ' '), prop.Value), '\n')
		hidden = hidden || prop.HasMore || (there && prop.Value.IsAbsent() && prop.Type != TypeButton)
	}
	if hidden {
		sum = append(page.Edited.UTC().AppendFormat(append(sum, "edited "...), time.RFC3339), '\n')
	}
	hash := sha256.Sum256(sum)
	return hex.EncodeToString(hash[:])
}

func appendStored(dst []byte, v change.Value) []byte {
	if v.IsAbsent() {
		return append(dst, "absent"...)
	}
	return v.AppendJSON(dst)
}
