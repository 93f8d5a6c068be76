// Command hunt plays seeds until one fails, and says which oracle caught it. It is what a planted bug is built into.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/tandem-sync/tandem/cmd/tandem/simulation"
)

// Verdict is what the mutants' driver reads.
type Verdict struct {
	Played uint64
	Seed   uint64 // that failed; 0 if none did
	Oracle string
	Text   string
	Error  string
}

func main() {
	seeds := flag.Uint64("seeds", 5000, "how many seeds at most")
	first := flag.Uint64("first", 1, "the first seed")
	wire := flag.Bool("wire", false, "through the client that ships and the emulator")
	keep := flag.String("keep", "", "a file for the failing run, made small")
	why := flag.String("why", "", "what the file says of it")
	flag.Parse()
	debug.SetGCPercent(400)
	p := simulation.Play{First: *first, Seeds: *seeds, Wire: *wire, Workers: 1, Stop: true}
	sum, err := p.Run(context.Background())
	v := Verdict{Played: sum.Played}
	if err != nil {
		v.Error = err.Error()
	}
	if len(sum.Failing) > 0 {
		r := sum.Failing[0]
		v.Seed, v.Oracle, v.Text = r.Seed, r.Violations[0].Oracle, r.Violations[0].Text
	}
	if *keep != "" && v.Seed != 0 {
		if err := small(simulation.Options{Seed: v.Seed, Wire: *wire}, *keep, *why); err != nil {
			v.Error = err.Error()
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// small keeps a failing run as testdata/seeds does.
func small(o simulation.Options, file, why string) error {
	o, _, err := simulation.Shrink(o, 400)
	if err != nil {
		return err
	}
	data, err := simulation.Keep(o, why)
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644) //nolint:gosec // it holds nothing secret
}
