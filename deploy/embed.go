// Package deploy holds the files of a deployment, and gives the binary those that `tandem demo` runs on: what people are told to copy is
// what they see running.
package deploy

import "embed"

// Files are the example CRM, the SQL that prepares it for Tandem, and the example connectors and mappings, under their paths in this folder.
//
//go:embed examples postgres/tandem.sql
var Files embed.FS
