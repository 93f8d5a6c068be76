package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/sink"
)

type forgetOptions struct {
	sessionOptions
	By, Reason         string
	TrashPage, DropRow bool
}

func newForgetCommand(g *globalOptions) *cobra.Command {
	o := &forgetOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "forget ENTITY KEY --config FILE",
		Short: "Erase what the ledger holds of a person, and keep them from coming back",
		Long: `Forget erases the values of one record from the audit, the conflict history, alerts, holds and the record's link, and leaves keyed hashes of what it
would be known by: a row or page that shows one of them is not made anew. KEY is the row's key or the page's id. The row and the page themselves are
left unless --delete-row or --trash-page say otherwise. It prints a certificate: what was erased where, until which day Kafka's topics keep their
records, and what is out of reach. Keep it: after the restore of an older backup the same has to be forgotten again.`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0], args[1]) },
	}
	o.addFlags(c)
	f := c.Flags()
	f.StringVar(&o.By, "by", "", "who asks, for the certificate (default: the user of this process)")
	f.StringVar(&o.Reason, "reason", "", "why, for the certificate; it should name nobody")
	f.BoolVar(&o.TrashPage, "trash-page", false, "put the page in Notion's trash first")
	f.BoolVar(&o.DropRow, "delete-row", false, "delete the row in the CRM first, as the mapping deletes")
	return c
}

// certificate is what forget prints. It names nobody.
type certificate struct {
	ID         string           `json:"id"`
	At         time.Time        `json:"at"`
	By         string           `json:"by"`
	Reason     string           `json:"reason,omitempty"`
	Entity     string           `json:"entity"`
	Page       string           `json:"page"` // in the trash, left, none
	Row        string           `json:"row"`  // deleted, left, none
	Erased     pgledger.Erasure `json:"erased"`
	Topics     []topicKeeps     `json:"topics"`
	OutOfReach []string         `json:"out_of_reach"`
}

type topicKeeps struct {
	Topic string    `json:"topic"`
	Until time.Time `json:"until,omitzero"`
	Note  string    `json:"note,omitempty"`
}

func (o *forgetOptions) run(ctx context.Context, entity, key string) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	s, err := a.openSession(ctx, o.Config)
	if err != nil {
		return err
	}
	defer s.close()
	e, err := s.entity(entity)
	if err != nil {
		return err
	}
	naming := sink.Naming(e)
	link, known, err := s.link(ctx, entity, key)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("the ledger knows no record %q of %s: there is nothing to forget", key, entity)
	}
	if err := s.writable(ctx, a, o.Config); err != nil {
		return err
	}
	if o.TrashPage && link.Page != "" && s.client == nil {
		return usagef("--trash-page needs notion.token: name the file of sink.NotionSink")
	}
	w, err := s.worker(ctx, a)
	if err != nil {
		return err
	}
	w.Holder, w.Run = "tandem forget "+a.holder, a.holder
	marks, err := w.Known(ctx, link)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	c := certificate{ID: newID(), At: now, By: byWhom(o.By), Reason: o.Reason, Entity: entity, Page: end(link.Page, o.TrashPage, "in the trash"), Row: end(link.Key, o.DropRow, "deleted")}
	if c.Topics, err = o.topics(ctx, a, s, now); err != nil {
		return err
	}
	if o.TrashPage || o.DropRow {
		if err := s.turn(ctx, w, ledger.Notion, link, func() error { return w.PutAway(ctx, link, o.TrashPage, o.DropRow, c.By) }); err != nil {
			return err
		}
	}
	f := pgledger.Forgetting{ID: c.ID, Sync: s.sync, Entity: entity, Link: link.ID, Key: link.Key, Page: link.Page, Marks: marks, Fields: naming, By: c.By, Reason: c.Reason, Now: now}
	if c.Erased, err = s.eraseSoon(ctx, f); err != nil {
		return err
	}
	c.OutOfReach = outOfReach(link, c)
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := s.store.Certify(ctx, f, text); err != nil {
		return err
	}
	return o.tell(c)
}

func end(name string, done bool, how string) string {
	switch {
	case name == "":
		return "none"
	case done:
		return how
	}
	return "left"
}

// eraseSoon waits while a worker has the record.
func (s *session) eraseSoon(ctx context.Context, f pgledger.Forgetting) (pgledger.Erasure, error) {
	for end := time.Now().Add(restoreWait); ; {
		out, err := s.store.Erase(ctx, f)
		if !errors.Is(err, pgledger.ErrLeased) || time.Now().After(end) {
			return out, err
		}
		if err := lifecycle.Pause(ctx, 200*time.Millisecond); err != nil {
			return out, err
		}
	}
}

// topics says until when Kafka keeps what was written before now.
func (o *forgetOptions) topics(ctx context.Context, a *app, s *session, now time.Time) ([]topicKeeps, error) {
	docs, problems := readDocuments(o.Config)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	merged := config.Map{}
	var dead []string
	for _, doc := range docs {
		for key, value := range doc.Config {
			merged[key] = cmp.Or(merged[key], value)
		}
		if name := doc.Config["errors.deadletterqueue.topic.name"]; name != "" && !slices.Contains(dead, name) {
			dead = append(dead, name)
		}
	}
	names := tableTopics(cmp.Or(merged["crm.topic.prefix"], "crm"), s.entities)
	for _, e := range s.entities {
		names = append(names, cmp.Or(merged["notion.topic.prefix"], "notion")+"."+e.Name)
	}
	names = append(names, cmp.Or(merged["alerts.topic"], "tandem.alerts"))
	names = append(names, dead...)
	var k kafkaKeys
	if err := config.Decode(merged, a.resolver, &k).Errors().Err(); err != nil || len(k.Servers) == 0 {
		return []topicKeeps{{Topic: "all", Note: "not asked: the files name no bootstrap.servers"}}, nil //nolint:nilerr // said in the certificate
	}
	admin, err := kafka.OpenAdmin(a.kafka(&k, s.keys.Name))
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	var out []topicKeeps
	for _, name := range names {
		keeps, exists, err := admin.Retention(ctx, name)
		switch {
		case err != nil:
			return nil, unreachable("Kafka", err)
		case !exists:
		case keeps == 0:
			out = append(out, topicKeeps{Topic: name, Note: "keeps its records for ever: delete them by hand (kafka-delete-records.sh)"})
		default:
			out = append(out, topicKeeps{Topic: name, Until: now.Add(keeps)})
		}
	}
	return out, nil
}

func outOfReach(l ledger.Link, c certificate) []string {
	out := []string{"backups of the database, until they run out: after a restore of one, forget the record again", "logs name records by key and page id; they hold no values"}
	if l.Page != "" {
		out = append(out, "Notion's page history, as long as the workspace's plan keeps it")
		if c.Page == "in the trash" {
			out = append(out, "the page in Notion's trash, until "+c.At.AddDate(0, 0, 30).Format(time.DateOnly)+"; a person may delete it for good there")
		}
	}
	if len(c.Topics) > 0 {
		out = append(out, "a topic's last segment may outlast its day a little: Kafka deletes whole segments (segment.ms)")
	}
	return out
}

func (o *forgetOptions) tell(c certificate) error {
	if o.JSON {
		return o.out.json(c)
	}
	e := c.Erased
	o.out.printf("Certificate %s\n%s, by %s", c.ID, c.At.Format(time.RFC3339), printable(c.By))
	if c.Reason != "" {
		o.out.printf(": %s", printable(c.Reason))
	}
	o.out.printf("\nA record of %s was forgotten. Its row: %s. Its page: %s.\n", c.Entity, c.Row, c.Page)
	o.out.printf("Erased: %d values of the audit and the conflict history, %d alerts, %d holds, %d reasons to look, %d links with what was agreed and seen, %d mentions in what is said of other records.\n", e.Values, e.Alerts, e.Holds, e.Work, e.Links, e.Mentions)
	o.out.printf("Kept: %d keyed hashes, by which it is known should it come back.\nTopics:\n", e.Tombstones)
	for _, t := range c.Topics {
		if t.Note != "" {
			o.out.printf("  %s: %s\n", t.Topic, t.Note)
			continue
		}
		o.out.printf("  %s keeps older records until %s\n", t.Topic, t.Until.Format(time.DateOnly))
	}
	o.out.printf("Out of reach:\n")
	for _, r := range c.OutOfReach {
		o.out.printf("  %s\n", r)
	}
	return nil
}
