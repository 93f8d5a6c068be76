// Package telemetry is how Tandem is watched: logs, metrics, health.
//
// Logs are slog's, as text or JSON; every line carries the component that wrote it, and
// each component's level can be changed while it runs ([Levels]). Info is for what changes a state, Debug
// for items; normal operation is in the metrics.
//
// Metrics are Prometheus's. The packages that do the work know nothing of it: they
// declare small observers, which cmd connects to the methods of [Metrics] and [ConnectorMetrics]. What only
// the ledger knows (work that waits, how old it is, what the budget allows) is asked for at the scrape.
//
// Health is a list of checks; one that was not heard from for too long counts as failed,
// since a loop that hangs reports nothing. [Server] serves metrics and health on a loopback port.
//
// The package imports nothing of ours.
package telemetry
