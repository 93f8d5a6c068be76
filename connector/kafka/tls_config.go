package kafka

import "crypto/tls"

// Config reads the files, for others that are reached as Kafka is, such as a schema registry. A nil TLS gives nil.
func (t *TLS) Config() (*tls.Config, error) { return t.load() }
