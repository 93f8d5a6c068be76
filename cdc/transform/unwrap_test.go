package transform

import (
	"strings"
	"testing"
)

func TestWhatIsWrongWithUnwrapping(t *testing.T) {
	t.Parallel()
	c := Config{Names: []string{"u", "f"}, Keys: map[string]string{"u.type": ExtractNewRecordState, "u.add.fields": "op,colour", "u.delete.tombstone.handling.mode": "lose", "u.drop.tombstones": "true",
		"f.type": Filter, "f.condition": "value.op == 'c'"}}
	text := c.Problems().Error()
	for _, want := range []string{`transforms.u.add.fields: "colour" is no field`, "transforms.u.delete.tombstone.handling.mode: ", "transforms.u.drop.tombstones: ", "must come last"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said in:\n%s", want, text)
		}
	}
}
