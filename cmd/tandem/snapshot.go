package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/cdc"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka"
)

// snapshotOptions are those of the commands that ask a running source to read tables.
type snapshotOptions struct {
	sessionOptions
	Connector string
	Tables    []string
	Where     string
	Surrogate string
	Blocking  bool
}

func newSnapshotCommand(g *globalOptions) *cobra.Command {
	c := &cobra.Command{
		Use:   "snapshot",
		Short: "Have a running PostgreSQL source read tables again, while it streams",
		Long: `Snapshot asks a running cdc.PostgresSource to read tables while its stream goes on: one that was added to table.include.list later, one whose topic was lost, or
the rows that a filter lets through. It writes to the connector's topic of signals (signal.kafka.topic), in Debezium's form, so it works from any machine that reaches
Kafka, and a connector that is stopped obeys when it runs again. Rows come as events of op r with source.snapshot = "incremental"; changes go before them.
With --blocking the stream stands still while the tables are read, at once and all under one snapshot, as at the start: faster, and for consumers that cannot have rows among changes.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newSnapshotSub(g, "start", "Read tables, or rows of them", cdc.SignalExecute), newSnapshotSub(g, "stop", "Stop reading: of the given tables, or of all", cdc.SignalStop),
		newSnapshotSub(g, "pause", "Let the reading wait; the stream goes on", cdc.SignalPause), newSnapshotSub(g, "resume", "Let the reading go on where it was", cdc.SignalResume),
		newSnapshotStatus(g))
	return c
}

func newSnapshotSub(g *globalOptions, name, short string, kind cdc.SignalType) *cobra.Command {
	o := &snapshotOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{Use: name + " --config FILE", Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return o.send(c.Context(), kind) }}
	o.addFlags(c)
	c.Flags().StringVar(&o.Connector, "connector", "", "the source, where the files have several")
	if kind == cdc.SignalExecute || kind == cdc.SignalStop {
		c.Flags().StringSliceVar(&o.Tables, "table", nil, "a table (schema.table), or a regular expression for several; repeatable")
		c.Flags().BoolVar(&o.Blocking, "blocking", false, "the snapshot during which the stream stands still")
	}
	if kind == cdc.SignalExecute {
		c.Flags().StringVar(&o.Where, "where", "", "an SQL condition: only rows for which it is true; with --blocking it may be a whole SELECT")
		c.Flags().StringVar(&o.Surrogate, "surrogate-key", "", "a column to go by in place of the key: NOT NULL, and best with an index")
		c.MarkFlagsMutuallyExclusive("blocking", "surrogate-key")
	}
	return c
}

func newSnapshotStatus(g *globalOptions) *cobra.Command {
	o := &snapshotOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{Use: "status --config FILE", Short: "Show how far the reading is, as it was last stored", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.status(c.Context()) }}
	o.addFlags(c)
	c.Flags().StringVar(&o.Connector, "connector", "", "the source, where the files have several")
	return c
}

// capture reads the keys of the source that is meant.
func (o *snapshotOptions) capture(a *app) (*cdcKeys, error) {
	keys, err := a.captures(o.Config)
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(k *cdcKeys) bool { return o.Connector != "" && k.Name != o.Connector })
	switch len(keys) {
	case 1:
		return keys[0], nil
	case 0:
		return nil, usagef("none of the files is that of a cdc.PostgresSource: give its file with --config")
	}
	return nil, usagef("the files have several sources: say which with --connector")
}

// captures reads the sources among connector files.
func (a *app) captures(files []string) ([]*cdcKeys, error) {
	if len(files) == 0 {
		return nil, usagef("--config is missing: name the source's file")
	}
	docs, problems := readDocuments(files)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	var all []*cdcKeys
	for _, doc := range docs {
		if doc.Config["connector.class"] != "cdc.PostgresSource" {
			continue
		}
		k := &cdcKeys{}
		k.derive(doc.Config, a.resolver)
		if err := config.Decode(doc.Config, a.resolver, k).Err(); err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

func (o *snapshotOptions) send(ctx context.Context, kind cdc.SignalType) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	signal := cdc.Signal{ID: uuid.NewString(), Type: kind, Data: cdc.SignalData{Collections: o.Tables, Type: "INCREMENTAL", Surrogate: o.Surrogate}}
	if o.Blocking {
		signal.Data.Type = "BLOCKING"
	}
	if kind == cdc.SignalExecute && len(o.Tables) == 0 {
		return usagef("--table is missing: name the tables to read")
	}
	if o.Where != "" {
		for _, table := range o.Tables {
			signal.Data.Conditions = append(signal.Data.Conditions, cdc.SignalCondition{Collection: table, Filter: o.Where})
		}
	}
	value, err := json.Marshal(signal)
	if err != nil {
		return fmt.Errorf("write the signal: %w", err)
	}
	if _, err := cdc.ParseSignal(value); err != nil {
		return usageError{err}
	}
	k, err := o.capture(a)
	if err != nil {
		return err
	}
	if !k.Signals(cdc.ChannelKafka) {
		return usagef("%s does not listen to Kafka: add kafka to its signal.enabled.channels", k.Name)
	}
	kc := a.kafka(&k.Kafka, k.Name)
	if err := a.ensureTopics(ctx, kc, k.signalTopic()); err != nil {
		return err
	}
	producer, err := kafka.OpenProducer(kc)
	if err != nil {
		return err
	}
	defer producer.Close()
	if err := producer.SendBatch(ctx, []kafka.Record{{Topic: k.SignalsFrom(), Key: []byte(k.TopicPrefix), Value: value, Time: time.Now()}}); err != nil {
		return fmt.Errorf("write the signal: %w", err)
	}
	if o.JSON {
		return o.out.json(signal)
	}
	o.out.printf("%s is asked to %s (signal %s); tandem snapshot status shows what comes of it, its log why if it refuses\n", k.Name, strings.ReplaceAll(string(kind), "-snapshot", ""), signal.ID)
	return nil
}

// snapshotTable is one table in the answer of status.
type snapshotTable struct {
	Connector string    `json:"connector"`
	Table     string    `json:"table"`
	State     string    `json:"state"` // waiting, reading, paused, read, ended
	Rows      uint64    `json:"rows"`
	Share     float64   `json:"share,omitempty"`
	Rate      float64   `json:"rows_per_second,omitempty"`
	Left      float64   `json:"left_seconds,omitempty"`
	At        time.Time `json:"ended_at,omitzero"`
	Why       string    `json:"why,omitempty"`
}

func (o *snapshotOptions) status(ctx context.Context) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	k, err := o.capture(a)
	if err != nil {
		return err
	}
	tables, err := a.incremental(ctx, k)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.out.json(tables)
	}
	if len(tables) == 0 {
		o.out.printf("no snapshot that was asked for runs, waits or has ended\n")
		return nil
	}
	o.out.snapshots(tables)
	return nil
}

func (o *output) snapshots(tables []snapshotTable) {
	var rows [][]string
	for _, t := range tables {
		share, rate, left := "", "", ""
		if t.State == string(cdc.TableReads) || t.State == "paused" {
			share, rate = fmt.Sprintf("%.0f %%", t.Share*100), fmt.Sprintf("%.0f", t.Rate)
			left = (time.Duration(t.Left * float64(time.Second))).Round(time.Second).String()
		}
		rows = append(rows, []string{t.Connector, t.Table, t.State, fmt.Sprint(t.Rows), share, rate, left, short(t.Why, 200)})
	}
	o.table([]string{"CONNECTOR", "TABLE", "STATE", "ROWS", "DONE", "ROWS/S", "LEFT", "WHY"}, rows)
}

// incremental tells how far the snapshots are that a source was asked for, from what it has stored in Kafka.
func (a *app) incremental(ctx context.Context, k *cdcKeys) ([]snapshotTable, error) {
	offsets, err := kafka.OpenOffsets(a.kafka(&k.Kafka, k.Name), k.Kafka.offsets(k.OffsetTopic))
	if err != nil {
		return nil, err
	}
	defer offsets.Close()
	entries, err := offsets.Load(ctx, k.Name)
	if err != nil {
		return nil, fmt.Errorf("read what the source has stored: %w", err)
	}
	tables := []snapshotTable{}
	for _, e := range entries {
		if !reflect.DeepEqual(e.Partition, map[string]any{"server": k.TopicPrefix}) {
			continue
		}
		p, err := cdc.IncrementalOf(e.Offset)
		if err != nil {
			return nil, err
		}
		for i, t := range append(p.Blocking, p.Tables...) {
			one := snapshotTable{Connector: k.Name, Table: t.Table, State: string(t.State), Rows: t.Rows, Share: t.Share, Rate: t.Rate, Left: t.Left.Seconds()}
			if p.Paused && i >= len(p.Blocking) {
				one.State = "paused"
			}
			tables = append(tables, one)
		}
		for _, t := range p.Ended {
			one := snapshotTable{Connector: k.Name, Table: t.Table, State: "read", Rows: t.Rows, At: t.At, Why: t.Why}
			if t.Why != "" {
				one.State = "ended"
			}
			tables = append(tables, one)
		}
	}
	return tables, nil
}

// snapshotsPatience is how long status waits for Kafka: the rest of what it shows is the database's.
const snapshotsPatience = 5 * time.Second

// snapshots tells of the tables that the sources among the files read, or wait to. What cannot be known is left out, with a line in the log.
func (o *statusOptions) snapshots(ctx context.Context, a *app) (under []snapshotTable) {
	ctx, cancel := context.WithTimeout(ctx, snapshotsPatience)
	defer cancel()
	sources, err := a.captures(o.Config)
	if err != nil {
		return nil // tandem check says what is wrong with a file
	}
	for _, k := range sources {
		tables, err := a.incremental(ctx, k)
		if err != nil {
			a.log.Warn("it is not known which tables are read", "connector", k.Name, "err", err)
		}
		under = append(under, slices.DeleteFunc(tables, func(t snapshotTable) bool { return !t.At.IsZero() })...)
	}
	return under
}
