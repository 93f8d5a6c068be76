package change

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Connect writes keys in headers with another converter than keys: characters beyond the first plane stand there as they are. Debezium does not escape control
// characters either, so that its header is no JSON; ours is.
func TestTextInHeadersIsNotPaired(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a":            `{"k":"a"}`,
		"é中":           `{"k":"é中"}`,
		"😀":            `{"k":"😀"}`,
		`\uD83D\uDE00`: `{"k":"\\uD83D\\uDE00"}`,
		"\\😀\t\"😀😀":    `{"k":"\\😀\t\"😀😀"}`,
		"\x01😀":        `{"k":"\u0001😀"}`,
	} {
		e := &Event{NewKey: Row{{Name: "k", Type: Type{Name: "text", Modifier: -1}, Value: TextValue(text)}}}
		headers := Format{}.Headers(e)
		if diff := cmp.Diff(want, string(headers[0].Value)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		if back, err := decodeHeaderKey(headers[0].Value); err != nil || back == nil {
			t.Errorf("%q is not read back: %v", text, err)
		}
	}
}

// JSON in a text was escaped twice beyond the first plane. The theme "random" of make parity found it (-seed 3).
func TestHstoreIsEscapedOnce(t *testing.T) {
	t.Parallel()
	hstore, value := Type{Name: "hstore", Modifier: -1}, TextValue(`"a"=>"😀\t"`)
	for mode, want := range map[string]string{"json": `"{\"a\":\"\uD83D\uDE00t\"}"`, "map": `{"a":"\uD83D\uDE00t"}`} {
		if got := string(Format{HstoreMode: mode}.AppendColumn(nil, hstore, value)); got != want {
			t.Errorf("%s: got %s, want %s", mode, got, want)
		}
	}
}
