package ledger

import "time"

// Explained says what is known of a link that would explain why its sides differ.
type Explained struct {
	Work bool // somebody has to look, is looking, or has looked a moment ago
	Held bool // it waits for a person, or for its cause to go
}

// Proof is what one whole comparison of an entity's pages with its rows found.
type Proof struct {
	Entity   string    `json:"entity"`
	Began    time.Time `json:"began"`
	Finished time.Time `json:"finished"`
	Equal    int       `json:"equal"`
	Waiting  int       `json:"waiting"` // differ, and work explains it
	Held     int       `json:"held"`    // differ, and wait for a person, or are to differ by a rule
	Differs  int       `json:"differs"` // differ, and nothing explains it
	Requests int       `json:"requests"`
}

// Difference is a field that differs though nothing explains it. Field is "" where a whole record is missing on a side.
type Difference struct {
	Link    int64     `json:"link,omitempty"`
	Entity  string    `json:"entity"`
	Key     string    `json:"key,omitempty"`
	Page    string    `json:"page,omitempty"`
	Field   string    `json:"field,omitempty"`
	CRM     string    `json:"crm"` // cut for a line
	Notion  string    `json:"notion"`
	FoundAt time.Time `json:"found_at"`
}
