package ledger

import (
	"fmt"
	"time"
)

// Age is how old a ledger is: a count that only grows, with a random mark of its newest step, and which server holds it. It stands in the database, and
// outside of it in Kafka: a database that is younger than what is known outside was restored from a backup, and what it remembers of Notion is old.
type Age struct {
	Count    int64     `json:"count"` // 0: the database has none
	Mark     string    `json:"mark"`  // random, of this step: two databases that went on from one backup differ in it
	At       time.Time `json:"at"`
	System   string    `json:"system"`   // PostgreSQL's system identifier
	Timeline int64     `json:"timeline"` // grows with each promotion and each recovery to a point in time
	Database int64     `json:"database"` // its oid
}

// Verdict is what an age says of a database.
type Verdict string

// The verdicts.
const (
	AgeNew      Verdict = "new"      // nothing is known outside: the first start
	AgeSame     Verdict = "same"     // the database that was known, or one that went on from there
	AgeMoved    Verdict = "moved"    // another server, and nothing that was known is missing: a failover, an upgrade, a move
	AgeRestored Verdict = "restored" // older than what was known
)

// Recognise compares the age that a database has with the newest that is known of it, and says why in plain words.
//
// A step is stored in the database first and told outside after it, so the database may be ahead by what a crash left untold, and never behind. What a
// failover loses after the newest step (some seconds) does not show in the count.
func (known Age) Recognise(have Age) (Verdict, string) {
	switch {
	case known.Count == 0:
		return AgeNew, ""
	case have.Count == 0:
		return AgeRestored, fmt.Sprintf("the database knows nothing of this sync, which was at work on %s: its ledger is gone, or is that of a backup from before the sync", told(known.At))
	case have.Count < known.Count:
		return AgeRestored, fmt.Sprintf("the database stands as it was on %s, and was known as it was on %s: it was restored from a backup", told(have.At), told(known.At))
	case have.Count == known.Count && have.Mark != known.Mark:
		return AgeRestored, fmt.Sprintf("the database is not the one that was known on %s: both went on from the same backup", told(known.At))
	case have.System != known.System && have.System != "" && known.System != "":
		return AgeMoved, "the database is on another server now"
	case have.Timeline != known.Timeline:
		return AgeMoved, fmt.Sprintf("the server was promoted (timeline %d, before %d)", have.Timeline, known.Timeline)
	case have.Database != known.Database:
		return AgeMoved, "the database is a copy of the one that was known"
	}
	return AgeSame, ""
}

func told(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }

// Next is the age after one more step, from the older of two that are known: after a restore the count goes on from what was known.
func (known Age) Next(have Age, mark string, now time.Time) Age {
	have.Count, have.Mark, have.At = max(known.Count, have.Count)+1, mark, now
	return have
}

// Aged is what a look at a ledger's age came to.
type Aged struct {
	Age     Age // as it stands in the database now
	Verdict Verdict
	Why     string
}

// PauseRestored is the kind of the pause that keeps both sides as they are after a restore, until a plan was looked at and applied.
const PauseRestored = "restored"

// PlanConnector is whose writes a plan's are: the pause after a restore lets them through.
const PlanConnector = "tandem apply"

// RestoredReason is what the pause after a restore says.
func RestoredReason(why string) string {
	return why + ". Nothing is written until that was looked at: tandem plan shows what would be, tandem apply does it and ends this pause"
}

// RestoredAlert tells people of a restore, once.
func RestoredAlert(sync string, known, now Age, why string) Alert {
	return Alert{ID: alertID("restored", sync, known.Mark, now.Mark), At: now.At, Kind: PauseRestored, Sync: sync, Critical: true, Summary: RestoredReason(why)}
}

// SeqLeap is how far the Seq of every link leaps after a restore: no observation from before it fits any more, wherever it is still under way.
const SeqLeap = 1_000_000
