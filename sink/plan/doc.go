// Package plan looks at both sides before anything is written: which rows and pages that nobody linked are the same record, what every link would
// get, and what of that is still so when a person says go.
//
//	rows (by key, 500 a snapshot) ─┐                       ┌─► Links: exact pairs, what is doubtful      (tandem link)
//	pages (by query, 100 a request)┼─► Survey ─► Foresee ──┼─► File: items with the hash of each decision (tandem plan)
//	links (by key and page)       ─┘                       └─► Apply: decided again under the lease      (tandem apply)
//
// Deciding is the shipped code's: [sink.Worker.Foresee] and [sink.Worker.RunLink]. This package only reads for the one and permits for the other.
package plan
