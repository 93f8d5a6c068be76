package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/config"
)

func TestParseTakesTheThreeFormsOfKafkaConnect(t *testing.T) {
	t.Parallel()
	want := map[string]string{"connector.class": "sink.NotionSink", "tasks.max": "2", "ratio": "1.50", "big": "9007199254740993", "on": "true", "token": "${env:NOTION_TOKEN}"}
	for name, tc := range map[string]struct{ format, text string }{
		"wrapped": {".json", `{"name": "s", "initial_state": "PAUSED", "config": {"connector.class": "sink.NotionSink",
			"tasks.max": 2, "ratio": 1.50, "big": 9007199254740993, "on": true, "token": "${env:NOTION_TOKEN}", "gone": null}}`},
		"flat": {".json", "\xef\xbb\xbf" + `{"name": "s", "connector.class": "sink.NotionSink", "tasks.max": "2", "ratio": 1.50,
			"big": 9007199254740993, "on": true, "token": "${env:NOTION_TOKEN}"}`},
		"properties": {".properties", "# comment\r\n! another\nname=s\nconnector.class : sink.Notion\\\n   Sink\ntasks.max 2\nratio=1.50\n" +
			"big = 9007199254740993\n\n  on=true\ntoken=${env:NOTION_TOKEN}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, err := config.Parse(tc.format, []byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			got := maps.Clone(map[string]string(doc.Config))
			delete(got, "name") // in the flat forms it is a key like the others
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if doc.Name != "s" {
				t.Errorf("Name = %q, want s", doc.Name)
			}
			if name == "wrapped" && doc.InitialState != "PAUSED" {
				t.Errorf("InitialState = %q, want PAUSED", doc.InitialState)
			}
		})
	}
}

func TestParseReportsEverythingAtOnceWithPaths(t *testing.T) {
	t.Parallel()
	_, err := config.Parse(".json", []byte(`{
		"initial_state": "SLEEPING", "extra": 1,
		"config": {"topics": ["a"], "topics": "b", "database": {"password": "`+hunter+`"}, " padded": "x"}
	}`))
	var problems config.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("err = %v, want Problems", err)
	}
	var paths []string
	for _, p := range problems {
		paths = append(paths, p.Path)
	}
	want := []string{" padded", "config.database", "config.topics", "config.topics", "connector.class", "extra", "initial_state", "name"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if strings.Contains(err.Error(), "hunter") {
		t.Errorf("the error holds a password:\n%v", err)
	}
}

func TestParseSaysWhereJSONIsBroken(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                           `must be a JSON object: {"name": …, "config": {…}}`,
		"[]":                         `must be a JSON object: {"name": …, "config": {…}}`,
		"{\n  \"name\": \"x\",,\n}":  "not valid JSON at line 2, column 15",
		`{"name": "x"`:               "not valid JSON: it ends too early",
		`{"name": "x"} {}`:           "not valid JSON at line 1, column 15",
		`{"config": 1}`:              "name: missing: every connector has a name",
		"{\"name\": \"\xff\"}":       "not UTF-8 text",
		strings.Repeat(" ", 1<<20+1): "larger than 1048576 bytes, which no connector file is",
	} {
		_, err := config.Parse(".json", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.40q) = %v, want %q", text, err, want)
		}
	}
}

func TestPropertiesAreReadAsJavaReadsThem(t *testing.T) {
	t.Parallel()
	// Each line was read by java.util.Properties; the right side is what it says.
	for line, want := range map[string]string{
		`k=a\tb\nc\\d\=e`:            "a\tb\nc\\d=e",
		`k=\u00e9\uD83D\uDE00`:       "é😀",
		"k = spaced  ":               "spaced  ",
		"k:colon=rest":               "colon=rest",
		"k   : x":                    "x",
		"k x=y":                      "x=y",
		"k=one\\\n   two\\\n\tthree": "onetwothree",
		"k=last\\":                   "last",
		"k=a\\\n\nj=b":               "a",
		`\u006b=key`:                 "key",
		"k":                          "",
		`k=\uD83D`:                   "\ufffd",
	} {
		doc, _ := config.Parse(".properties", []byte("name=n\nconnector.class=c\n"+line))
		got, ok := doc.Config["k"]
		if !ok || got != want {
			t.Errorf("%q: k = %q (%v), want %q", line, got, ok, want)
		}
	}
	if _, err := config.Parse(".properties", []byte("name=n\nconnector.class=c\nk=\\u12")); err == nil {
		t.Error(`a broken \u was accepted`)
	}
}

func TestReadFileNamesTheFile(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "crm.json")
	_, err := config.ReadFile(missing)
	if err == nil || err.Error() != missing+": there is no such file" {
		t.Errorf("err = %v", err)
	}
	broken := filepath.Join(t.TempDir(), "crm.json")
	if err := os.WriteFile(broken, []byte(`{"name": "x", "config": {}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = config.ReadFile(broken)
	if err == nil || !strings.HasPrefix(err.Error(), broken+": connector.class: missing") {
		t.Errorf("err = %v", err)
	}
}

func TestAMapDoesNotPrintItsValuesButItsJSONDoes(t *testing.T) {
	t.Parallel()
	m := config.Map{"database.password": hunter}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if got := fmt.Sprintf(verb, m); strings.Contains(got, "hunter") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	data, err := json.Marshal(config.Document{Name: "x", Config: m})
	if err != nil || !strings.Contains(string(data), hunter) {
		t.Errorf("JSON = %s, %v; the REST API must echo what it was given", data, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(".json", []byte(`{"name":"a","config":{"connector.class":"c","n":1e3,"s":"\u0000"}}`))
	f.Add(".json", []byte(`{"name":"a","connector.class":"c","config":[]}`))
	f.Add(".properties", []byte("name=a\nconnector.class=c\\\n\n\\u0041=\\uD83D\\uDE00"))
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		doc, err := config.Parse(format, data)
		if err != nil {
			return
		}
		if doc.Name == "" || doc.Config["connector.class"] == "" {
			t.Fatalf("accepted without name or class: %q", data)
		}
		again, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		back, err := config.Parse(".json", again)
		if err != nil {
			t.Fatalf("does not read back: %v\n%s", err, again)
		}
		if diff := cmp.Diff(map[string]string(doc.Config), map[string]string(back.Config)); diff != "" {
			t.Fatal(diff)
		}
	})
}
