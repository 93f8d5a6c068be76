// Package connector is the runtime: it runs configured connectors, each under a
// supervisor of its own.
//
// A connector is built by the factory of its class (cmd registers the classes), started, watched, and
// started again when it fails:
//
//	            Add                    ready                     ended with an error
//	UNASSIGNED ─────► building, Start ───────► RUNNING ────────────────────────────┐
//	                       ▲                     │ pause, stop                     ▼
//	                       │ resume, restart     ▼                    RESTARTING (backing off)
//	                       ├─────────────── PAUSED, STOPPED                        │
//	                       │                                                       │ budget used up,
//	                       └──────── restart ─────────── FAILED ◄──────────────────┘ or not worth a retry
//
// # What a failure does
//
// A panic in a connector's loops ends that connector's life, not the process and not its
// neighbours. An error that says Retryable() == true is tried again for as long as it takes, with jittered pauses: an
// outage of an hour needs nobody. One that says false (a missing privilege, a wrong token) is not
// tried again. What says nothing, panics among it, has a budget of restarts in a row. A series of equal failures is
// logged once, and once when it is over.
//
// # How it stops
//
// Stop asks the sources to end before the sinks, so that what was taken in can still be worked off. Each connector
// has Config.StopTimeout to drain; then its context, which until then lived on, is cancelled with
// cause [ErrDrainTimeout]; a connector that still does not end is left behind and reported. What all
// connectors stand on (pools, clients) is stopped after the runtime, by whoever put both into a lifecycle.Group.
//
// # Locks
//
// Runtime.mu before unit.mu; neither is held while a connector's code runs.
package connector
