package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// load reads a workspace; a file that is not there leaves the fresh one.
func (s *State) load(name string) error {
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		s.dirty = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("read workspace: %w", err)
	}
	var d data
	if err := json.Unmarshal(raw, &d); err != nil {
		return fmt.Errorf("read workspace %s: %w; move the file away to start anew", name, err)
	}
	if d.Pages[d.RootID] == nil {
		return fmt.Errorf("read workspace %s: the root page is missing; move the file away to start anew", name)
	}
	if id := s.cfg.RootPageID; id != "" && id != d.RootID {
		return fmt.Errorf("read workspace %s: its root page is %s, the configuration says %s", name, d.RootID, id)
	}
	s.data = d
	// A fixed seed would draw the ids again that the file already holds.
	made := len(d.Pages) + len(d.Databases) + len(d.Sources) + len(d.Blocks) + len(d.Comments) + len(d.Uploads)
	s.ids = rand.New(rand.NewPCG(s.ids.Uint64(), uint64(made)<<32+uint64(d.Seq)))
	s.integs = nil
	s.addIntegrations()
	return nil
}

// save writes the workspace to a temporary file, syncs it and renames it, so
// that a crash leaves the old or the new one.
func (s *State) save(name string) error {
	raw, err := json.Marshal(&s.data)
	if err != nil {
		return fmt.Errorf("encode workspace: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write workspace: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(raw)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write workspace: %w", err)
	}
	s.dirty = false
	return nil
}

// Flush writes the workspace to its file when something changed since the last time.
func (e *Emulator) Flush() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cfg.File == "" || !e.st.dirty {
		return nil
	}
	return e.st.save(e.cfg.File)
}
