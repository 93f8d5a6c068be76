package book

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// validCommit reports everything in a commit that has no stored form, all at once.
func validCommit(c ledger.Commit) error {
	var errs []error
	for i, r := range c.Reasons {
		if err := ValidReason(r); err != nil {
			errs = append(errs, fmt.Errorf("reason %d: %w", i+1, err))
		}
	}
	for name, b := range c.Base {
		if b.Value.IsAbsent() || b.Sent != nil && (b.Sent.Sent.IsAbsent() || b.Sent.Got.IsAbsent()) {
			errs = append(errs, fmt.Errorf("the base of field %q is an absent value, which nothing can agree on", name))
		}
	}
	for _, k := range c.Conflicts {
		if k.ID == "" || k.CRM.IsAbsent() || k.Notion.IsAbsent() {
			errs = append(errs, fmt.Errorf("a conflict on field %q without an id or one of its values", k.Field))
		}
	}
	for _, w := range c.Writes {
		errs = append(errs, validImage("write", w.Old), validImage("write", w.New))
	}
	if c.Intent != nil {
		errs = append(errs, validImage("intent", c.Intent.Values), validImage("intent", c.Intent.Bases))
	}
	for _, a := range c.Alerts {
		if a.ID == "" || len(a.Detail) > 0 && !json.Valid(a.Detail) {
			errs = append(errs, errors.New("an alert without an id, or with a detail that is not JSON"))
		}
	}
	if c.Finish != nil && c.Finish.Side != ledger.CRM && c.Finish.Side != ledger.Notion {
		errs = append(errs, fmt.Errorf("finished work has no side %q", c.Finish.Side))
	}
	errs = append(errs, validSeen(c.Seen), validSeen(c.Settled))
	return errors.Join(errs...)
}

func validImage(what string, im change.Image) error {
	for _, name := range im.Fields() {
		if im[name].IsAbsent() {
			return fmt.Errorf("the %s of field %q is an absent value", what, name)
		}
	}
	return nil
}

func validSeen(o *ledger.Observation) error {
	if o != nil && len(o.Properties) > 0 && !change.ValidJSON(o.Properties) {
		return errors.New("an observation's properties are not JSON")
	}
	return nil
}
