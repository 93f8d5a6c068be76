package emulator

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestPeople walks through what members do behind the API's back.
func TestPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.e.PersonID("Grace Hopper")
	grace := w.e.Person(id)
	db, src := w.table("T", `{"Name":{"title":{}},"Key":{"rich_text":{}},"N":{"number":{}},"Tag":{"select":{}}}`)
	page := w.row(src, `{"Key":{"rich_text":[{"text":{"content":"crm-1"}}]},"N":{"number":5},"Tag":{"select":{"name":"A"}}}`)
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	check("edit", grace.Edit(page, json.RawMessage(`{"N":{"number":6}}`)))
	p := w.ok("GET", "/v1/pages/"+page, "")
	if p.str("last_edited_by", "id") != id || p.at("properties", "N", "number") != 6.0 {
		t.Errorf("after a person's edit: %s", p.raw)
	}
	dup, err := grace.Duplicate(page)
	check("duplicate", err)
	d := w.ok("GET", "/v1/pages/"+dup, "")
	if d.str("properties", "Key", "rich_text", "0", "plain_text") != "crm-1" || d.str("created_by", "id") != id || dup == page {
		t.Errorf("the copy reads %s", d.raw)
	}
	check("clear", grace.Clear(page, "N", "Key"))
	if p := w.ok("GET", "/v1/pages/"+page, ""); p.at("properties", "N", "number") != nil || len(p.at("properties", "Key", "rich_text").([]any)) != 0 {
		t.Errorf("after clear: %s", p.raw)
	}
	check("rename", grace.RenameProperty(src, "N", "Number"))
	check("rename option", grace.RenameOption(src, "Tag", "A", "Z"))
	check("retype", grace.RetypeProperty(src, "Key", "url"))
	check("delete", grace.DeleteProperty(src, "Number"))
	d = w.ok("GET", "/v1/pages/"+dup, "")
	if d.str("properties", "Key", "url") != "crm-1" || d.str("properties", "Tag", "select", "name") != "Z" || d.at("properties", "Number") != nil {
		t.Errorf("after schema changes: %s", d.raw)
	}
	check("unshare", grace.Unshare(db))
	w.refused("POST", "/v1/data_sources/"+src+"/query", "{}", 404, "object_not_found",
		"Could not find data_source with ID: "+src+". Make sure the relevant pages and databases are shared with your integration \"Tandem\".")
	check("share", grace.Share(db))
	check("purge", grace.Purge(dup))
	if a := w.do("GET", "/v1/pages/"+dup, ""); a.status != 404 {
		t.Errorf("a purged page answers %d", a.status)
	}
	if err := w.e.Person("nobody").Trash(page); err == nil {
		t.Error("an unknown person may edit")
	}
	second, err := grace.AddSource(db, "Second", nil)
	check("add source", err)
	if got := w.ok("GET", "/v1/databases/"+db, "").str("data_sources", "1", "id"); got != second {
		t.Errorf("second source %s, want %s", got, second)
	}
	w.version = "2022-06-28"
	w.refused("GET", "/v1/databases/"+db, "", 400, "validation_error", "Databases with multiple data sources are not supported in this API version.")
}

// TestLongLists are longer than one API write allows.
func TestLongLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, src := w.table("T", `{"Name":{"title":{}}}`)
	w.ok("PATCH", "/v1/data_sources/"+src, `{"properties":{"Rel":{"relation":{"data_source_id":"`+src+`","single_property":{}}}}}`)
	var ids []string
	for range 130 {
		ids = append(ids, w.row(src, `{}`))
	}
	if err := w.e.Person(w.e.who("")).SetRelation(ids[0], "Rel", ids); err != nil {
		t.Fatal(err)
	}
	p := w.ok("GET", "/v1/pages/"+ids[0], "")
	if n := len(p.at("properties", "Rel", "relation").([]any)); n != 25 || p.at("properties", "Rel", "has_more") != true {
		t.Errorf("page shows %d", n)
	}
	path := "/v1/pages/" + ids[0] + "/properties/" + p.str("properties", "Rel", "id")
	n, next := 0, ""
	for {
		a := w.ok("GET", path+"?page_size=50"+next, "")
		n += len(a.at("results").([]any))
		if a.at("has_more") == false {
			break
		}
		if a.str("property_item", "next_url") == "" {
			t.Errorf("no next_url in %s", a.raw)
		}
		next = "&start_cursor=" + a.str("next_cursor")
	}
	if n != 130 {
		t.Errorf("property item pages through %d of 130", n)
	}
}

// TestFile reopens a workspace from its file and goes on.
func TestFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "workspace.json")
	open := func() *world {
		return newWorld(t, func(c *Config) { c.File, c.FileSync, c.Random = file, true, rand.NewPCG(7, 7) })
	}
	w := open()
	_, src := w.table("T", `{"Name":{"title":{}},"Tag":{"select":{}},"Due":{"date":{}},"Rel":{"number":{}}}`)
	id := w.row(src, `{"Name":{"title":[{"text":{"content":"kept"},"annotations":{"bold":true}}]},"Tag":{"select":{"name":"A"}},"Due":{"date":{"start":"2026-01-02"}}}`)
	w.ok("PATCH", "/v1/pages/"+id, `{"icon":{"emoji":"🧲"}}`)
	before := w.ok("GET", "/v1/pages/"+id, "")
	again := open()
	after := again.ok("GET", "/v1/pages/"+id, "")
	if cut(before.raw) != cut(after.raw) {
		t.Errorf("reopened page\n got %s\nwant %s", after.raw, before.raw)
	}
	if w.e.BotID("ntn_test") != again.e.BotID("ntn_test") {
		t.Error("the bot has another id after reopening")
	}
	if fresh := again.row(src, titled("new")); fresh == id {
		t.Error("an id was drawn twice")
	}
	if n := len(again.ok("POST", "/v1/data_sources/"+src+"/query", "{}").at("results").([]any)); n != 2 {
		t.Errorf("%d rows after reopening, want 2", n)
	}
	if _, err := Open(Config{Token: "x", File: file, RootPageID: "99999999-2222-8333-8444-555555555555"}); err == nil {
		t.Error("a file with another root page is taken")
	}
}

// cut leaves out the request id.
func cut(raw string) string { return raw[:len(raw)-54] }

func TestConfigReportsEverything(t *testing.T) {
	t.Parallel()
	err := Config{RootPageID: "x", IndexLag: time.Hour, FileSync: true, Faults: []*Fault{{Kind: "?"}}}.Validate()
	if err == nil || len(err.(interface{ Unwrap() []error }).Unwrap()) != 5 {
		t.Errorf("problems: %v", err)
	}
}

// TestServer starts and stops a server, twice each, with requests in flight.
func TestServer(t *testing.T) {
	t.Parallel()
	s := &Server{Emulator: New(Config{Token: "ntn_test", Limit: -1}), Every: time.Millisecond}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	for range 2 {
		for range 2 {
			if err := s.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := fetch(s.URL() + "/_emulator/state"); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestConcurrentRequests is for the race detector.
func TestConcurrentRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Now = time.Now; c.Random = nil })
	_, src := w.table("T", `{"Name":{"title":{}}}`)
	done := make(chan int)
	for g := range 8 {
		go func() {
			n := 0
			for i := range 20 {
				if a := w.do("POST", "/v1/pages", `{"parent":{"data_source_id":"`+src+`"},"properties":`+titled(fmt.Sprint(g, i))+`}`); a.status == 200 {
					n++
				}
				w.do("POST", "/v1/data_sources/"+src+"/query", `{"page_size":5}`)
			}
			done <- n
		}()
	}
	total := 0
	for range 8 {
		total += <-done
	}
	if total != 160 {
		t.Errorf("%d pages made, want 160", total)
	}
}

// TestConcurrentEverything mixes requests, people, deliveries and the file, over
// real connections: for the race detector, and for answers that are half of one thing.
func TestConcurrentEverything(t *testing.T) {
	t.Parallel()
	b := &inbox{t: t, secret: "secret_x"}
	w := newWorld(t, func(c *Config) {
		c.Now, c.Random, c.File, c.IndexLag = time.Now, nil, filepath.Join(t.TempDir(), "w.json"), time.Millisecond
		c.Webhook = WebhookConfig{URL: "http://receiver.test/hook", Secret: b.secret, Window: time.Millisecond, Client: &http.Client{Transport: b}}
	})
	srv := &Server{Emulator: w.e, Every: time.Millisecond}
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	src, page := everything(w)
	ada := w.e.Person(w.e.PersonID("Ada Lovelace"))
	jobs := []func(n int) answer{
		func(n int) answer {
			return w.do("PATCH", "/v1/pages/"+page, fmt.Sprintf(`{"properties":{"N":{"number":%d},"Tags":{"multi_select":[{"name":"t%d"}]}}}`, n, n%7))
		},
		func(int) answer {
			return w.do("POST", "/v1/data_sources/"+src+"/query", `{"sorts":[{"property":"Roll","direction":"ascending"}]}`)
		},
		func(n int) answer {
			return w.do("PATCH", "/v1/data_sources/"+src, fmt.Sprintf(`{"properties":{"Tmp":{"rich_text":{},"description":"d%d"}}}`, n))
		},
		func(int) answer { return w.do("GET", "/v1/pages/"+page+"/properties/Rel", "") },
		func(int) answer { return w.do("POST", "/v1/search", `{"query":"x"}`) },
		func(n int) answer {
			id := w.do("POST", "/v1/pages", `{"parent":{"data_source_id":"`+src+`"},"properties":{"Rel":{"relation":[{"id":"`+page+`"}]}}}`).str("id")
			return w.do("PATCH", "/v1/pages/"+id, `{"in_trash":true}`)
		},
		func(n int) answer {
			if err := ada.Edit(page, map[string]any{"Text": map[string]any{"rich_text": []any{}}}); err != nil {
				t.Error(err)
			}
			w.e.SetLimit(-1)
			return answer{status: 200}
		},
	}
	var wg sync.WaitGroup
	for _, job := range jobs {
		wg.Go(func() {
			for n := range 25 {
				if a := job(n); a.status != 200 {
					t.Errorf("answer %d %s", a.status, a.raw)
				}
			}
		})
	}
	wg.Wait()
	if err := srv.Stop(); err != nil {
		t.Error(err)
	}
}
