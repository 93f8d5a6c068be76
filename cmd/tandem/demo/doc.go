// Package demo shows the whole of Tandem on one machine: a private PostgreSQL with an example CRM, the embedded broker over TCP, a local
// Notion, and the four connectors between them, run from files as `tandem run` runs them.
//
// The folder of a demo holds what a newcomer may look at: the connector files and mappings, the plugin, the log, and demo.json, by which
// `tandem demo edit` and `tandem demo show` find the demo that runs. Everything that runs ends with the demo; the folder stays until the next.
//
// What the demo claims is looked at with other eyes than the product's: it reads the CRM by SQL and Notion by its API, brings each value
// into a form of its own (see [canon]), and compares those.
package demo
