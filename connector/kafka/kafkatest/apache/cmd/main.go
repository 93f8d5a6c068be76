// Command cmd runs one Apache Kafka broker in the foreground until Ctrl-C, for trying things by hand, for benchmarks, and
// for test runs that shall share one broker (TANDEM_TEST_KAFKA):
//
//	go run ./connector/kafka/kafkatest/apache/cmd --port 9092 --dir /var/tmp/kafka
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/apache"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its world as arguments. Exit codes: 0 stopped, 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("kafka", flag.ContinueOnError)
	flags.SetOutput(stderr)
	port := flags.Int("port", 0, "port for clients on 127.0.0.1; 0 takes a free one")
	dir := flags.String("dir", "", "folder for data, configuration and log; empty takes a temporary one, removed at the end")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	broker, err := apache.Start(ctx, apache.Config{Port: *port, Dir: *dir})
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	defer broker.Stop()
	fmt.Fprintf(stdout, "Apache Kafka %s is ready: bootstrap.servers=%s\ndata and log: %s\nCtrl-C stops it.\n",
		apache.Version, broker.Bootstrap(), broker.Dir())
	select {
	case <-ctx.Done():
		return 0
	case <-broker.Done():
		fmt.Fprintln(stderr, "the broker ended by itself: see broker.log in", broker.Dir())
		return 1
	}
}
