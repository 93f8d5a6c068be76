package config_test

import (
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/config"
)

// pollerConfig is a component's configuration: a plain struct, and one place that says where it comes from.
type pollerConfig struct {
	config.Common
	Token    config.Secret
	Interval time.Duration
}

func (c *pollerConfig) Define(s *config.Set) {
	c.Common.Define(s)
	s.Password(&c.Token, config.Key{Name: "notion.token", Required: true, Doc: "The connection's secret."})
	s.Duration(&c.Interval, config.Key{Name: "poll.interval.ms", Default: "300000", Validate: config.AtLeast(1000), Doc: "The pause between two polls."})
}

func ExampleDecode() {
	doc, err := config.Parse(".json", []byte(`{
		"name": "notion-source",
		"config": {"connector.class": "source.NotionSource", "notion.token": "${env:TOKEN}", "poll.interval": 60000}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	secrets := config.Resolver{LookupEnv: func(string) (string, bool) { return "ntn_123", true }}
	var c pollerConfig
	for _, problem := range config.Decode(doc.Config, secrets, &c) {
		fmt.Println(problem)
	}
	fmt.Println(c.Interval, c.Token, c.Token.Reveal())
	// Output:
	// warning: poll.interval: unknown key, which nothing reads (did you mean poll.interval.ms?)
	// 5m0s *** ntn_123
}
