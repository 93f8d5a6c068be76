// Package pgoutput reads what PostgreSQL's output plugin of that name sends: messages in, events out, without I/O. [Decoder] follows the
// tables as the stream describes them, so that each change is read as its table was when it was made.
//
// pglogrepl has message types too; they cost two allocations a value, where here a whole change costs one.
package pgoutput
