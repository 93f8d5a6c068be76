package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

type emulatorOptions struct {
	*globalOptions
	Listen        string
	Token         string
	RootPageID    string
	Limit         int
	IndexLag      time.Duration
	File          string
	WebhookURL    string
	WebhookSecret string
	JSON          bool
}

func newEmulatorCommand(g *globalOptions) *cobra.Command {
	o := &emulatorOptions{globalOptions: g}
	c := &cobra.Command{
		Use:   "emulator",
		Short: "Serve a local Notion, for tests and for trying out",
		Long: `Emulator serves a local Notion with one page that is shared with one token, until Ctrl-C. Point a client's base URL at it, or a connector's
notion.base.url. People's edits are made with POST /_emulator/people/…, from this machine only.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.addFlags(c)
	return c
}

func (o *emulatorOptions) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:8082", "host:port; port 0 takes a free one")
	f.StringVar(&o.Token, "token", "", "the token that clients send; drawn if not given")
	f.StringVar(&o.RootPageID, "root-page-id", "", "the id of the shared page; drawn if not given")
	f.IntVar(&o.Limit, "limit", 180, "requests a minute for the token, as Notion; -1 is no limit")
	f.DurationVar(&o.IndexLag, "index-lag", 0, "how long queries and search do not show a write, such as 30s")
	f.StringVar(&o.File, "file", "", "keep the workspace in this file; without, it is forgotten at the end")
	f.StringVar(&o.WebhookURL, "webhook-url", "", "deliver webhooks to this address")
	f.StringVar(&o.WebhookSecret, "webhook-secret", "", "the webhooks' verification token; drawn if not given")
	f.BoolVar(&o.JSON, "json", false, "print where it is as JSON")
}

func (o *emulatorOptions) run(ctx context.Context) error {
	log, err := o.logger()
	if err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(o.Listen); err != nil {
		return usagef("--listen must be host:port, such as 127.0.0.1:8082")
	}
	if o.Token == "" {
		o.Token = "ntn_" + rand.Text()
	}
	if id, err := uuid.Parse(o.RootPageID); err == nil {
		o.RootPageID = id.String() // as Notion's links have it, without dashes, will do too
	}
	c := emulator.Config{
		Token: o.Token, RootPageID: o.RootPageID, Limit: o.Limit, IndexLag: o.IndexLag, File: o.File, Logger: log,
		Webhook: emulator.WebhookConfig{URL: o.WebhookURL, Secret: o.WebhookSecret},
	}
	if err := c.Validate(); err != nil {
		return usageError{err}
	}
	e, err := emulator.Open(c)
	if err != nil {
		return err
	}
	server := &emulator.Server{Emulator: e, Addr: o.Listen}
	if err := server.Start(ctx); err != nil {
		return unreachable("emulator", err)
	}
	if err := o.tell(server.URL(), e.RootPageID()); err != nil {
		return err
	}
	<-ctx.Done()
	if err := server.Stop(); err != nil {
		return fmt.Errorf("end the emulator: %w", err)
	}
	return nil
}

// tell prints where the emulator is, as what a shell can take in.
func (o *emulatorOptions) tell(url, page string) error {
	if o.JSON {
		return o.out.json(map[string]string{"url": url, "token": o.Token, "page": page})
	}
	o.out.printf("NOTION_BASE_URL=%s\nNOTION_TOKEN=%s\nNOTION_PARENT_PAGE=%s\n", url, o.Token, page)
	return nil
}
