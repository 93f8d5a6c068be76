package pgledger_test

import (
	"testing"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// The view and the program tell the same classes, and every class says what ends it.
func TestTheViewClassifiesAsTheProgramDoes(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	seen := map[ledger.Class]bool{}
	for _, tt := range []struct {
		hold, reason string
		tried        bool
		want         ledger.Class
	}{
		{"conflict", "x", false, ledger.ClassConflict}, {"brake", "x", false, ledger.ClassBrake}, {"oscillation", "", false, ledger.ClassOscillation},
		{"paused", "", false, ledger.ClassPaused}, {"vanished", "", false, ledger.ClassMissing}, {"moved", "", false, ledger.ClassMissing},
		{"delete_row", "", false, ledger.ClassDelete}, {"delete_vs_edit", "", false, ledger.ClassDelete}, {"overwritten", "", false, ledger.ClassOverwritten},
		{"match", "2 rows have the same email", false, ledger.ClassTwin}, {"declined", "", false, ledger.ClassDeclined},
		{"", "contact: contact 7 is not linked yet", true, ledger.ClassRelation}, {"", "the page of deal 3 is in the trash", false, ledger.ClassRelation},
		{"", `tags: the option "a,b" has a comma, which Notion does not allow`, false, ledger.ClassOption},
		{"", `stage: the status "won" does not exist; Notion has: lost`, false, ledger.ClassOption},
		{"", `tags: the options "A" and "a" are one to Notion, which ignores case`, false, ledger.ClassOption},
		{"", "mail: another row has this value already (contact_mail_key)", false, ledger.ClassDuplicate},
		{"", "short: the text is longer than the CRM's column holds (value too long)", false, ledger.ClassTooLong},
		{"", "a text of 200,001 characters; Notion takes 200,000", false, ledger.ClassTooLong},
		{"", `email: "zoe" is not an e-mail address (no @)`, false, ledger.ClassInvalid},
		{"", "a rule of the CRM's database refuses the write: nobody may say forbidden", false, ledger.ClassRule},
		{"", "field phone: call function phone: the plugin has stopped", true, ledger.ClassPlugin},
		{"", "read the page: notion: 403 restricted_resource: no capability", true, ledger.ClassPermission},
		{"", "write the row: permission denied for table contact", true, ledger.ClassPermission},
		{"", "read the page: dial tcp: connection refused", true, ledger.ClassUnreachable}, {"", "the number is NaN", false, ledger.ClassValue},
	} {
		got := ledger.Classify(tt.hold, tt.reason, tt.tried)
		var view string
		if err := d.pool.QueryRow(t.Context(), `SELECT tandem.issue_class($1, $2, $3)`, tt.hold, tt.reason, tt.tried).Scan(&view); err != nil {
			t.Fatal(err)
		}
		if got != tt.want || view != string(got) {
			t.Errorf("%s %q: the program says %s, the view %s, want %s", tt.hold, tt.reason, got, view, tt.want)
		}
		seen[got] = true
	}
	for _, c := range ledger.Classes() {
		if !seen[c] || c.Fix() == "" {
			t.Errorf("class %s: seen %t, fix %q", c, seen[c], c.Fix())
		}
	}
}
