package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

// Who edits in Notion, and what the table calls them and the CRM's user.
const (
	editor   = "Ada Lovelace"
	ofNotion = "Ada"
	ofCRM    = "Claire"
)

// edit is one thing that somebody does, and how its effect on the other side is seen.
type edit struct {
	who   string
	where string // CRM, Notion or both
	what  string
	do    func(context.Context) error
	// look says what the other side shows now, and whether that is the effect.
	look func(context.Context) (result string, done bool, err error)
	// late says why the effect may take longer than the demo waits; "" if it may not.
	late string
}

// outcome is an edit with what came of it.
type outcome struct {
	edit

	result string
	began  time.Time
	took   time.Duration
	done   bool
}

// script makes the edits of the show.
type script struct {
	reader
	person *emulator.Person
	counts Counts
}

// all are the edits in the order in which they are shown. Each has a record of its own, so that they can all be made at once.
func (s *script) all() []edit {
	return []edit{
		s.inCRM("contact/1 job = Head of Sales", "UPDATE contact SET job_title = 'Head of Sales', updated_at = now() WHERE id = 1", "contact", "1", "job_title", "Head of Sales"),
		s.inCRM("opportunity/2 stage = won", "UPDATE opportunity SET stage = 'won', version = version + 1, updated_at = now() WHERE id = 2", "opportunity", "2", "stage", "Won"),
		s.inCRM("contact/3 new field: Loyalty card", `UPDATE contact SET custom_fields = coalesce(custom_fields, '{}') || '{"Loyalty card": "FR-0042 ⭐"}', updated_at = now() WHERE id = 3`,
			"contact", "3", "custom.Loyalty card", "FR-0042 ⭐"),
		s.newRow(),
		s.deletedRow("task/4 deleted", "4"),
		s.inNotion("contact/5 Phone = 06 12 34 56 78", Ref{"contact", "5"}, "phone", "06 12 34 56 78", "+33612345678"),
		s.inNotion("task/6 Task = Call back 📞", Ref{"task", "6"}, "title", "Call back 📞", "Call back 📞"),
		s.inNotion("task/7 Due = 2026-12-24", Ref{"task", "7"}, "due", "2026-12-24", "2026-12-24"),
		s.inNotion("opportunity/3 Stage = Won", Ref{"opportunity", "3"}, "stage", "Won", "Won"),
		s.relation("task/8 Contact = contact/9", Ref{"task", "8"}, Ref{"contact", "9"}),
		s.trashed("contact/10 put into the trash", Ref{"contact", "10"}),
		s.newPage(),
		s.conflict(),
	}
}

// inCRM is an edit of one field by SQL.
func (s *script) inCRM(what, sql, name, key, field, want string) edit {
	return edit{who: ofCRM, where: "CRM", what: what,
		do: s.exec(sql),
		look: func(ctx context.Context) (string, bool, error) {
			rec, _, err := s.pageOf(ctx, Ref{name, key})
			return short(rec[field], 20), rec[field] == want, err
		}}
}

func (s *script) exec(sql string) func(context.Context) error {
	return func(ctx context.Context) error {
		tag, err := s.pool.Exec(ctx, sql)
		if err == nil && tag.RowsAffected() != 1 {
			err = fmt.Errorf("%d rows were changed, want 1", tag.RowsAffected())
		}
		return err
	}
}

func (s *script) newRow() edit {
	key := strconv.Itoa(s.counts.Contacts + 1)
	return edit{who: ofCRM, where: "CRM", what: "contact/" + key + " made",
		do: s.exec("INSERT INTO contact (id, full_name, email, created_at, updated_at) VALUES (nextval('contact_id_seq'), 'Hedy Lamarr', 'hedy@example.com', now(), now())"),
		look: func(ctx context.Context) (string, bool, error) {
			rec, _, err := s.pageOf(ctx, Ref{"contact", key})
			return "a new page", rec["name"] == "Hedy Lamarr", err
		}}
}

func (s *script) deletedRow(what, key string) edit {
	return edit{who: ofCRM, where: "CRM", what: what,
		do: s.exec("UPDATE task SET deleted_at = now(), updated_at = now() WHERE id = " + key),
		look: func(ctx context.Context) (string, bool, error) {
			_, trashed, err := s.pageOf(ctx, Ref{"task", key})
			return "page in the trash", trashed, err
		}}
}

// inNotion is an edit of one property by a person.
func (s *script) inNotion(what string, ref Ref, field, typed, want string) edit {
	return edit{who: ofNotion, where: "Notion", what: what,
		do: func(ctx context.Context) error { return s.typed(ctx, ref, field, typed) },
		look: func(ctx context.Context) (string, bool, error) {
			rows, err := s.crm.read(ctx, ref.Entity, ref.Key)
			got := rows[ref.Key][field]
			return short(got, 20), got == want, err
		}}
}

// typed writes a text into a property as a person does.
func (s *script) typed(ctx context.Context, ref Ref, field, typed string) error {
	page, err := s.notion.page(ctx, ref)
	if err != nil {
		return err
	}
	rule, ok := s.entities[ref.Entity].rule(field)
	if !ok || page == "" {
		return fmt.Errorf("%s has no page, or no field %s", ref, field)
	}
	properties, err := s.entities[ref.Entity].property(rule, typed)
	if err != nil {
		return err
	}
	return s.person.Edit(page, properties)
}

func (s *script) relation(what string, from, to Ref) edit {
	return edit{who: ofNotion, where: "Notion", what: what,
		do: func(ctx context.Context) error {
			page, err := s.notion.page(ctx, from)
			if err != nil {
				return err
			}
			target, err := s.notion.page(ctx, to)
			if err != nil {
				return err
			}
			rule, _ := s.entities[from.Entity].rule(to.Entity)
			return s.person.SetRelation(page, rule.Property, []string{target})
		},
		look: func(ctx context.Context) (string, bool, error) {
			rows, err := s.crm.read(ctx, from.Entity, from.Key)
			got := rows[from.Key][to.Entity]
			return to.Entity + "_id is " + got, got == to.Key, err
		}}
}

// trashed is held: a page in the trash deletes no customer unless the mapping says so.
func (s *script) trashed(what string, ref Ref) edit {
	return edit{who: ofNotion, where: "Notion", what: what,
		do: func(ctx context.Context) error {
			page, err := s.notion.page(ctx, ref)
			if err != nil {
				return err
			}
			return s.person.Trash(page)
		},
		look: func(ctx context.Context) (string, bool, error) {
			waits, err := s.waits(ctx, ref.Entity)
			return "held, the row stays", len(waits["key "+ref.Key]) > 4 && waits["key "+ref.Key][:4] == "held", err
		}}
}

func (s *script) newPage() edit {
	const name = "Katherine Johnson 🛰️"
	return edit{who: ofNotion, where: "Notion", what: "a new page, " + name,
		late: "it becomes a row once its minute is over",
		do: func(ctx context.Context) error {
			schema, err := s.notion.schema(ctx, "contact")
			if err != nil {
				return err
			}
			properties, err := s.entities["contact"].property(s.entities["contact"].Document.Fields[0], name)
			if err != nil {
				return err
			}
			_, err = s.person.Create(schema.DataSource, properties)
			return err
		},
		look: func(ctx context.Context) (string, bool, error) {
			var id int
			err := s.pool.QueryRow(ctx, "SELECT id FROM contact WHERE full_name = $1", name).Scan(&id)
			if errors.Is(err, pgx.ErrNoRows) {
				return "", false, nil
			}
			return "row contact/" + strconv.Itoa(id), err == nil, err
		}}
}

// conflict is one phone number changed in both places at once. Which was later cannot be known, so the mapping's tie rule decides.
func (s *script) conflict() edit {
	ref := Ref{"contact", "2"}
	const inCRM, inNotion = "01 42 68 53 10", "06 98 76 54 32"
	return edit{who: "both", where: "both", what: "contact/2 phone, two at once",
		do: func(ctx context.Context) error {
			page, err := s.notion.page(ctx, ref) // before, so that the two edits are as close as can be
			if err != nil {
				return err
			}
			rule, _ := s.entities["contact"].rule("phone")
			properties, err := s.entities["contact"].property(rule, inNotion)
			if err != nil {
				return err
			}
			if err := s.exec("UPDATE contact SET phone = '" + inCRM + "', updated_at = now() WHERE id = 2")(ctx); err != nil {
				return err
			}
			return s.person.Edit(page, properties)
		},
		look: func(ctx context.Context) (string, bool, error) {
			var winner string
			err := s.pool.QueryRow(ctx, `SELECT c.detail->>'winner' FROM tandem.conflict c JOIN tandem.link l ON l.id = c.link
WHERE l.entity = 'contact' AND l.key = '2' AND c.detail->>'field' = 'phone' ORDER BY c.n DESC LIMIT 1`).Scan(&winner)
			if errors.Is(err, pgx.ErrNoRows) {
				return "", false, nil
			}
			rows, err2 := s.crm.read(ctx, ref.Entity, ref.Key)
			rec, _, err3 := s.pageOf(ctx, ref)
			same := rows[ref.Key]["phone"] == rec["phone"]
			return map[string]string{"crm": "CRM's kept; alert", "notion": "Notion's kept; alert"}[winner], same, errors.Join(err, err2, err3)
		}}
}

// pageOf reads a record's page; nil if it has none yet.
func (s *script) pageOf(ctx context.Context, ref Ref) (record, bool, error) {
	page, err := s.notion.page(ctx, ref)
	if err != nil || page == "" {
		return nil, false, err
	}
	return s.notion.readPage(ctx, ref.Entity, page)
}

// lookEvery is how often the other side is looked at for an edit's effect; the times that are shown are that exact.
const lookEvery = 50 * time.Millisecond

// run makes an edit and waits for its effect.
func (e edit) run(ctx context.Context, most time.Duration) (outcome, error) {
	o := outcome{edit: e}
	began := time.Now()
	o.began = began
	if err := e.do(ctx); err != nil {
		return o, fmt.Errorf("%s: %s: %w", e.where, e.what, err)
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		result, done, err := e.look(ctx)
		o.result, o.took, o.done = result, time.Since(began), done
		if err != nil && ctx.Err() == nil {
			return o, fmt.Errorf("%s: %s: look at the other side: %w", e.where, e.what, err)
		}
		if done || o.took > most {
			return o, nil
		}
		select {
		case <-ctx.Done():
			return o, context.Cause(ctx)
		case <-tick.C:
		}
	}
}
