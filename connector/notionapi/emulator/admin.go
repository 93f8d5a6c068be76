package emulator

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

// adminPrefix is a path that Notion does not have. It is served to loopback
// callers and in process only, since it has no token.
const adminPrefix = "/_emulator/"

// command is the body of an admin request; which fields count depends on the action.
type command struct {
	Person     string          `json:"person"` // name or id; the first person by default
	PageID     string          `json:"page_id"`
	SourceID   string          `json:"data_source_id"`
	DatabaseID string          `json:"database_id"`
	ToID       string          `json:"to_id"`
	Property   string          `json:"property"`
	Properties json.RawMessage `json:"properties"`
	Names      []string        `json:"names"`
	IDs        []string        `json:"ids"`
	Type       string          `json:"type"`
	Name       string          `json:"name"`
	To         string          `json:"to"`
	Value      json.RawMessage `json:"value"`
	Token      string          `json:"token"`
	URL        string          `json:"url"`

	Limit      *int  `json:"limit"`
	IndexLagMS *int  `json:"index_lag_ms"`
	ShortPages *bool `json:"short_pages"`
}

// serveAdmin answers GET state; POST faults, config, deliver, webhook,
// confirm and people/<action>; DELETE faults.
func (e *Emulator) serveAdmin(w http.ResponseWriter, r *http.Request) {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil && !net.ParseIP(host).IsLoopback() {
		http.Error(w, "loopback only", http.StatusForbidden)
		return
	}
	out, err := e.admin(r)
	status := http.StatusOK
	if err != nil {
		status, out = http.StatusBadRequest, obj("error", err.Error())
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(appendJSON(nil, out))
}

func (e *Emulator) admin(r *http.Request) (*object, error) {
	what := r.URL.Path[len(adminPrefix):]
	switch r.Method + " " + what {
	case "GET state":
		return e.summary(), nil
	case "DELETE faults":
		e.ClearFaults()
		return obj("ok", true), nil
	case "POST faults":
		var f Fault
		if err := decodeStrict(r, &f); err != nil {
			return nil, err
		}
		return obj("ok", true), e.Inject(f)
	case "POST deliver":
		d, err := e.Deliver(r.Context(), e.cfg.Now())
		return obj("sent", d.Sent, "failed", d.Failed), err
	}
	if r.Method != http.MethodPost {
		return nil, fmt.Errorf("no admin endpoint %s %s", r.Method, r.URL.Path)
	}
	var cmd command
	if err := decodeStrict(r, &cmd); err != nil {
		return nil, err
	}
	switch what {
	case "config":
		e.configure(&cmd)
		return obj("ok", true), nil
	case "webhook":
		e.SubscribeWebhook(cmd.URL, cmd.Token, cmd.Token == "")
		return obj("ok", true), nil
	case "confirm":
		return obj("ok", true), e.ConfirmWebhook(cmd.Token)
	}
	id, err := e.act(what, &cmd)
	if err != nil {
		return nil, err
	}
	return obj("ok", true, "id", id), nil
}

func decodeStrict(r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, bodyMax))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("decode command: %w", err)
	}
	return nil
}

func (e *Emulator) configure(cmd *command) {
	if cmd.Limit != nil {
		e.SetLimit(*cmd.Limit)
	}
	if cmd.IndexLagMS != nil {
		e.SetIndexLag(time.Duration(*cmd.IndexLagMS) * time.Millisecond)
	}
	if cmd.ShortPages != nil {
		e.mu.Lock()
		e.st.cfg.ShortPages = *cmd.ShortPages
		e.mu.Unlock()
	}
}

// act runs one people/<action> and returns the id of what it made, if anything.
func (e *Emulator) act(what string, cmd *command) (id string, err error) {
	p := e.Person(e.who(cmd.Person))
	switch what {
	case "people/edit":
		err = p.Edit(cmd.PageID, cmd.Properties)
	case "people/clear":
		err = p.Clear(cmd.PageID, cmd.Names...)
	case "people/set_raw":
		err = p.SetRaw(cmd.PageID, cmd.Property, cmd.Value)
	case "people/set_relation":
		err = p.SetRelation(cmd.PageID, cmd.Property, cmd.IDs)
	case "people/create":
		id, err = p.Create(cmd.SourceID, cmd.Properties)
	case "people/duplicate":
		id, err = p.Duplicate(cmd.PageID)
	case "people/trash":
		err = p.Trash(cmd.PageID)
	case "people/restore":
		err = p.Restore(cmd.PageID)
	case "people/archive":
		err = p.Archive(cmd.PageID)
	case "people/unarchive":
		err = p.Unarchive(cmd.PageID)
	case "people/purge":
		err = p.Purge(cmd.PageID)
	case "people/move":
		err = p.Move(cmd.PageID, cmd.ToID)
	case "people/comment":
		id, err = p.Comment(cmd.PageID, cmd.Name)
	default:
		return e.actSchema(p, what, cmd)
	}
	return id, err
}

func (e *Emulator) actSchema(p *Person, what string, cmd *command) (id string, err error) {
	switch what {
	case "people/add_property":
		var settings any
		if len(cmd.Value) > 0 {
			settings = cmd.Value
		}
		err = p.AddProperty(cmd.SourceID, cmd.Name, cmd.Type, settings)
	case "people/rename_property":
		err = p.RenameProperty(cmd.SourceID, cmd.Property, cmd.To)
	case "people/delete_property":
		err = p.DeleteProperty(cmd.SourceID, cmd.Property)
	case "people/retype_property":
		err = p.RetypeProperty(cmd.SourceID, cmd.Property, cmd.Type)
	case "people/rename_option":
		err = p.RenameOption(cmd.SourceID, cmd.Property, cmd.Name, cmd.To)
	case "people/add_data_source":
		var schema any
		if len(cmd.Properties) > 0 {
			schema = cmd.Properties
		}
		id, err = p.AddSource(cmd.DatabaseID, cmd.Name, schema)
	case "people/unshare":
		err = p.Unshare(cmd.ToID)
	case "people/share":
		err = p.Share(cmd.ToID)
	default:
		err = fmt.Errorf("no admin endpoint %s%s", adminPrefix, what)
	}
	return id, err
}

// who finds a person by name or id; the first one for "".
func (e *Emulator) who(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, u := range e.st.data.Users {
		if !u.Bot && (name == "" || u.Name == name || u.ID == name) {
			return u.ID
		}
	}
	return name
}

// summary says what is there.
func (e *Emulator) summary() *object {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := &e.st.data
	people := []any{}
	for _, u := range d.Users {
		people = append(people, obj("id", u.ID, "name", u.Name, "bot", u.Bot))
	}
	return obj("root_page_id", d.RootID, "workspace_id", d.SpaceID, "pages", len(d.Pages), "databases", len(d.Databases),
		"data_sources", len(d.Sources), "comments", len(d.Comments), "users", people, "faults", len(e.st.faults),
		"events_waiting", len(e.st.hooks.open)+len(e.st.hooks.queue))
}
