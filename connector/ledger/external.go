package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// An external id is a UUID. Where the row is known for which it is made, its first 48 bits say which one it was, as a hash: a ledger that was lost, or
// restored from before the link, can tell the row's page from others. It is a hint, never proof: after a restore, sequences give keys a second time.

// externalLen is a UUID's length as text; version 8 (RFC 9562) is one whose bits are its maker's.
const externalLen = 36

// ExternalFor makes a random id say for which row it is.
func ExternalFor(random, sync, entity, key string) string {
	if len(random) != externalLen || key == "" {
		return random
	}
	return ExternalTag(sync, entity, key) + "-8" + random[15:]
}

// ExternalTag is what is common to all external ids of one row.
func ExternalTag(sync, entity, key string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", sync, entity, key))
	text := hex.EncodeToString(sum[:6])
	return text[:8] + "-" + text[8:]
}

// TagOf is the tag of an external id, "" if it has none.
func TagOf(external string) string {
	if len(external) != externalLen || external[14] != '8' {
		return ""
	}
	return external[:13]
}
