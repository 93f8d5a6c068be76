package e2e

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// truth remembers what became of every word that people wrote, as far as people did it: the judge's memory, which Tandem never sees.
// Every word is unique, so that where it stands tells whose edit survived.
type truth struct {
	mu      sync.Mutex
	serial  int
	edits   map[string]edit
	gone    map[string]string // word → who replaced it knowingly
	windows map[string]string // word → Tandem overwrote it before anybody could have read it: the window that no client can close
}

type edit struct {
	at    time.Time
	where string
}

func newTruth() *truth {
	return &truth{edits: map[string]edit{}, gone: map[string]string{}, windows: map[string]string{}}
}

// word makes a value that never was before, in the field's syntax.
func (tr *truth) word(f field, where string) string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.serial++
	word := fmt.Sprintf(f.syntax, tr.serial)
	tr.edits[word] = edit{time.Now(), where}
	return word
}

func (tr *truth) replaced(old, next []string, who string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, word := range old {
		if !slices.Contains(next, word) {
			tr.gone[word] = who
		}
	}
}

// forget takes back words that were refused.
func (tr *truth) forget(words ...string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, word := range words {
		delete(tr.edits, word)
	}
}
