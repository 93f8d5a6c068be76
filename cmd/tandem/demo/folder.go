package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// DefaultDir is where a demo's files are unless --dir says otherwise: the same for every start of one user, so that `demo edit` finds it.
func DefaultDir() string {
	return filepath.Join(os.TempDir(), "tandem-demo-"+strconv.Itoa(os.Getuid()))
}

// Names within the folder.
const (
	stateFile   = "demo.json" // also what tells that a folder is a demo's
	logFile     = "tandem.log"
	secretsFile = "secrets.properties"
	dsnFile     = "crm.dsn" // for psql, so that no password stands on a screen
)

// owned is what a start removes of the demo before it.
var owned = []string{stateFile, logFile, secretsFile, dsnFile, "kafka", "mappings", "plugins", "plugins.json", "webhook.token",
	"crm-source.json", "notion-sink.json", "notion-source.json", "crm-sink.json"}

// State is what the commands beside a running demo have to know of it. The file is its owner's alone: it holds passwords.
type State struct {
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	CRM      string    `json:"crm"`    // a DSN, as the CRM's own application has it
	Kafka    string    `json:"kafka"`  // bootstrap address
	Notion   string    `json:"notion"` // base URL
	Token    string    `json:"token"`
	Mappings []string  `json:"mappings"` // files
}

// openFolder makes dir a new demo's: what an earlier one left there is removed, and nothing else is touched. It is the demo's until release:
// two that start at the same moment must not remove each other's files.
func openFolder(ctx context.Context, dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the demo's folder: %w: give another with --dir", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("look at the demo's folder: %w", err)
	}
	if !info.IsDir() || !ours(info) {
		return nil, fmt.Errorf("%s is not a folder of yours: give another with --dir", dir)
	}
	release, free, err := lockFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("lock the demo's folder: %w", err)
	}
	if !free {
		state, _ := readState(dir) // one that has only just started has none yet
		return nil, runsAlready(dir, state)
	}
	if err := emptyFolder(ctx, dir); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

func runsAlready(dir string, s State) error {
	as := ""
	if s.PID != 0 {
		as = fmt.Sprintf(", as process %d", s.PID)
	}
	return fmt.Errorf("a demo is running already in %s%s: end it with Ctrl-C there, or give this one another folder with --dir", dir, as)
}

// emptyFolder removes what an earlier demo left.
func emptyFolder(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look at the demo's folder: %w", err)
	}
	state, err := readState(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(entries) > 0:
		return fmt.Errorf("%s holds other files: give an empty folder with --dir", dir)
	case err == nil && state.alive(ctx):
		return runsAlready(dir, state)
	}
	for _, name := range owned {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("remove what the last demo left: %w", err)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("keep the demo's folder to its owner: %w", err)
	}
	// A start that fails early still leaves a folder that the next one knows.
	return State{PID: os.Getpid()}.write(dir)
}

func (s State) write(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", stateFile, err)
	}
	// Whole or not at all: another process may read it at any time.
	name := filepath.Join(dir, stateFile)
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", stateFile, err)
	}
	return os.Rename(name+".new", name)
}

func readState(dir string) (State, error) {
	var s State
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read %s: %w", filepath.Join(dir, stateFile), err)
	}
	return s, nil
}

// Find gives the state of the demo that runs in dir.
func Find(ctx context.Context, dir string) (State, error) {
	s, err := readState(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !s.alive(ctx) {
		return s, fmt.Errorf("no demo runs in %s: start one with `tandem demo` (or `make demo`) in another terminal", dir)
	}
	return s, err
}

// alive asks the demo's Notion: a process id may long be another program's.
func (s State) alive(ctx context.Context) bool {
	if s.Notion == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Notion+"/_emulator/state", nil)
	if err != nil {
		return false
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
