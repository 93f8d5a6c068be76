// Package debezium runs Debezium's PostgreSQL connector, the real one, in a Kafka Connect standalone worker: what our events are
// compared with (cdc/parity) and our speed is measured against. For tests and benchmarks, never a part of the product.
//
//	worker, err := debezium.Start(ctx, debezium.Config{Bootstrap: bootstrap, DSN: dsn, Connector: map[string]string{"topic.prefix": "crm"}})
//	defer worker.Stop()
//	err = worker.AwaitStreaming(ctx)
//
// The jars come from Maven by the pom in this folder and are cached (package jvm). A start takes some 5 s on an idle machine.
package debezium
