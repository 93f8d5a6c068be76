package connector

import (
	"errors"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// State is what a connector is doing, with Kafka Connect's names.
type State string

// The states.
const (
	Unassigned State = "UNASSIGNED" // not ready yet: being built or started, or waiting for its turn (another copy has the slot or lease)
	Running    State = "RUNNING"
	Paused     State = "PAUSED"     // ended on request, to be resumed
	Failed     State = "FAILED"     // ended with an error, and not started again without a request
	Restarting State = "RESTARTING" // ended with an error, and started again soon
	Stopped    State = "STOPPED"    // ended on request
)

// Status is a connector at one moment.
type Status struct {
	Name     string    `json:"name"`
	Class    string    `json:"class"`
	Kind     Kind      `json:"type"`
	State    State     `json:"state"`
	Since    time.Time `json:"since"`             // when it came into this state
	Restarts int       `json:"restarts"`          // since it was added
	Error    string    `json:"error,omitempty"`   // why it is FAILED or RESTARTING, on one line
	Cause    error     `json:"-"`                 // the same as it was returned, with its lines
	Trace    string    `json:"trace,omitempty"`   // the stack of a panic
	NextTry  time.Time `json:"next_try,omitzero"` // while RESTARTING
	Details  []Detail  `json:"details,omitempty"` // what the connector says of itself
}

// Detail is one thing that a connector says of itself, for people.
type Detail struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Describer is a connector that has something to say for its status: its position, what it waits for. Describe returns at once and
// may be called from any goroutine, also before Start and after Stop.
type Describer interface {
	Describe() []Detail
}

// Observer hears of every change of state, from supervisors' goroutines, in order for one connector. It must be quick, and must not call the runtime.
type Observer interface {
	StateChanged(Status)
}

// errorLine is an error on one line of bounded length; a status is for tables.
func errorLine(err error) string {
	if err == nil {
		return ""
	}
	const most = 2000
	line := strings.Join(strings.Fields(err.Error()), " ")
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	return line
}

func stackOf(err error) string {
	var p *lifecycle.PanicError
	if errors.As(err, &p) {
		return string(p.Stack)
	}
	return ""
}
