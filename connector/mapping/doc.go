// Package mapping reads the documents that say how rows of a CRM and pages of Notion correspond: one JSON document an
// entity, used by all four connectors.
//
// A document goes through three gates, and each reports everything that is wrong at once, with paths:
//
//	Parse     strict decoding, judged by the published JSON Schema (mapping.schema.json, embedded)
//	Compile   what documents must agree on among themselves: relation targets, order, names
//	Check     the compiled entity against the real database, reading only
//
// A compiled [Entity] carries what the pipeline needs: the canonical form of each field ([Field.Canon]), the way between
// the CRM's values and canonical ones ([Field.FromRow], [Field.ToRow]), the image query ([Entity.ImageQuery]), the list of
// tables and what their changes say about root rows ([Entity.Tables], [Entity.RootKeys]), and the allow-list outside of
// which nothing is ever read or written ([Entity.AllowList]).
//
// Two domains of values are kept apart. The row domain is what PostgreSQL said: an enum's label, an exact decimal, JSON
// as text, relations as keys. The field domain is the canonical form in which both sides are compared and the base is
// kept. Functions of plugins are no part of this package: their caller applies them at the row's edge.
package mapping
