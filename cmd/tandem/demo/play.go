package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// BadEdit is an edit that cannot be made as it was typed; it says why.
type BadEdit struct{ Reason string }

// Error is the reason.
func (e *BadEdit) Error() string { return e.Reason }

func badEdit(format string, args ...any) error { return &BadEdit{fmt.Sprintf(format, args...)} }

// visitor is another process that looks at a running demo, or edits in it.
type visitor struct {
	reader
	*screen
	state State
}

func visit(ctx context.Context, dir string, out io.Writer) (*visitor, func(), error) {
	if dir == "" {
		dir = DefaultDir()
	}
	state, err := Find(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	r, closeReader, err := openReader(ctx, state)
	if err != nil {
		return nil, nil, err
	}
	return &visitor{*r, &screen{out: out}, state}, closeReader, nil
}

// Show prints what both sides say of a record.
func Show(ctx context.Context, dir, key string, out io.Writer) error {
	v, closeReader, err := visit(ctx, dir, out)
	if err != nil {
		return err
	}
	defer closeReader()
	ref, err := v.entities.ParseRef(key)
	if err != nil {
		return badEdit("%v", err)
	}
	return v.show(ctx, ref)
}

func (v *visitor) show(ctx context.Context, ref Ref) error {
	e := v.entities[ref.Entity]
	rows, err := v.crm.read(ctx, ref.Entity, ref.Key)
	if err != nil {
		return err
	}
	page, err := v.notion.page(ctx, ref)
	if err != nil {
		return err
	}
	row, trashed := rows[ref.Key], false
	var rec record
	if page != "" {
		if rec, trashed, err = v.notion.readPage(ctx, ref.Entity, page); err != nil {
			return err
		}
	}
	if row == nil && rec == nil {
		return badEdit("there is no %s: the CRM has no such row, and Notion no such page", ref)
	}
	widths := []int{16, 29, 29}
	line := func(cells ...string) {
		text := ""
		for i, cell := range cells {
			text += fit(cell, widths[min(i, 2)]) + " "
		}
		v.say("%s", strings.TrimRight(text, " "))
	}
	line("", "CRM"+note(row == nil, " (deleted)"), "Notion"+note(rec == nil, " (no page)")+note(trashed, " (in the trash)"))
	for _, field := range e.fieldNames(row, rec) {
		if a, b := row[field], rec[field]; a != "" || b != "" {
			mark := ""
			if a != b {
				mark = "≠ "
			}
			line(strings.TrimPrefix(field, mapping.CustomPrefix), mark+a, mark+b)
		}
	}
	waits, err := v.waits(ctx, ref.Entity)
	if why := waits["key "+ref.Key]; why != "" {
		v.say("%s", wrap("It waits. "+why, ""))
	}
	return err
}

func note(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

// Edit changes one field on one side, and waits for what the other side makes of it.
func Edit(ctx context.Context, dir, side, key, field, value string, out io.Writer) error {
	v, closeReader, err := visit(ctx, dir, out)
	if err != nil {
		return err
	}
	defer closeReader()
	ref, err := v.entities.ParseRef(key)
	if err != nil {
		return badEdit("%v", err)
	}
	rule, ok := v.entities[ref.Entity].rule(field)
	if !ok {
		var names []string
		for _, r := range v.entities[ref.Entity].Document.Fields {
			names = append(names, r.Name)
		}
		return badEdit("%s has no field %q; there are %s", ref.Entity, field, strings.Join(names, ", "))
	}
	began := time.Now()
	switch side {
	case "crm":
		err = v.editCRM(ctx, ref, rule, value)
	case "notion":
		err = v.editNotion(ctx, ref, rule, value)
	default:
		err = badEdit("%q is neither crm nor notion", side)
	}
	if err != nil {
		return err
	}
	return v.follow(ctx, ref, rule, began)
}

// editCRM updates the column as the CRM's own application would.
func (v *visitor) editCRM(ctx context.Context, ref Ref, rule mapping.Rule, value string) error {
	if rule.Column == "" {
		return badEdit("field %s is no column of %s: edit it with psql, or in Notion", rule.Name, ref.Entity)
	}
	var arg any = value
	if value == "" {
		arg = nil
	}
	for _, o := range rule.Options {
		if o.Notion == value && o.CRM != nil {
			arg = *o.CRM
		}
	}
	d := v.entities[ref.Entity].Document
	// The type is the column's own: the literal is unknown to PostgreSQL until it is assigned.
	sql := fmt.Sprintf("UPDATE %s SET %s = $1, updated_at = now() WHERE %s::text = $2 AND deleted_at IS NULL", quote(d.CRM.Table), quote(rule.Column), quote(d.CRM.Key[0]))
	tag, err := v.exec(ctx, sql, arg, ref.Key)
	if err != nil {
		return badEdit("PostgreSQL refuses it: %v", err)
	}
	if tag == 0 {
		return badEdit("there is no %s in the CRM", ref)
	}
	return nil
}

// exec sends arguments as texts, so that PostgreSQL reads them as it reads a literal.
func (v *visitor) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	conn, err := v.pool.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	values := make([][]byte, len(args))
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			values[i] = []byte(text)
		}
	}
	result := conn.Conn().PgConn().ExecParams(ctx, sql, values, nil, nil, nil).Read()
	return result.CommandTag.RowsAffected(), result.Err
}

// editNotion edits the page as the person, through the emulator's own door.
func (v *visitor) editNotion(ctx context.Context, ref Ref, rule mapping.Rule, value string) error {
	page, err := v.notion.page(ctx, ref)
	if err != nil {
		return err
	}
	if page == "" {
		return badEdit("there is no page of %s in Notion", ref)
	}
	properties, err := v.entities[ref.Entity].property(rule, value)
	if err != nil {
		return badEdit("%v", err)
	}
	body, err := json.Marshal(map[string]any{"person": editor, "page_id": page, "properties": properties})
	if err != nil {
		return badEdit("%q is no value of a %s: %v", value, rule.Type, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, v.state.Notion+"/_emulator/people/edit", bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return fmt.Errorf("edit in Notion: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		var said struct{ Error string }
		_ = json.NewDecoder(answer.Body).Decode(&said) // without words it is still refused
		return badEdit("Notion refuses it: %s", said.Error)
	}
	return nil
}

// follow waits until both sides say the same, and prints what.
func (v *visitor) follow(ctx context.Context, ref Ref, rule mapping.Rule, began time.Time) error {
	for {
		rows, err := v.crm.read(ctx, ref.Entity, ref.Key)
		if err != nil {
			return err
		}
		page, err := v.notion.page(ctx, ref)
		if err != nil {
			return err
		}
		rec, _, err := v.notion.readPage(ctx, ref.Entity, page)
		if err != nil {
			return err
		}
		crm, notion := rows[ref.Key][rule.Name], rec[rule.Name]
		if crm == notion {
			v.say("%s %s is %q on both sides after %s", ref, rule.Name, printable(crm), seconds(time.Since(began)))
			return nil
		}
		if time.Since(began) > effectWait {
			waits, err := v.waits(ctx, ref.Entity)
			if err != nil {
				return err
			}
			v.say("%s %s: CRM %q, Notion %q", ref, rule.Name, printable(crm), printable(notion))
			if why := waits["key "+ref.Key]; why != "" {
				v.say("It waits. %s", why)
			}
			return ErrDiffers
		}
		if err := lifecycle.Pause(ctx, lookEvery); err != nil {
			return err
		}
	}
}
