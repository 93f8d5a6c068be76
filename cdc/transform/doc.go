// Package transform is Connect's and Debezium's transforms as far as a source needs them, by their class names and with their options: which topic a record goes
// to, whether it is written, and rows in place of envelopes. Expressions are expr-lang's. docs/converters.md is its manual.
package transform
