package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/examples/phone/e164"
	"github.com/tandem-sync/tandem/plugins/host"
	"github.com/tandem-sync/tandem/plugins/plugintest"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "phone")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "phone")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { os.RemoveAll(dir); os.Exit(code) }))
}

// The same suite judges the code and the process.
func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("in process", func(t *testing.T) {
		t.Parallel()
		plugintest.Run(t, plugintest.InProcess(e164.Plugin()), suite())
	})
	t.Run("over gRPC", func(t *testing.T) {
		t.Parallel()
		plugintest.Run(t, started, suite())
	})
}

func started(t *testing.T) plugintest.Subject {
	p, err := host.New(host.Config{Name: "phone", Command: []string{binary}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func suite() plugintest.Suite {
	text := change.TextValue
	typed := rapid.Map(rapid.StringMatching(`\+?[0-9 ().-]{0,18}(;ext=[0-9]{1,4})?|[a-z0-9]{0,6}`), text)
	type pair = plugintest.Pair[change.Value]
	return plugintest.Suite{
		Functions: []plugintest.Case[change.Value]{
			{
				Offer: "e164", Config: `{"region":"FR"}`,
				Pairs: []pair{
					{Row: text("06 12 34 56 78"), Field: text("+33612345678"), Back: text("+33612345678")},
					{Row: text("+44 20 7031 3000"), Field: text("+442070313000"), Back: text("+442070313000")},
					{Row: text(" 01.23.45.67.89 ext. 12"), Field: text("+33123456789;ext=12"), Back: text("+33123456789;ext=12")},
					{Row: text(""), Field: text(""), Back: text("")},
					{Row: change.NullValue(), Field: change.NullValue(), Back: change.NullValue()},
				},
				BadRows:   []change.Value{text("ask Anna"), text("12"), change.IntValue(612345678)},
				BadFields: []change.Value{text("none")},
				Rows:      typed, Fields: typed,
			},
			{
				Offer: "e164", Config: `{"region":"FR","row":"national","invalid":"keep"}`,
				Pairs: []pair{
					{Row: text("0612345678"), Field: text("+33612345678"), Back: text("06 12 34 56 78")},
					{Row: text("+44 20 7031 3000"), Field: text("+442070313000"), Back: text("+44 20 7031 3000")},
					{Row: text(" ask Anna "), Field: text("ask Anna"), Back: text("ask Anna")},
					{Row: text("+4600000000"), Field: text("+4600000000"), Back: text("+4600000000")}, // each reading would take a zero away
				},
				Rows: typed, Fields: typed,
			},
		},
		Refused: []plugintest.Refused{
			{Offer: "e164", Config: `{}`, Paths: []string{"region"}},
			{Offer: "e164", Config: `{"region":"XX"}`, Paths: []string{"region"}},
			{Offer: "e164", Config: `{"region":7,"row":"loud","colour":"red","invalid":"keep","invalid":"park"}`,
				Paths: []string{"region", "row", "colour", "invalid"}},
		},
	}
}
