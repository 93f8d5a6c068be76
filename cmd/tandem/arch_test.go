package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The architecture of docs/adr/0001 as a test. It parses in the process: a test that asks `go list` would be cached.

const (
	module = "github.com/tandem-sync/tandem"
	root   = "../.."

	// everyAreaExists makes an area of the tables that is not there a failure, so that the tables do not go stale. False only
	// while the tree is being laid out.
	everyAreaExists = true
)

// arrows: area -> areas that it may import. "connector/*" are connector's libraries, "connector" is the runtime.
var arrows = map[string][]string{
	"connector/*": {"connector/*"},
	"connector":   {"connector/*"},
	"cdc":         {"cdc", "connector/*"},
	"sink":        {"sink", "connector/*"},
	"source":      {"source", "connector/*"},
	"plugins":     {"plugins", "connector/*"},
	"deploy":      {}, // files to embed, and tests
	"cmd":         {"cmd", "connector", "connector/*", "cdc", "sink", "source", "plugins", "deploy"},
}

// leaves import nothing of ours.
var leaves = []string{"connector/change", "connector/config", "connector/lifecycle", "connector/telemetry"}

// areas that must exist, beside those in arrows and leaves: the layout that was agreed on.
var areas = []string{
	"cmd/tandem", "connector/change", "connector/ledger", "connector/ledger/pgledger", "connector/ledger/memledger", "connector/ledger/ledgertest",
	"connector/mapping", "connector/lifecycle", "connector/config", "connector/kafka", "connector/postgres", "connector/postgres/pgtest",
	"connector/notionapi", "connector/notionapi/emulator", "connector/telemetry", "cdc", "sink", "sink/notion", "sink/crm", "source/notion",
	"plugins/sdk", "plugins/rpc", "plugins/host", "plugins/builtin", "plugins/examples", "docs", "docs/adr",
}

// topLevel is what may stand at the top, and what must.
var (
	topLevelMust = []string{"cmd", "connector", "cdc", "sink", "source", "plugins", "deploy", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE", "CHANGELOG.md", "docs", ".ci"}
	topLevelMay  = []string{"NOTICE", "CONTRIBUTING.md", "SECURITY.md", ".git", ".github", ".gitignore", ".gitattributes", ".editorconfig", ".golangci.yml", ".dockerignore"}
	// what targets of the Makefile leave behind, and git ignores
	topLevelMade = []string{"bin", "dist", "coverage.out", "coverage.html", ".idea", ".vscode", ".env", ".DS_Store"}
)

// file is a Go file with what it imports of ours, as folders below the root.
type file struct {
	path    string // "sink/notion/schema.go"
	imports []string
	others  []string // the import paths that are not ours
}

func (f file) dir() string  { return path.Dir(f.path) }
func (f file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") || isSuite(f.dir()) }

// allowed says whether package from may import package to, and the rule by which it may not.
func allowed(from, to string, test bool) (bool, string) {
	switch {
	case isSuite(to):
		return test, "suites and fakes are imported by tests only"
	case test && under(to, "connector") && to != "connector" && area(from) != "plugins":
		return true, ""
	case test && from == to: // an external test package of the same folder
		return true, ""
	case from == "connector/change" || slices.Contains(leaves, from):
		return false, "a leaf imports nothing of ours"
	case under(from, "plugins/sdk"):
		return to == "connector/change" || under(to, "plugins/sdk") || test && under(to, "plugins"),
			"plugin authors get the vocabulary (connector/change) and nothing else"
	case under(from, "plugins/examples"):
		return to == "connector/change" || to == "plugins/sdk" || to == "plugins/rpc" || under(to, "plugins/examples") || test && under(to, "plugins"),
			"examples are written as a stranger would: with the SDK, and plugins/rpc to serve"
	}
	return slices.Contains(arrows[area(from)], area(to)), fmt.Sprintf("%s may import %s", area(from), strings.Join(arrows[area(from)], ", "))
}

func area(dir string) string {
	first, _, deep := strings.Cut(dir, "/")
	if first == "connector" && deep {
		return "connector/*"
	}
	return first
}

func under(dir, top string) bool { return dir == top || strings.HasPrefix(dir, top+"/") }

// isSuite tells whether a package is for tests: one of its folders is called …test or …fake.
func isSuite(dir string) bool {
	for part := range strings.SplitSeq(dir, "/") {
		if part != "test" && strings.HasSuffix(part, "test") || strings.HasSuffix(part, "fake") {
			return true
		}
	}
	return false
}

func TestArrowsPointDown(t *testing.T) {
	t.Parallel()
	files := goFiles(t)
	if len(files) < 50 {
		t.Fatalf("%d Go files found: is this the root?", len(files))
	}
	for _, f := range files {
		if _, known := arrows[area(f.dir())]; !known {
			t.Errorf("%s stands in no area that the layout knows", f.path)
			continue
		}
		for _, to := range f.imports {
			if ok, rule := allowed(f.dir(), to, f.isTest()); !ok {
				t.Errorf("%s imports %s: %s", f.path, to, rule)
			}
		}
	}
}

// The rules themselves are tested with arrows that somebody once found convenient.
func TestTheArrowTestCanFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		test, ok bool
	}{
		{"sink/notion", "connector/ledger", false, true},
		{"sink/notion", "sink", false, true},
		{"sink/notion", "connector", false, false},
		{"sink/notion", "connector", true, false},
		{"sink/notion", "cdc", false, false},
		{"sink/crm", "source/notion", false, false},
		{"sink/crm", "source/notion", true, false},
		{"source/notion", "plugins/sdk", false, false},
		{"cdc", "plugins/host", false, false},
		{"connector/mapping", "sink", false, false},
		{"connector/mapping", "connector", false, false},
		{"connector/kafka", "connector/config", false, true},
		{"connector/change", "connector/config", false, false},
		{"connector/telemetry", "connector/lifecycle", false, false},
		{"connector/telemetry", "connector/lifecycle/lifecycletest", true, true},
		{"connector", "connector/lifecycle", false, true},
		{"connector", "cdc", false, false},
		{"plugins/sdk", "connector/change", false, true},
		{"plugins/sdk", "connector/mapping", false, false},
		{"plugins/sdk", "plugins/host", false, false},
		{"plugins/examples/phone", "plugins/builtin", false, false},
		{"plugins/host", "plugins/rpc", false, true},
		{"plugins/host", "sink", false, false},
		{"connector/ledger/pgledger", "connector/ledger/ledgertest", false, false},
		{"connector/ledger/pgledger", "connector/ledger/ledgertest", true, true},
		{"cmd/tandem", "connector/postgres/pgtest", false, false},
		{"cmd/tandem", "connector/ledger/memledger", false, true},
		{"cmd/tandem", "connector/notionapi/emulator", false, true},
		{"deploy", "cmd/tandem", false, false},
		{"cmd/tandem/demo", "deploy", false, true},
		{"sink", "deploy", false, false},
	} {
		if got, _ := allowed(c.from, c.to, c.test); got != c.ok {
			t.Errorf("%s -> %s (test: %v) allowed: %v, want %v", c.from, c.to, c.test, got, c.ok)
		}
	}
}

func TestEveryAreaOfTheTablesExists(t *testing.T) {
	t.Parallel()
	all := slices.Concat(areas, leaves)
	for a := range arrows {
		all = append(all, strings.TrimSuffix(a, "/*"))
	}
	for _, a := range all {
		if info, err := os.Stat(filepath.Join(root, filepath.FromSlash(a))); err == nil && info.IsDir() {
			continue
		}
		if everyAreaExists {
			t.Errorf("%s is in the tables and not in the tree: one of them is stale", a)
		} else {
			t.Logf("%s is not there yet", a)
		}
	}
}

func TestTopLevelIsWhatWasAgreed(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		if !slices.Contains(slices.Concat(topLevelMust, topLevelMay, topLevelMade), e.Name()) {
			t.Errorf("%s stands at the top level, which was agreed on; put it into one of the areas", e.Name())
		}
	}
	for _, must := range topLevelMust {
		if !slices.Contains(names, must) && everyAreaExists {
			t.Errorf("%s is missing at the top level", must)
		}
	}
}

// connector/change is in every plugin, so it brings nothing along.
func TestChangeIsStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		for _, to := range f.others {
			if f.dir() == "connector/change" && !f.isTest() && strings.Contains(strings.Split(to, "/")[0], ".") {
				t.Errorf("%s imports %s: this package is stdlib only", f.path, to)
			}
		}
	}
}

// Decide and Gate see images, base, policy and clocks, and return effects. What is in that folder can do nothing else.
func TestLedgerDecidesWithoutTheWorld(t *testing.T) {
	t.Parallel()
	found := 0
	for _, f := range goFiles(t) {
		if f.dir() != "connector/ledger" || f.isTest() {
			continue
		}
		found++
		for _, complaint := range impure(t, filepath.Join(root, f.path), nil) {
			t.Error(complaint)
		}
	}
	if found == 0 && everyAreaExists {
		t.Error("connector/ledger has no Go files")
	}
}

func TestThePurityTestCanFail(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`import "os"; var _ = os.Args`:                                             "imports os",
		`import "net/http"; var _ = http.StatusOK`:                                 "imports net/http",
		`import "math/rand/v2"; var _ = rand.Int`:                                  "imports math/rand/v2",
		`import "time"; func f() time.Time { return time.Now() }`:                  "uses time.Now",
		`import clock "time"; func f() { clock.Sleep(1) }`:                         "uses time.Sleep",
		`func f() { go func() {}() }`:                                              "starts a goroutine",
		`func f() { select {} }`:                                                   "waits in a select",
		`import "time"; func f(now time.Time) bool { return now.Add(1).IsZero() }`: "",
	} {
		got := impure(t, "planted.go", []byte("package ledger\n"+text))
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.Contains(got[0], want)) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// impure lists what a file does that a pure one cannot. src is nil to read the file.
func impure(t *testing.T, name string, src []byte) (out []string) {
	t.Helper()
	set := token.NewFileSet()
	var text any
	if src != nil {
		text = src
	}
	parsed, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	complain := func(pos token.Pos, what string) {
		out = append(out, fmt.Sprintf("%s %s, and decisions are pure: pass the value in", set.Position(pos), what))
	}
	clock := ""
	for _, spec := range parsed.Imports {
		to := importPath(t, spec)
		if forbiddenToLedger(to) {
			complain(spec.Pos(), "imports "+to)
		}
		if to == "time" {
			if clock = "time"; spec.Name != nil {
				clock = spec.Name.Name
			}
		}
	}
	readsClock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			complain(n.Pos(), "starts a goroutine")
		case *ast.SelectStmt:
			complain(n.Pos(), "waits in a select")
		case *ast.SelectorExpr:
			if of, ok := n.X.(*ast.Ident); ok && clock != "" && of.Name == clock && slices.Contains(readsClock, n.Sel.Name) {
				complain(n.Pos(), "uses time."+n.Sel.Name)
			}
		}
		return true
	})
	return out
}

func forbiddenToLedger(to string) bool {
	for _, f := range []string{"os", "net", "io", "syscall", "math/rand", "crypto/rand", "database/sql", "log", "runtime", "unsafe", "sync"} {
		if under(to, f) {
			return true
		}
	}
	return strings.Contains(strings.Split(to, "/")[0], ".") && !strings.HasPrefix(to, module+"/connector/")
}

// goFiles parses the imports of every Go file below the root. Programs under testdata are nobody's part.
func goFiles(t *testing.T) (out []file) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && name != root && (strings.HasPrefix(base, ".") || slices.Contains([]string{"testdata", "node_modules", "bin", "dist"}, base)) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(base, ".go") {
			return nil
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f := file{path: filepath.ToSlash(relative)}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			to := importPath(t, spec)
			if ours, ok := strings.CutPrefix(to, module+"/"); ok {
				f.imports = append(f.imports, ours)
			} else {
				f.others = append(f.others, to)
			}
		}
		out = append(out, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func importPath(t *testing.T, spec *ast.ImportSpec) string {
	t.Helper()
	to, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		t.Fatal(err)
	}
	return to
}
