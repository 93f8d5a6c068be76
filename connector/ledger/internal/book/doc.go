// Package book holds the rules by which reasons and commits change links and their work, on rows in memory and nothing else.
//
// Package memledger is one book with every row in it. Package pgledger loads the rows that one call touches, under locks,
// into a book, applies the call, and stores what changed. So there is one set of rules and two ways to keep rows; the suite in
// ledgertest checks the rules, and the two stores against each other.
//
// # What a call may change
//
// While a worker holds a link's lease, only that worker's commits change the link itself, with two exceptions that are facts and
// no decisions: the row's key (a rekey) and the poller's content hash. Reasons touch work rows at any time. An observation that
// a reason brings while the lease is held is therefore not stored: the work becomes a reread.
//
// A book is not safe for concurrent use. A call that returns an error has changed nothing.
package book
