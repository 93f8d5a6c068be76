package kafka

import "time"

// Observer hears what happens, for metrics. It is called from clients' and consumers' goroutines, must be quick, and must not call back.
type Observer interface {
	Observe(Event)
}

// Event is one of the types below.
type Event interface{ event() }

// Reachability: Kafka went away (for longer than a moment) or came back.
type Reachability struct{ Reachable bool }

// BatchHandled: a consumer's handler returned.
type BatchHandled struct {
	Group   string
	Records int
	Bytes   int64
	Took    time.Duration
	Err     error     // nil: durable, and committed next
	Oldest  time.Time // the oldest record's time, for the delay from change to reason
}

// DeadLettered: a record was set aside, acknowledged by Kafka.
type DeadLettered struct {
	Topic string
	Stage Stage
}

// GapFound: records were lost before they were read; OnGap comes next.
type GapFound struct{ Gap Gap }

// Rebalanced: partitions came or went.
type Rebalanced struct {
	Group    string
	Assigned int
	Revoked  int
	Lost     bool // revoked without a chance to finish: this member was thrown out
}

func (Reachability) event() {}
func (BatchHandled) event() {}
func (DeadLettered) event() {}
func (GapFound) event()     {}
func (Rebalanced) event()   {}
