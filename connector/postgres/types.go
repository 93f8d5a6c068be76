package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tandem-sync/tandem/connector/change"
)

// Types names a database's types. The wire gives types by OID only, and those of extensions and enums differ from database
// to database. A Types is immutable; load another when a type is not [Types.Known].
type Types struct{ byOID map[uint32]change.Type }

// Anything in pg_catalog goes by its own name. Enums become "enum", extension types keep their name, domains become what is
// under them, arrays "_" and their element. Composite and other user types are [change.UserType]: what PostgreSQL prints.
const typesQuery = `
SELECT t.oid, t.typtype = 'd', t.typbasetype, t.typtypmod,
       CASE WHEN t.typcategory = 'A' AND t.typlen = -1 AND t.typname NOT IN ('int2vector', 'oidvector') THEN t.typelem ELSE 0 END,
       CASE WHEN t.typtype = 'e' THEN 'enum'
            WHEN n.nspname = 'pg_catalog' OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass
                 AND d.objid = t.oid AND d.deptype = 'e') THEN t.typname::text
            ELSE '` + change.UserType + `' END
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace`

type typeRow struct {
	domain   bool
	base     uint32
	modifier int32
	element  uint32
	name     string
}

// LoadTypes asks the catalog.
func LoadTypes(ctx context.Context, conn *pgx.Conn) (*Types, error) {
	rows, err := conn.Query(ctx, typesQuery)
	if err != nil {
		return nil, Explain(fmt.Errorf("load types: %w", err))
	}
	found := map[uint32]typeRow{}
	var oid uint32
	var r typeRow
	_, err = pgx.ForEachRow(rows, []any{&oid, &r.domain, &r.base, &r.modifier, &r.element, &r.name}, func() error {
		found[oid] = r
		return nil
	})
	if err != nil {
		return nil, Explain(fmt.Errorf("load types: %w", err))
	}
	types := &Types{byOID: make(map[uint32]change.Type, len(found))}
	for oid := range found {
		types.byOID[oid] = resolve(found, oid)
	}
	return types, nil
}

// BuiltinTypes are those that every server has under the same numbers: enough to decode without a server.
func BuiltinTypes() *Types {
	const oidEnd = 10_000 // FirstGenbkiObjectId in PostgreSQL's transam.h: numbers below are assigned by hand
	known := pgtype.NewMap()
	types := &Types{byOID: map[uint32]change.Type{}}
	for oid := range uint32(oidEnd) {
		if t, ok := known.TypeForOID(oid); ok {
			types.byOID[oid] = change.Type{Name: t.Name, Modifier: -1}
		}
	}
	return types
}

// resolve follows domains and elements to a name. The catalog has no cycles: each step leads to a type that is older.
func resolve(found map[uint32]typeRow, oid uint32) change.Type {
	r, ok := found[oid]
	switch {
	case !ok:
		return change.Type{Name: "text", Modifier: -1}
	case r.domain:
		base := resolve(found, r.base)
		if r.modifier >= 0 {
			base.Modifier = r.modifier
		}
		return base
	case r.element != 0:
		elem := resolve(found, r.element)
		return change.Type{Name: "_" + elem.Name, Modifier: elem.Modifier}
	}
	return change.Type{Name: r.name, Modifier: -1}
}

// Known reports that the type was there when t was loaded.
func (t *Types) Known(oid uint32) bool { _, ok := t.byOID[oid]; return ok }

// Type gives a column's type. The column's own modifier counts unless a domain has one. Unknown types are text.
func (t *Types) Type(oid uint32, modifier int32) change.Type {
	typ, ok := t.byOID[oid]
	if !ok {
		return change.Type{Name: "text", Modifier: -1}
	}
	if typ.Modifier < 0 {
		typ.Modifier = modifier
	}
	return typ
}
