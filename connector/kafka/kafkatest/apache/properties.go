package apache

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// properties is the broker's configuration: one node that is broker and controller, everything internal once and
// small. extra wins. Names and defaults: https://kafka.apache.org/documentation/#brokerconfigs
func properties(dataDir string, port, controllerPort int, extra map[string]string) string {
	broker, controller := fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", controllerPort)
	all := map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          "1",
		"controller.quorum.bootstrap.servers":              controller,
		"controller.listener.names":                        "CONTROLLER",
		"listeners":                                        "PLAINTEXT://" + broker + ",CONTROLLER://" + controller,
		"advertised.listeners":                             "PLAINTEXT://" + broker + ",CONTROLLER://" + controller,
		"listener.security.protocol.map":                   "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name":                       "PLAINTEXT",
		"log.dirs":                                         dataDir,
		"auto.create.topics.enable":                        "false", // a typo must not become a topic: Tandem creates its own
		"num.partitions":                                   "1",
		"default.replication.factor":                       "1",
		"offsets.topic.replication.factor":                 "1",
		"offsets.topic.num.partitions":                     "1", // 50 by default: seconds of start and memory for nothing
		"transaction.state.log.min.isr":                    "1",
		"transaction.state.log.num.partitions":             "1",
		"transaction.state.log.replication.factor":         "1",
		"share.coordinator.state.topic.min.isr":            "1",
		"share.coordinator.state.topic.num.partitions":     "1",
		"share.coordinator.state.topic.replication.factor": "1",
		"group.initial.rebalance.delay.ms":                 "0",        // 3 s by default, for fleets that start together
		"log.cleaner.dedupe.buffer.size":                   "16777216", // 128 MB by default: more than half the heap
		"log.cleaner.backoff.ms":                           "500",      // compaction within a test's patience
		"log.retention.check.interval.ms":                  "1000",
		"num.network.threads":                              "2",
		"num.io.threads":                                   "2",
		"background.threads":                               "2",
		"controlled.shutdown.enable":                       "false", // no other broker to hand over to
	}
	maps.Copy(all, extra)
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s=%s\n", key, all[key])
	}
	return b.String()
}
