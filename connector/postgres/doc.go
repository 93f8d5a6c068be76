// Package postgres is how Tandem reaches a PostgreSQL server: connections and pools from one [Config], errors that answer
// what to do about them ([Explain], [Retryable], [Unknown]), and the values that PostgreSQL's text forms stand for ([Types]).
//
// Package pgserver runs a private server; package pgtest gives tests a database each.
package postgres
