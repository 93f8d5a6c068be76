// Package config reads connector files as Kafka Connect does, and turns their
// keys into the documented structs that components own.
//
// A file becomes a [Document]: a name and a flat [Map] of dotted keys to strings,
// in which references such as ${env:NAME} stay as they were written. That is the
// form that is stored, hashed and shown. Only [Decode], called when a connector starts or is checked,
// resolves references, and only into the struct that it fills.
//
// A component declares its keys once, in a Define method next to its struct (see
// [Set]); the same declaration decodes, documents ([Definitions]) and validates. Everything that is
// wrong is reported at once as [Problems], each with its path. No message ever holds the
// value of a password or of a reference.
package config
