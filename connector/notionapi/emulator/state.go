package emulator

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// State is the whole local workspace. It is not safe for concurrent use:
// Emulator holds the lock. Everything that decides an answer is in here or in
// the request and the instant that are handed to serve.
type State struct {
	cfg     Config
	ids     *rand.Rand // ids of objects
	reqs    *rand.Rand // request ids: apart, so that reads do not shift object ids
	chance  *rand.Rand // faults, short pages, webhook losses
	integs  []*integration
	data    data
	cursors map[string]cursor
	order   []string // cursors, oldest first
	rates   map[string]*window
	faults  []*Fault
	hooks   outbox
	dirty   bool
}

// data is what a state file keeps.
type data struct {
	RootID    string               `json:"root_id"`
	SpaceID   string               `json:"space_id"`
	Seq       int                  `json:"seq"`
	Pages     map[string]*page     `json:"pages"`
	Databases map[string]*database `json:"databases"`
	Sources   map[string]*source   `json:"sources"`
	Blocks    map[string]*block    `json:"blocks"`
	Comments  map[string]*comment  `json:"comments"`
	Uploads   map[string]*upload   `json:"uploads"`
	Users     []*user              `json:"users"`
	Unshared  map[string]bool      `json:"unshared"` // ids hidden from integrations
	Listed    []string             `json:"listed"`   // pages, data sources in creation order, for search
	Said      []string             `json:"said"`     // comments in creation order
	Uploaded  []string             `json:"uploaded"`
}

// parent points at where an object lives.
type parent struct {
	Kind string `json:"kind"` // workspace, page, block, database, source
	ID   string `json:"id,omitempty"`
}

// page is a page with all the revisions that the query index may still show.
type page struct {
	ID        string    `json:"id"`
	Seq       int       `json:"seq"`
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
	Revs      []*rev    `json:"revs"` // oldest first, never empty
	Children  []string  `json:"children,omitempty"`
	Unique    int       `json:"unique,omitempty"`
}

// rev is one immutable revision of a page; a write makes a new one.
type rev struct {
	At       time.Time         `json:"at"` // when it became true
	Edited   time.Time         `json:"edited"`
	EditedBy string            `json:"edited_by"`
	Parent   parent            `json:"parent"`
	Trash    bool              `json:"trash,omitempty"`
	Archived bool              `json:"archived,omitempty"` // the "Archive" feature, not trash
	Locked   bool              `json:"locked,omitempty"`
	Icon     *object           `json:"icon,omitempty"`
	Cover    *object           `json:"cover,omitempty"`
	Props    map[string]*value `json:"props"` // by raw property id
}

// database is the container of data sources.
type database struct {
	ID        string    `json:"id"`
	Title     []*text   `json:"title"`
	About     []*text   `json:"about,omitempty"`
	Parent    parent    `json:"parent"`
	Inline    bool      `json:"inline,omitempty"`
	Trash     bool      `json:"trash,omitempty"`
	Locked    bool      `json:"locked,omitempty"`
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
	Edited    time.Time `json:"edited"`
	EditedBy  string    `json:"edited_by"`
	Icon      *object   `json:"icon,omitempty"`
	Cover     *object   `json:"cover,omitempty"`
	Sources   []string  `json:"sources"`
}

// source is a data source: a table with a schema.
type source struct {
	ID        string      `json:"id"`
	DB        string      `json:"db"`
	Title     []*text     `json:"title"`
	Trash     bool        `json:"trash,omitempty"`
	Created   time.Time   `json:"created"`
	CreatedBy string      `json:"created_by"`
	Edited    time.Time   `json:"edited"`
	EditedBy  string      `json:"edited_by"`
	Icon      *object     `json:"icon,omitempty"`
	Props     []*property `json:"props"`
	Deleted   []*property `json:"deleted,omitempty"` // a person can restore them, with the values that pages had
	Rows      []string    `json:"rows"`              // every page that ever lived here, in order of arrival
	NextRow   int         `json:"next_row"`
}

// newState builds an empty workspace with its root page and users.
func newState(cfg Config) *State {
	src := cfg.Random
	r := rand.New(src)
	s := &State{cfg: cfg, cursors: map[string]cursor{}, rates: map[string]*window{}}
	s.reqs = rand.New(rand.NewPCG(r.Uint64(), 1))
	s.chance = rand.New(rand.NewPCG(r.Uint64(), 2))
	s.ids = r
	s.faults = append(s.faults, cfg.Faults...)
	s.data = data{
		Pages: map[string]*page{}, Databases: map[string]*database{}, Sources: map[string]*source{},
		Blocks: map[string]*block{}, Comments: map[string]*comment{}, Uploads: map[string]*upload{},
		Unshared: map[string]bool{},
	}
	s.seed(cfg.Now())
	return s
}

// seed makes what exists before the first request.
func (s *State) seed(now time.Time) {
	s.data.SpaceID = newUUID(s.ids)
	s.data.RootID = s.cfg.RootPageID
	if s.data.RootID == "" {
		s.data.RootID = newUUID(s.ids)
	}
	for _, p := range s.cfg.People {
		if p.ID == "" {
			p.ID = newUUID(s.ids)
		}
		s.data.Users = append(s.data.Users, &user{ID: p.ID, Name: p.Name, Email: p.Email})
	}
	s.addIntegrations()
	owner := s.data.Users[0].ID
	s.data.Seq++
	s.data.Pages[s.data.RootID] = &page{
		ID: s.data.RootID, Seq: s.data.Seq, Created: now, CreatedBy: owner,
		Revs: []*rev{{At: now, Edited: now, EditedBy: owner, Parent: parent{Kind: "workspace"},
			Props: map[string]*value{titleID: {Text: plainText(s.cfg.RootPageTitle)}}}},
	}
	s.data.Listed = append(s.data.Listed, s.data.RootID)
}

// addIntegrations makes a bot for each token; a bot keeps its id over restarts, by name.
func (s *State) addIntegrations() {
	for _, in := range append([]Integration{{Token: s.cfg.Token, Name: s.cfg.IntegrationName}}, s.cfg.Others...) {
		u := s.botNamed(in.Name)
		if u == nil {
			u = &user{ID: newUUID(s.ids), Name: in.Name, Bot: true}
			s.data.Users = append(s.data.Users, u)
		}
		s.integs = append(s.integs, &integration{Token: in.Token, Name: in.Name, BotID: u.ID})
	}
}

func (s *State) botNamed(name string) *user {
	for _, u := range s.data.Users {
		if u.Bot && u.Name == name {
			return u
		}
	}
	return nil
}

// now returns the newest revision: what GET shows.
func (p *page) now() *rev { return p.Revs[len(p.Revs)-1] }

// at returns the revision that was true at t, nil when there was none yet.
func (p *page) at(t time.Time) *rev {
	for i := len(p.Revs) - 1; i >= 0; i-- {
		if !p.Revs[i].At.After(t) {
			return p.Revs[i]
		}
	}
	return nil
}

// edit makes the next revision of p from its newest one and lets change fill
// it in. author and the edit time move unless quiet: the other side of a
// relation changes without being "edited".
func (s *State) edit(p *page, now time.Time, author string, quiet bool, change func(*rev)) *rev {
	old := p.now()
	next := *old
	next.At = now
	next.Props = make(map[string]*value, len(old.Props)+1)
	for k, v := range old.Props {
		next.Props[k] = v
	}
	if !quiet {
		next.Edited, next.EditedBy = now, author
	}
	change(&next)
	p.Revs = append(p.Revs, &next)
	s.prune(p, now)
	s.dirty = true
	return &next
}

// indexLagMax bounds the index lag, and with it the revisions kept for each page.
const indexLagMax = 10 * time.Minute

// prune drops revisions that no lagging query can see any more.
func (s *State) prune(p *page, now time.Time) {
	seen := now.Add(-s.cfg.IndexLag)
	first := 0
	for i, r := range p.Revs {
		if !r.At.After(seen) {
			first = i
		}
	}
	p.Revs = slices.Delete(p.Revs, 0, first)
}

// trashed tells whether an object or anything above it is in the trash.
func (s *State) trashed(id string) bool {
	for depth := 0; id != "" && depth < 100; depth++ {
		up := ""
		switch {
		case s.data.Pages[id] != nil:
			r := s.data.Pages[id].now()
			if r.Trash {
				return true
			}
			up = r.Parent.ID
		case s.data.Sources[id] != nil:
			if s.data.Sources[id].Trash {
				return true
			}
			up = s.data.Sources[id].DB
		case s.data.Databases[id] != nil:
			if s.data.Databases[id].Trash {
				return true
			}
			up = s.data.Databases[id].Parent.ID
		case s.data.Blocks[id] != nil:
			if s.data.Blocks[id].Trash {
				return true
			}
			up = s.data.Blocks[id].Parent.ID
		}
		id = up
	}
	return false
}

// shared tells whether integrations may see id: it hangs below the root page
// and nothing on the way up was unshared.
func (s *State) shared(id string) bool {
	for range 100 {
		if s.data.Unshared[id] {
			return false
		}
		if id == s.data.RootID {
			return true
		}
		switch {
		case s.data.Pages[id] != nil:
			id = s.data.Pages[id].now().Parent.ID
		case s.data.Sources[id] != nil:
			id = s.data.Sources[id].DB
		case s.data.Databases[id] != nil:
			id = s.data.Databases[id].Parent.ID
		case s.data.Blocks[id] != nil:
			id = s.data.Blocks[id].Parent.ID
		default:
			return false
		}
	}
	return false
}

// rowSource returns the data source that a page is a row of, or nil.
func (s *State) rowSource(r *rev) *source {
	if r.Parent.Kind != "source" {
		return nil
	}
	return s.data.Sources[r.Parent.ID]
}

// kindOf names what an id is, for messages; "" when it is nothing.
func (s *State) kindOf(id string) string {
	switch {
	case s.data.Pages[id] != nil:
		return "page"
	case s.data.Databases[id] != nil:
		return "database"
	case s.data.Sources[id] != nil:
		return "data_source"
	case s.data.Blocks[id] != nil:
		return "block"
	}
	return ""
}

func (s *State) parentJSON(p parent, ver version) any {
	switch p.Kind {
	case "page":
		return obj("type", "page_id", "page_id", p.ID)
	case "block":
		return obj("type", "block_id", "block_id", p.ID)
	case "database":
		return obj("type", "database_id", "database_id", p.ID)
	case "source":
		db := ""
		if src := s.data.Sources[p.ID]; src != nil {
			db = src.DB
		}
		if ver == v2022 {
			return obj("type", "database_id", "database_id", db)
		}
		return obj("type", "data_source_id", "data_source_id", p.ID, "database_id", db)
	default:
		return obj("type", "workspace", "workspace", true)
	}
}

// slug is the readable part of a page's URL.
func slug(title string) string {
	var b strings.Builder
	dash := false
	for _, r := range title {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			dash = false
			b.WriteRune(r)
		} else {
			dash = true
		}
	}
	if b.Len() > 0 {
		b.WriteByte('-')
	}
	return b.String()
}

func pageURL(title, id string) string {
	return "https://app.notion.com/p/" + slug(title) + strings.ReplaceAll(id, "-", "")
}
