package ledger

import (
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// Policy is what a mapping says of one field.
type Policy struct {
	Name     string
	Rule     string // hash of the rule: a base agreed under another rule is no base
	ToNotion bool   // changes of the CRM go to Notion
	ToCRM    bool   // changes of Notion go to the CRM
	Tie      Side   // who wins where the clocks cannot say
	Initial  Side   // who wins where there is no base
	Critical bool   // every conflict alerts
	Elements bool   // sets merge element by element
	Single   bool   // the CRM keeps one member of the set, and Notion may show several

	Conflict   ConflictRule  // who wins where both sides changed the field; "" is LastWriteWins
	NeverBlank bool          // an empty value never takes the place of a value: the side that was emptied gets it back
	WriteOnce  bool          // once both have agreed on a value it stays: later edits are put back
	Typing     time.Duration // a value of Notion goes to the CRM once it has been seen unchanged for so long

	// Same reports that two canonical values that differ are one, written differently: to write it differently is no edit. nil: they never are.
	// It must be an equivalence, and pure.
	Same func(a, b change.Value) bool
}

// Alike reports that two canonical values of the field are one.
func (p *Policy) Alike(a, b change.Value) bool {
	return change.Equal(a, b) || p.Same != nil && !a.IsAbsent() && !b.IsAbsent() && p.Same(a, b)
}

// ConflictRule says who wins where both sides changed one field to different values.
type ConflictRule string

// The conflict rules.
const (
	LastWriteWins ConflictRule = "last_write_wins" // by the clocks; where they cannot tell, the field's tie rule
	CRMWins       ConflictRule = "crm_wins"
	NotionWins    ConflictRule = "notion_wins"
	HoldConflict  ConflictRule = "hold" // both values stay until a person decides
)

// DeletePolicy says what a delete on one side does to the other.
type DeletePolicy string

// The delete policies.
const (
	DeletePropagate DeletePolicy = "propagate" // trash the page, or delete the row
	DeleteHold      DeletePolicy = "hold"      // a human decides
	DeleteKeep      DeletePolicy = "keep"      // the other side is left as it is
)

// Rules are what a mapping says of the whole entity.
type Rules struct {
	Fields         []Policy
	WriteNotion    bool // false: observe
	WriteCRM       bool
	CreatePages    bool
	CreateRows     bool
	Quiet          time.Duration // a person's new page becomes a row when nobody edited it for so long
	DeletesToPages DeletePolicy
	DeletesToRows  DeletePolicy
	Grace          time.Duration // how long a delete waits before it travels
	Skew           time.Duration // how far the clocks of CRM, Notion and this process may disagree
}

// rest is how long a new page must have been left alone: no field of it may be half typed.
func (r *Rules) rest() time.Duration {
	rest := r.Quiet
	for i := range r.Fields {
		if r.Fields[i].ToCRM {
			rest = max(rest, r.Fields[i].Typing)
		}
	}
	return rest
}

// The names under which a conflict's history says what decided it, beside the conflict rules' own.
const (
	RuleTie        = "tie"               // the clocks could not tell, the field's tie rule did
	RuleInitial    = "initial_authority" // the two had never agreed
	RuleOneWay     = "one_way"           // the field is edited on one side only
	RuleNeverBlank = "never_blank"
	RuleWriteOnce  = "write_once"
	RulePerson     = "person"   // a person said whose value stands
	RuleRestored   = "restored" // a person had the losing value put back
)
