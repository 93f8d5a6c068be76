// Command mutants shows that the simulation would find bugs: it plants one after the other into the code (with go build -overlay, so that no file
// is touched), and plays seeds until an oracle catches it. A bug that no oracle catches is a hole in the simulation.
//
// A planted bug is a file in planted/: comment lines that say what it is, "wire" where it lies in the HTTP client, and edits, each of which must
// fit exactly once:
//
//	# what is wrong with it
//	file sink/page.go
//	<<<<
//	the code as it is
//	====
//	the code with the bug
//	>>>>
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

type options struct {
	root, dir string
	seeds     uint64
	only      string
	workers   int
	markdown  bool
	keep      string
	tmp       string
}

func run(ctx context.Context) error {
	var o options
	flag.StringVar(&o.root, "root", ".", "the repository")
	flag.StringVar(&o.dir, "dir", "cmd/tandem/simulation/mutants/planted", "where the planted bugs are")
	flag.Uint64Var(&o.seeds, "seeds", 5000, "how many seeds at most")
	flag.StringVar(&o.only, "only", "", "only bugs whose name contains this")
	flag.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "bugs at a time")
	flag.StringVar(&o.keep, "keep", "", "a folder for the run that caught each bug, made small, as in testdata/seeds")
	flag.BoolVar(&o.markdown, "markdown", false, "print the table as docs/simulation.md has it")
	flag.Parse()
	var err error
	if o.root, err = filepath.Abs(o.root); err != nil {
		return err
	}
	if o.tmp, err = os.MkdirTemp("", "mutants-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.tmp)
	bugs, err := load(o)
	if err != nil {
		return err
	}
	began := time.Now()
	results := hunt(ctx, o, bugs)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return report(o, results, time.Since(began))
}

// bug is one planted bug.
type bug struct {
	Name, What string
	Wire       bool
	Edits      []edit
}

type edit struct{ File, Old, New string }

func load(o options) ([]bug, error) {
	files, err := filepath.Glob(filepath.Join(o.root, o.dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var bugs []bug
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if !strings.Contains(name, o.only) {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		b, err := parse(name, string(data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		bugs = append(bugs, b)
	}
	if len(bugs) == 0 {
		return nil, fmt.Errorf("no planted bugs in %s", o.dir)
	}
	return bugs, nil
}

func parse(name, text string) (bug, error) {
	b := bug{Name: name}
	file := ""
	var old, next []string
	part := 0 // 1: in the old code, 2: in the new
	for _, line := range strings.Split(text, "\n") {
		switch {
		case line == "<<<<" && part == 0:
			part, old, next = 1, nil, nil
		case line == "====" && part == 1:
			part = 2
		case line == ">>>>" && part == 2:
			part = 0
			b.Edits = append(b.Edits, edit{file, strings.Join(old, "\n"), strings.Join(next, "\n")})
		case part == 1:
			old = append(old, line)
		case part == 2:
			next = append(next, line)
		case strings.HasPrefix(line, "# "):
			b.What = strings.TrimSpace(b.What + " " + line[2:])
		case line == "wire":
			b.Wire = true
		case strings.HasPrefix(line, "file "):
			file = strings.TrimPrefix(line, "file ")
		case strings.TrimSpace(line) != "":
			return b, fmt.Errorf("what is %q?", line)
		}
	}
	if part != 0 || len(b.Edits) == 0 || b.What == "" {
		return b, errors.New("it needs a comment and at least one whole edit")
	}
	return b, nil
}

// result is what became of one bug.
type result struct {
	Bug     bug
	Verdict struct {
		Played, Seed uint64
		Oracle, Text string
		Error        string
	}
	Err  error
	Took time.Duration
}

func (r result) caught() bool { return r.Err == nil && r.Verdict.Seed != 0 }

func hunt(ctx context.Context, o options, bugs []bug) []result {
	results := make([]result, len(bugs))
	began := time.Now()
	var mu sync.Mutex
	done := 0
	var wg sync.WaitGroup
	slots := make(chan struct{}, max(1, o.workers))
	for i, b := range bugs {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			r := one(ctx, o, b)
			mu.Lock()
			defer mu.Unlock()
			results[i] = r
			done++
			left := time.Duration(float64(time.Since(began)) / float64(done) * float64(len(bugs)-done)).Round(time.Second)
			fmt.Fprintf(os.Stderr, "%d of %d  %-32s %s  (about %s left)\n", done, len(bugs), b.Name, r.short(), left)
		})
	}
	wg.Wait()
	return results
}

func (r result) short() string {
	switch {
	case r.Err != nil:
		return "ERROR " + r.Err.Error()
	case r.caught():
		return fmt.Sprintf("caught by %s at seed %d, %s", r.Verdict.Oracle, r.Verdict.Seed, r.Took.Round(time.Second))
	}
	return fmt.Sprintf("NOT CAUGHT in %d seeds, %s", r.Verdict.Played, r.Took.Round(time.Second))
}

// one builds a bug in, and plays.
func one(ctx context.Context, o options, b bug) (r result) {
	r.Bug = b
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	overlay, err := plant(o, b)
	if err != nil {
		r.Err = err
		return r
	}
	binary := filepath.Join(o.tmp, b.Name)
	build := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", binary, "./cmd/tandem/simulation/mutants/hunt")
	build.Dir = o.root
	if out, err := build.CombinedOutput(); err != nil {
		r.Err = fmt.Errorf("build: %w: %s", err, out)
		return r
	}
	defer os.Remove(binary)
	play := exec.CommandContext(ctx, binary, "-seeds", fmt.Sprint(o.seeds))
	if b.Wire {
		play.Args = append(play.Args, "-wire")
	}
	if o.keep != "" {
		play.Args = append(play.Args, "-keep", filepath.Join(o.keep, b.Name+".json"), "-why", "planted: "+b.What)
	}
	var errs bytes.Buffer
	play.Stderr = &errs
	out, err := play.Output()
	if err != nil { // it fell over: a panic is a catch as well
		r.Verdict.Seed, r.Verdict.Oracle, r.Verdict.Text = 1, "panic", firstLine(errs.String())
		return r
	}
	if err := json.Unmarshal(out, &r.Verdict); err != nil {
		r.Err = fmt.Errorf("read the verdict: %w", err)
	}
	if r.Verdict.Error != "" {
		r.Verdict.Seed, r.Verdict.Oracle, r.Verdict.Text = max(r.Verdict.Seed, 1), "error", r.Verdict.Error
	}
	return r
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// plant writes the changed files and the overlay that puts them in their places.
func plant(o options, b bug) (string, error) {
	replace := map[string]string{}
	texts := map[string]string{}
	for _, e := range b.Edits {
		path := filepath.Join(o.root, e.File)
		text, ok := texts[path]
		if !ok {
			data, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			text = string(data)
		}
		if n := strings.Count(text, e.Old); n != 1 {
			return "", fmt.Errorf("its code stands %d times in %s: plant it anew", n, e.File)
		}
		texts[path] = strings.Replace(text, e.Old, e.New, 1)
	}
	for path, text := range texts {
		file := filepath.Join(o.tmp, b.Name+"-"+strings.ReplaceAll(strings.TrimPrefix(path, o.root+"/"), "/", "-"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[path] = file
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(o.tmp, b.Name+".json")
	return overlay, os.WriteFile(overlay, data, 0o600)
}

func report(o options, results []result, took time.Duration) error {
	caught, seeds := 0, []uint64{}
	for _, r := range results {
		if r.caught() {
			caught++
			seeds = append(seeds, r.Verdict.Played)
		}
	}
	if o.markdown {
		fmt.Println("| planted bug | what is wrong with it | caught by | at seed |\n| --- | --- | --- | --- |")
		for _, r := range results {
			fmt.Printf("| %s | %s | %s | %d |\n", r.Bug.Name, r.Bug.What, r.Verdict.Oracle, r.Verdict.Seed)
		}
	} else {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "planted bug\tcaught by\tat seed\ttook\twhat was seen")
		for _, r := range results {
			text := []rune(r.Verdict.Text)
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", r.Bug.Name, r.Verdict.Oracle, r.Verdict.Seed, r.Took.Round(time.Second), string(text[:min(len(text), 110)]))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	slices.Sort(seeds)
	median := uint64(0)
	if len(seeds) > 0 {
		median = seeds[len(seeds)/2]
	}
	fmt.Printf("\nscore: %d of %d caught, half of them within %d seeds; %s\n", caught, len(results), median, took.Round(time.Second))
	if caught < len(results) {
		return fmt.Errorf("%d planted bugs were not caught", len(results)-caught)
	}
	return nil
}
