package simulation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Found is a run that failed once, as testdata/seeds keeps it: the seed, what of it is needed, and what it showed.
type Found struct {
	Why    string   `json:"why"` // what was wrong, and was mended
	Seed   uint64   `json:"seed"`
	Wire   bool     `json:"wire,omitempty"`
	Ops    string   `json:"ops,omitempty"` // "3,7-9"; left out: all
	Faults []string `json:"faults,omitempty"`
	Bare   bool     `json:"bare,omitempty"` // nothing goes wrong: no faults at all
}

// Options give the run.
func (f Found) Options() (Options, error) {
	o := Options{Seed: f.Seed, Wire: f.Wire, Faults: f.Faults}
	if f.Bare {
		o.Faults = []string{}
	}
	if f.Ops == "" {
		return o, nil
	}
	var err error
	o.Ops, err = ParseOps(f.Ops)
	return o, err
}

// Keep is a run as testdata/seeds takes it.
func Keep(o Options, why string) ([]byte, error) {
	f := Found{Why: why, Seed: o.Seed, Wire: o.Wire, Faults: o.Faults, Bare: o.Faults != nil && len(o.Faults) == 0}
	if o.Ops != nil {
		f.Ops = FormatOps(o.Ops)
	}
	return json.MarshalIndent(f, "", "  ")
}

// ParseOps reads a list of numbers and ranges, as in "3,7-9"; "none" is none.
func ParseOps(text string) ([]int, error) {
	ops := []int{}
	if text == "none" {
		return ops, nil
	}
	for _, part := range strings.Split(text, ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		from, err := strconv.Atoi(first)
		if err != nil {
			return nil, fmt.Errorf("read the operations %q: %w", text, err)
		}
		to, err := strconv.Atoi(last)
		if err != nil || to < from || to-from > 1_000_000 {
			return nil, fmt.Errorf("read the operations %q: %q is no range", text, part)
		}
		for op := from; op <= to; op++ {
			ops = append(ops, op)
		}
	}
	return ops, nil
}

// FormatOps is ParseOps the other way.
func FormatOps(ops []int) string {
	if len(ops) == 0 {
		return "none"
	}
	ops = slices.Sorted(slices.Values(ops))
	var b strings.Builder
	for i := 0; i < len(ops); {
		j := i
		for j+1 < len(ops) && ops[j+1] == ops[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(ops[i]))
		if j > i {
			b.WriteString("-" + strconv.Itoa(ops[j]))
		}
		i = j + 1
	}
	return b.String()
}
