// Package emulator is a local Notion: the REST API as seen through one or more
// integration tokens, in the three API versions in use, with its limits, its
// wording of errors, its lagging query index, its webhooks and its faults.
//
// # Shape
//
//	net/http ─► Emulator (one lock, sleeps, drops) ─► State.serve ─► Response
//	                 ▲                                     │
//	  Person (edits in the UI), admin endpoints            └► pending webhook changes ─► Deliver(now)
//
// The state machine reads no clock but the instant it is handed, draws ids from
// one injected random source and starts no goroutine: the same requests in the
// same order at the same instants give the same bytes. A simulation drives it
// through Transport, in virtual time, and calls Deliver itself; Server runs the
// same thing behind a listener with a delivery loop.
//
// # What is and is not promised
//
// Shapes, orders of fields, limits and messages follow Notion's documentation,
// the types of @notionhq/client and public recordings. Where those are silent
// the emulator chooses the answer that is harder on a client (text filters
// ignore case, trashed rows leave the index late, cursors expire at a restart).
// Formulas are not evaluated: they read as "unsupported" unless a value is put
// there with Person.SetFormula. Views, agents, OAuth and markdown answer
// invalid_request_url, as Notion does for paths it does not have.
package emulator
