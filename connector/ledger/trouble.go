package ledger

import "strings"

// Class is a kind of trouble that one record has: what it takes to end it is the same for all of a class.
type Class string

// The classes of trouble.
const (
	ClassConflict    Class = "conflict"    // both sides changed a field, and a person has to decide
	ClassDelete      Class = "delete"      // a delete waits for a person
	ClassBrake       Class = "brake"       // a brake holds
	ClassMissing     Class = "missing"     // an end of the link cannot be found, or was moved
	ClassOscillation Class = "oscillation" // two programs undo each other
	ClassPaused      Class = "paused"      // somebody paused it
	ClassTwin        Class = "twin"        // it may be a record that is there already
	ClassDeclined    Class = "declined"    // a person wants no page or row of it
	ClassOverwritten Class = "overwritten" // an edit in Notion may have been overwritten
	ClassRelation    Class = "relation"    // what a relation refers to is not there on the other side
	ClassOption      Class = "option"      // a select, status or multi-select does not take the option
	ClassTooLong     Class = "too_long"    // the other side holds no text or number of that size
	ClassDuplicate   Class = "duplicate"   // another row has the value already
	ClassInvalid     Class = "invalid"     // a value guard of the mapping refuses the value
	ClassRule        Class = "rule"        // a trigger or constraint of the CRM refuses the write
	ClassPermission  Class = "permission"  // a right is missing
	ClassPlugin      Class = "plugin"      // a plugin does not answer
	ClassUnreachable Class = "unreachable" // the other side cannot be reached, or an outcome is not known yet
	ClassValue       Class = "value"       // the value has no form on the other side
)

// classes tells a reason's class by words that stand in it; the first that fits counts. The view tandem.issue does the same (a test compares them).
var classes = []struct {
	part  string
	class Class
}{
	{" is not linked yet", ClassRelation}, {" has no counterpart yet", ClassRelation}, {" is in the trash", ClassRelation},
	{" is still there is being looked at", ClassRelation}, {"did not take the reference", ClassRelation}, {"what it refers to is not there", ClassRelation},
	{"which Notion does not allow", ClassOption}, {"which ignores case", ClassOption}, {"the status \"", ClassOption}, {"an option of ", ClassOption}, {"the option \"", ClassOption},
	{"another row has this value", ClassDuplicate},
	{"is longer than the CRM", ClassTooLong}, {" characters; Notion takes", ClassTooLong}, {" characters; the CRM takes", ClassTooLong},
	{"is beyond what the CRM", ClassTooLong}, {"more digits than Notion", ClassTooLong},
	{"is not an e-mail address", ClassInvalid}, {"is not a phone number", ClassInvalid}, {"does not have the form", ClassInvalid},
	{"is none of the values", ClassInvalid}, {"and the CRM is to have a value", ClassInvalid},
	{"a rule of the CRM", ClassRule}, {"the CRM's rule", ClassRule}, {"the CRM wants a value", ClassRule}, {"skipped the write", ClassRule}, {"still refer to this row", ClassRule},
	{"call function", ClassPlugin}, {"call mapper", ClassPlugin}, {"is not loaded", ClassPlugin},
	{"restricted_resource", ClassPermission}, {"object_not_found", ClassPermission}, {"permission denied", ClassPermission}, {"not shared with the connection", ClassPermission},
	{"outcome of a write", ClassUnreachable},
}

// Classify tells the class of what is said of a record: by the kind of its hold if it has one, else by the reason. tried says that it is tried again.
func Classify(hold, reason string, tried bool) Class {
	switch hold {
	case "conflict":
		return ClassConflict
	case "brake":
		return ClassBrake
	case "oscillation":
		return ClassOscillation
	case "paused":
		return ClassPaused
	case "vanished", "moved", "rekey", "copy":
		return ClassMissing
	case "overwritten":
		return ClassOverwritten
	case "match":
		return ClassTwin
	case "declined":
		return ClassDeclined
	case "":
	default: // delete_row, trash_page, delete_vs_edit, restored, grace
		return ClassDelete
	}
	for _, c := range classes {
		if strings.Contains(reason, c.part) {
			return c.class
		}
	}
	if tried {
		return ClassUnreachable
	}
	return ClassValue
}

// fixes say what ends the trouble of a class, and whether anybody has to do anything afterwards.
var fixes = map[Class]string{
	ClassConflict:    "say whose value stands (tandem holds, tandem approve), or make both sides the same",
	ClassDelete:      "say whether the delete goes through (tandem holds, tandem approve or reject)",
	ClassBrake:       "look whether so many changes are meant (tandem holds), then tandem approve or tandem reject; no later window lets them through",
	ClassMissing:     "share the page with the connection again, move it back, or bring the row back; then it goes on by itself within minutes, or at once with tandem retry. What cannot come back: tandem holds says what to do",
	ClassOscillation: "find the two programs that undo each other, and stop one for this field; then tandem approve",
	ClassPaused:      "tandem resume",
	ClassTwin:        "look whether the two are one: link them (tandem link --apply, tandem links import), change what makes them alike, or tandem approve to have both",
	ClassDeclined:    "nothing; tandem approve has it made after all",
	ClassOverwritten: "look at the page's history in Notion, put right what is wrong, then tandem overwritten --seen",
	ClassRelation:    "nothing, if what it refers to is on its way; else link it, make it, or take it out of the trash: then it goes on by itself",
	ClassOption:      "add the option where it is missing, or choose another, or let the mapping translate it (options, unknown_options); then it goes on by itself",
	ClassTooLong:     "shorten the value; or make the column or the property larger; then it goes on by itself within minutes, or at once with tandem retry",
	ClassDuplicate:   "change the value here or in the other row; after a change there it goes on by itself within minutes, or at once with tandem retry",
	ClassInvalid:     "correct the value on the page: it goes on with that edit",
	ClassRule:        "give a value that the CRM's rules take; if the rule was changed it goes on by itself within minutes, or at once with tandem retry",
	ClassPermission:  "give the connection or the database role the right that is missing; it is tried again by itself, or at once with tandem retry",
	ClassPlugin:      "see that the plugin runs (the log says why it does not); it is tried again by itself",
	ClassUnreachable: "nothing, it is tried again by itself; if it lasts, see that the other side can be reached",
	ClassValue:       "correct the value, or map the field to a type that holds it; it goes on with that edit",
}

// Fix says in plain words what ends the trouble of a class.
func (c Class) Fix() string { return fixes[c] }

// Classes lists all classes, for those who name one.
func Classes() []Class {
	return []Class{
		ClassConflict, ClassDelete, ClassBrake, ClassMissing, ClassOscillation, ClassPaused, ClassTwin, ClassDeclined, ClassOverwritten, ClassRelation, ClassOption, ClassTooLong, ClassDuplicate,
		ClassInvalid, ClassRule, ClassPermission, ClassPlugin, ClassUnreachable, ClassValue,
	}
}
