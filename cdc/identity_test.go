package cdc

import (
	"context"
	"testing"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// What replica.identity.autoset.values mends is no problem before it has, also where the table has nothing but an index; what it cannot do, or would break, is said before anything is altered.
func TestIdentityRulesAreForeseen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE bare (code int NOT NULL, note text, other int); CREATE UNIQUE INDEX bare_code ON bare (code) INCLUDE (other);
		CREATE UNIQUE INDEX bare_null ON bare (other); CREATE UNIQUE INDEX bare_part ON bare (code) WHERE code > 0; CREATE INDEX bare_many ON bare (code); CREATE UNIQUE INDEX bare_sum ON bare ((code + 1));
		CREATE TABLE keyed (id int PRIMARY KEY, note text); ALTER TABLE keyed REPLICA IDENTITY NOTHING; INSERT INTO bare VALUES (1, 'a', 1)`)
	w.config.Tables = []string{`public\.(bare|keyed)`}
	identities := func() string {
		return w.value(t, `SELECT string_agg(relreplident::text, '' ORDER BY relname) FROM pg_class WHERE relname IN ('bare', 'keyed')`)
	}

	for _, index := range []string{"nope", "bare_null", "bare_part", "bare_many", "bare_sum", "keyed_pkey"} {
		w.config.IdentityRules = "public.bare:INDEX " + index + ",public.keyed:DEFAULT"
		wantProblems(t, w, "table public.bare: it has no index "+index+" that could be its replica identity", "table public.bare: it has no primary key")
	}
	w.config.IdentityRules = "public.bare:INDEX bare_code,public.keyed:NOTHING"
	wantProblems(t, w, "table public.keyed: it has no primary key that identifies old rows, and PostgreSQL would refuse updates")
	if err := w.source(t).Start(t.Context()); err == nil || identities() != "dn" {
		t.Fatalf("a start that is refused: %v; identities %s, want dn as before", err, identities())
	}

	w.config.IdentityRules = "public.bare:INDEX bare_code,public.keyed:DEFAULT"
	wantProblems(t, w)
	w.start(t)
	if got := identities(); got != "id" {
		t.Errorf("identities %s, want id", got)
	}
	w.exec(t, `UPDATE bare SET code = 2`)
	wantRecords(t, w, `r {"code":1}`, `d {"code":1}`, `- {"code":1}`, `c {"code":2}`)
	wantProblems(t, w)
}

// A table of somebody else's is no problem while it is as the rule wants it.
func TestIdentityRulesOfTablesOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE bare (code int NOT NULL); CREATE UNIQUE INDEX bare_code ON bare (code); ALTER TABLE bare REPLICA IDENTITY USING INDEX bare_code;
		CREATE PUBLICATION tandem FOR TABLE bare`)
	role := "other_" + dsnName(w.dsn)
	w.exec(t, `CREATE ROLE `+role+` LOGIN REPLICATION PASSWORD 'p'; GRANT SELECT ON bare TO `+role)
	t.Cleanup(func() {
		for _, sql := range []string{"DROP OWNED BY " + role, "DROP ROLE " + role} {
			if _, err := w.db.Exec(context.Background(), sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})
	w.config.Database.User, w.config.Database.Password = role, config.NewSecret("p")
	w.config.Tables = []string{`public.bare`}
	w.config.IdentityRules = "public.bare:INDEX bare_code"
	wantProblems(t, w)
	w.start(t).Stop()
	w.config.IdentityRules = "public.bare:FULL"
	wantProblems(t, w, `it belongs to another role, so replica.identity.autoset.values cannot be carried out: let its owner run ALTER TABLE "public"."bare" REPLICA IDENTITY FULL`)
}
