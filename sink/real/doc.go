// Package real has no code. Its tests run both sinks, as they ship, on a real PostgreSQL (the CRM and the ledger) and the emulator
// over HTTP, with CRMs and mappings that no example has; only Kafka and the clock are left out: tests say what changed, and let time pass.
package real
