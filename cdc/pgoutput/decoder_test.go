package pgoutput

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

const (
	capturedPath = "testdata/captured.txt" // what a server sent: an LSN and a message in hexadecimal a line
	decodedPath  = "testdata/decoded.txt"  // what we make of it
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// capture asks a real server for messages of every kind. With REWRITE set it writes them down.
func capture(t *testing.T) {
	db, err := pgx.Connect(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.Background())
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE contact (id bigserial PRIMARY KEY, name text, phone text, note text); CREATE TABLE whole (a int, b text, c text); ALTER TABLE whole REPLICA IDENTITY FULL; ALTER TABLE whole ALTER c SET STORAGE EXTERNAL;
		ALTER TABLE contact ALTER note SET STORAGE EXTERNAL; CREATE TABLE hidden (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES`)
	exec(`SELECT slot_name::text FROM pg_create_logical_replication_slot('capture', 'pgoutput')`)
	exec(`BEGIN; INSERT INTO contact (name, note) VALUES ('Zoë "Z"', repeat('n', 3000)), (NULL, ''); UPDATE contact SET phone = E'\t1' WHERE id = 1; UPDATE contact SET id = 9 WHERE id = 2;
		INSERT INTO hidden VALUES (1); DELETE FROM contact WHERE id = 9; COMMIT`)
	exec(`BEGIN; INSERT INTO whole VALUES (1, 'x', repeat('c', 3000)); UPDATE whole SET b = 'y'; DELETE FROM whole; TRUNCATE whole, contact, hidden;
		SELECT pg_logical_emit_message(true, 'in', 'side'); SELECT pg_logical_emit_message(false, 'out', 'side'); COMMIT`)
	exec(`SELECT pg_replication_origin_create('elsewhere'); SELECT pg_replication_origin_session_setup('elsewhere')`)
	exec(`BEGIN; SELECT pg_replication_origin_xact_setup('0/ABCD', now()); ALTER TABLE contact ADD amount numeric(8,2); INSERT INTO contact (amount) VALUES (1.5); COMMIT`)
	rows, err := db.Query(t.Context(), `SELECT lsn::text, encode(data, 'hex') FROM pg_logical_slot_get_binary_changes('capture', NULL, NULL,
		'proto_version', '1', 'publication_names', 'p', 'messages', 'true')`)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for rows.Next() {
		var lsn, data string
		if err := rows.Scan(&lsn, &data); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, lsn, data)
	}
	if err := errors.Join(rows.Err(), os.WriteFile(capturedPath, out.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

type captured struct {
	lsn  change.LSN
	data []byte
}

func readCaptured(t testing.TB) []captured {
	text, err := os.ReadFile(capturedPath)
	if err != nil {
		t.Fatal(err)
	}
	var out []captured
	for line := range strings.Lines(string(text)) {
		at, data, _ := strings.Cut(strings.TrimSpace(line), " ")
		lsn, errLSN := change.ParseLSN(at)
		raw, errHex := hex.DecodeString(data)
		if err := errors.Join(errLSN, errHex); err != nil {
			t.Fatal(err)
		}
		out = append(out, captured{lsn, raw})
	}
	return out
}

func newDecoder() *Decoder {
	return &Decoder{
		Source: change.Source{Version: "1", Connector: "postgresql", Name: "crm", DB: "crm", Snapshot: change.NoSnapshot}, Types: postgres.BuiltinTypes(),
		Includes: func(t Table) bool { return t.Name != "hidden" },
	}
}

// What the server sent is what it sent: a change in what we make of it must be meant.
func TestCapturedMessagesDecode(t *testing.T) {
	t.Parallel()
	if os.Getenv("REWRITE") != "" {
		capture(t)
	}
	d := newDecoder()
	var out bytes.Buffer
	var next change.Position // what would be stored: nothing that follows may lie before it
	for _, m := range readCaptured(t) {
		data := bytes.Clone(m.data)
		step, err := d.Decode(data, m.lsn)
		if err != nil {
			t.Fatalf("%s: %v", m.lsn, err)
		}
		for i := range data {
			data[i] = 'X' // the connection reuses its buffer: whatever still points there shows below
		}
		fmt.Fprintf(&out, "%c %s\n", m.data[0], [...]string{"", "begin", "events", "commit " + step.End.String(), "loose " + step.End.String()}[step.Kind])
		if step.Kind == Commit {
			next = change.Position{Commit: step.End}
		}
		for _, e := range step.Events {
			if e.Position.Compare(next) < 0 {
				t.Errorf("%s lies before %s: it would be skipped after a restart", e.Position, next)
			}
			if next = (change.Position{Commit: e.Position.Commit, Index: e.Position.Index + 1}); step.Kind == Loose {
				next = change.Position{Commit: step.End}
			}
			if err := e.Validate(); err != nil {
				t.Errorf("%s: %v", m.lsn, err)
			}
			e.At = time.Unix(0, 0)
			value := change.Format{}.AppendValue(nil, &e)
			value = bytes.ReplaceAll(value, bytes.Repeat([]byte("n"), 3000), []byte("n…"))
			value = bytes.ReplaceAll(value, bytes.Repeat([]byte("c"), 3000), []byte("c…"))
			fmt.Fprintf(&out, "  %s %s %s %s\n", e.Position, change.Format{}.AppendKey(nil, e.Key), change.Format{}.Headers(&e), value)
		}
	}
	if os.Getenv("REWRITE") != "" {
		if err := os.WriteFile(decodedPath, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(decodedPath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Messages that no server sends end in errors, and a type that is new is asked for.
func TestBrokenMessagesAreErrors(t *testing.T) {
	t.Parallel()
	all := readCaptured(t)
	for cut := range all {
		d := newDecoder()
		for _, m := range all[:cut] {
			if _, err := d.Decode(m.data, m.lsn); err != nil {
				t.Fatal(err)
			}
		}
		m := all[cut]
		for n := range min(len(m.data), 60) {
			if _, err := d.Decode(m.data[:n], m.lsn); err == nil && m.data[0] != 'Y' {
				t.Errorf("%c cut to %d bytes was decoded", m.data[0], n)
			}
		}
	}
	d := newDecoder()
	relation := append([]byte("R\x00\x00\x00\x01public\x00t\x00d\x00\x01\x01id\x00"), 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff)
	_, err := d.Decode(relation, 1)
	if unknown := (*UnknownTypeError)(nil); !errors.As(err, &unknown) || unknown.OID != 65536 {
		t.Errorf("got %v", err)
	}
	d.Lenient = true
	if _, err := d.Decode(relation, 1); err != nil {
		t.Errorf("a type that was dropped: %v", err)
	}
}
