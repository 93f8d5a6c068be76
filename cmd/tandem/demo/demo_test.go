package demo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rivo/uniseg"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/mapping"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheSameCountsGiveTheSameCRM(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(generate(CountsDefault), generate(CountsDefault), cmp.AllowUnexported(table{})); diff != "" {
		t.Error(diff)
	}
}

// What the demo claims to show is in its data.
func TestTheCRMHoldsWhatAddressBooksHold(t *testing.T) {
	t.Parallel()
	tables := map[string]table{}
	for _, tab := range generate(CountsDefault) {
		tables[tab.name] = tab
	}
	for name, want := range map[string]int{"contact": 500, "opportunity": 120, "task": 200} {
		if got := len(tables[name].rows); got != want {
			t.Errorf("%d rows of %s, want %d", got, name, want)
		}
	}
	contacts := tables["contact"]
	column := func(name string) int { return slices.Index(contacts.columns, name) }
	seen := map[string]int{}
	emails := map[any]bool{}
	for _, row := range contacts.rows {
		name := row[column("full_name")].(string)
		for script, r := range map[string]rune{"Arabic": 'م', "Chinese": '王', "Japanese": '郎', "Cyrillic": 'о', "Greek": 'Β', "emoji": '🚀', "combining": '\u0301'} {
			if strings.ContainsRune(name, r) {
				seen[script]++
			}
		}
		if notes, ok := row[column("notes")].(string); ok && utf8.RuneCountInString(notes) > 2000 {
			seen["long notes"]++
		}
		for _, nullable := range []string{"email", "phone", "notes", "custom_fields", "birthday"} {
			if row[column(nullable)] == nil {
				seen["no "+nullable]++
			}
		}
		if email := row[column("email")]; email != nil && emails[email] {
			t.Errorf("two contacts have %s, and the CRM allows one", email)
		} else {
			emails[email] = true
		}
	}
	for _, what := range []string{"Arabic", "Chinese", "Japanese", "Cyrillic", "Greek", "emoji", "combining", "long notes", "no email", "no phone", "no notes", "no custom_fields", "no birthday"} {
		if seen[what] == 0 {
			t.Errorf("no contact with %s", what)
		}
	}
}

func TestCanonMakesEqualWhatIsEqual(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind        mapping.Type
		crm, notion string
		same        bool
	}{
		{mapping.TypeNumber, "1200.00", "1200", true},
		{mapping.TypeNumber, "0.10", "0.1", true},
		{mapping.TypeNumber, "0.00", "0", true},
		{mapping.TypeNumber, "100", "10", false},
		{mapping.TypeNumber, "", "0", false},
		{mapping.TypeCheckbox, "f", "false", true},
		{mapping.TypeCheckbox, "", "false", true},
		{mapping.TypeCheckbox, "t", "false", false},
		{mapping.TypePhone, "06 12.34-56 78", "+33612345678", true},
		{mapping.TypePhone, "+44 20 7946 0958", "+442079460958", true},
		{mapping.TypePhone, "06 12 34 56 78", "+33612345679", false},
		{mapping.TypePhone, "ask Anna", "", false},
		{mapping.TypeMultiSelect, "b" + listMark + "a", "a" + listMark + "b", true},
		{mapping.TypeText, "Cafe\u0301", "Café", true},
		{mapping.TypeText, "a", "A", false},
		{mapping.TypeDateTime, canonTime("2026-03-01 10:30:45", paris), "2026-03-01 09:30Z", true},
		{mapping.TypeDateTime, canonTime("2026-03-01 10:30:45+00", paris), "2026-03-01 10:30Z", true},
	} {
		if a, b := canon(c.kind, c.crm), canon(c.kind, c.notion); (a == b) != c.same {
			t.Errorf("%s: %q is %q, %q is %q; want them the same: %v", c.kind, c.crm, a, c.notion, b, c.same)
		}
		if once := canon(c.kind, c.crm); canon(c.kind, once) != once {
			t.Errorf("%s: the canonical form of %q is not its own", c.kind, c.crm)
		}
	}
	if got := textOf(change.TextSet("b", "a")); got != "a"+listMark+"b" {
		t.Errorf("a set's text is %q", got)
	}
}

// exampleEntities are the mappings that the demo runs.
func exampleEntities(t *testing.T) (places, entities) {
	t.Helper()
	p := places{dir: t.TempDir(), kafka: "127.0.0.1:9092", notion: "http://127.0.0.1:1", parentPage: "p", token: "t", crmPort: 5432, webhookPort: 1, plugin: true}
	_, files, err := p.writeFiles()
	if err != nil {
		t.Fatal(err)
	}
	es, err := readEntities(files)
	if err != nil {
		t.Fatal(err)
	}
	return p, es
}

// The comparison must see a difference, and must not excuse one that nobody works on.
func TestComparisonTellsWaitingFromDifferent(t *testing.T) {
	t.Parallel()
	_, es := exampleEntities(t)
	held := func(r Ref) string {
		if r == (Ref{"contact", "10"}) {
			return "held: in the trash"
		}
		return ""
	}
	got := es["task"].compare([]paired{
		{name: "task/1", crm: record{"title": "a", "contact": "1"}, notion: record{"title": "a", "contact": "1"}},
		{name: "task/2", crm: record{"title": "a"}, notion: record{"title": "b"}},
		{name: "task/3", crm: record{"title": "a"}, notion: record{"title": "b"}, why: inWork},
		{name: "task/4", crm: record{"contact": "10"}, notion: record{}},
		{name: "task/5", crm: record{"contact": "11"}, notion: record{}},
		{name: "task/6", crm: record{"title": "a"}},
	}, held)
	fields := len(es["task"].Document.Fields)
	want := comparison{
		Records: 6, Fields: 6 * fields, Equal: 5*fields - 4, Waiting: 2, Differs: 2 + fields,
		Waits: []difference{{"task/3", "title", "a", "b", inWork}, {"task/4", "contact", "10", "", "it names contact/10, which waits"}},
	}
	differences := got.Differences
	got.Differences = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(differences) != min(shownMax, want.Differs) || differences[0] != (difference{"task/2", "title", "a", "b", ""}) {
		t.Errorf("the differences that are listed: %v", differences)
	}
}

func TestRecordsAreNamedAsPeopleType(t *testing.T) {
	t.Parallel()
	_, es := exampleEntities(t)
	for text, want := range map[string]Ref{"42": {"contact", "42"}, "task/7": {"task", "7"}, "": {}, "company/1": {}, "task/": {}, "x": {}, "task/7/8": {}, "-1": {}} {
		got, err := es.ParseRef(text)
		if got != want || (err == nil) != (want.Key != "") {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, name := range []string{"job_title", "Job title", "JOB_TITLE"} {
		if r, ok := es["contact"].rule(name); !ok || r.Name != "job_title" {
			t.Errorf("field %q was not found", name)
		}
	}
}

// The files are the examples', and say where things are; a key that no connector knows would be found by the demo's own start.
func TestFilesAreTheExamplesWithPlaces(t *testing.T) {
	t.Parallel()
	p, es := exampleEntities(t)
	for _, name := range connectorNames {
		doc, err := config.ReadFile(filepath.Join(p.dir, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range doc.Config {
			if strings.Contains(value, "${env:") {
				t.Errorf("%s: %s still refers to the environment: %s", name, key, value)
			}
		}
		if secret := doc.Config["database.password"]; !strings.HasPrefix(secret, "${file:") {
			t.Errorf("%s: the password is written down: %s", name, secret)
		}
	}
	if use := es["contact"].Document.Fields[2].Function; use == nil || use.Name != "phone.e164" {
		t.Errorf("the phone's function is %v", use)
	}
	for name, e := range es {
		if e.Quiet != 0 {
			t.Errorf("%s: new pages rest for %v", name, e.Quiet)
		}
	}
	p.dir, p.plugin = t.TempDir(), false
	_, files, err := p.writeFiles()
	if err != nil {
		t.Fatal(err)
	}
	if es, err = readEntities(files); err != nil || es["contact"].Document.Fields[2].Function != nil {
		t.Errorf("without the plugin the phone's function is still there: %v", err)
	}
}

func TestScriptForPsqlBecomesSQL(t *testing.T) {
	t.Parallel()
	got := plainSQL("\\set x on\n\\getenv password P\nSELECT true AS a \\gset\n\\if :a\n  CREATE ROLE t PASSWORD :'password';\n\\endif\nGRANT x TO t;\n", "it's")
	if want := "  CREATE ROLE t PASSWORD 'it''s';\nGRANT x TO t;\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTextsFitTheirColumns(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "short", "山田 太郎 is wide and does not fit", "🛰️🛰️🛰️🛰️🛰️🛰️🛰️🛰️🛰️🛰️🛰️", "a\tb\nc\x1b[31m", "Cafe\u0301 Cafe\u0301 Cafe\u0301 Cafe\u0301"} {
		got := fit(text, 12)
		if uniseg.StringWidth(got) != 12 || strings.ContainsAny(got, "\t\n\x1b") || !utf8.ValidString(got) {
			t.Errorf("%q in 12 columns is %q, %d wide", text, got, uniseg.StringWidth(got))
		}
	}
	text := strings.Repeat("many words that go on and on, ", 12)
	for line := range strings.SplitSeq(wrap(text, "  - "), "\n") {
		if uniseg.StringWidth(line) > columns || !strings.HasPrefix(line, "  ") {
			t.Errorf("%q is %d wide", line, uniseg.StringWidth(line))
		}
	}
	if got := strings.Fields(strings.TrimPrefix(wrap(text, "  - "), "  - ")); !slices.Equal(got, strings.Fields(text)) {
		t.Error("words were lost")
	}
}

// tarball makes an npm package.
func tarball(t *testing.T, files map[string]string) string {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if w.Close() != nil || z.Close() != nil {
		t.Fatal("the archive was not written")
	}
	file := filepath.Join(t.TempDir(), "package.tgz")
	if err := os.WriteFile(file, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPackagesAreUnpackedWithTheirLinks(t *testing.T) {
	t.Parallel()
	links, err := json.Marshal([]map[string]string{{"source": "native/lib/libpq.so.5.18", "target": "native/lib/libpq.so.5"}})
	if err != nil {
		t.Fatal(err)
	}
	file := tarball(t, map[string]string{
		"package/native/bin/postgres": "#!/bin/sh\n", "package/native/lib/libpq.so.5.18": "library", "package/native/pg-symlinks.json": string(links), "package/package.json": "{}",
	})
	dir := filepath.Join(t.TempDir(), "unpacked")
	if err := unpackNPM(file, dir); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "lib", "libpq.so.5")); err != nil || string(got) != "library" {
		t.Errorf("through the link: %q, %v", got, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "bin", "postgres")); err != nil || info.Mode().Perm()&0o111 == 0 {
		t.Errorf("postgres cannot be run: %v, %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "package.json")); err == nil {
		t.Error("what is not of the server was unpacked")
	}
}

// A package from elsewhere, or one that writes elsewhere, must not get anywhere.
func TestOtherPackagesAreRefused(t *testing.T) {
	t.Parallel()
	file := tarball(t, map[string]string{"package/native/../../../evil": "x"})
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum512(data)
	right := binaries{"npm", "x", base64.StdEncoding.EncodeToString(sum[:])}
	if err := right.verify(file); err != nil {
		t.Error(err)
	}
	wrong := binaries{"npm", "x", pinned["linux/amd64"][0].sum}
	if err := wrong.verify(file); err == nil || !strings.Contains(err.Error(), "it was not unpacked") {
		t.Errorf("another checksum: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	if err := unpackNPM(file, dir); err == nil || !strings.Contains(err.Error(), "outside of itself") {
		t.Errorf("a file outside: %v", err)
	}
	links, err := json.Marshal([]map[string]string{{"source": "native/../../x", "target": "native/lib/y"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := unpackNPM(tarball(t, map[string]string{"package/native/pg-symlinks.json": string(links)}), filepath.Join(t.TempDir(), "d")); err == nil {
		t.Error("a link outside was made")
	}
}

// Two demos of one user that started in the same second each emptied the folder of the other: the first one's log and its broker's files were gone.
func TestADemosFolderIsItsOwnFromTheFirstMoment(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	release, err := openFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, logFile)
	if err := os.WriteFile(log, []byte("begins"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openFolder(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "a demo is running already in "+dir) {
		t.Errorf("a second start: got %v", err)
	}
	if _, err := os.Stat(log); err != nil {
		t.Errorf("the second start took the first one's log: %v", err)
	}
	release()
	again, err := openFolder(t.Context(), dir)
	if err != nil {
		t.Fatalf("a start after the first has ended: %v", err)
	}
	again()
	if _, err := os.Stat(log); err == nil {
		t.Error("the log of the demo before is still there")
	}
}
