-- Defaults of every kind on columns of every type.
-- differs: * stream public.dd_2 c after.p: In the stream a column of type name is null in Debezium
-- differs: * * public.dd_3 [rc] after.[or]: Debezium reads dates without end, and those before year 1, wrongly in a snapshot, and gives those without end numbers of its own in the stream
-- differs: schemas* * public.dd_[123] * schema.value.*.default: Debezium takes the text between the first two quotes of a default, or what it reads of an expression; ends and 24:00 become other values. Ours is the literal, or none
-- shown by: CREATE TABLE t (a text DEFAULT E'tab\t', b boolean DEFAULT (1 = 1), c timestamp DEFAULT 'infinity', d time DEFAULT '24:00')
-- differs: schemas* stream public.dd_2 * schema.value.*.parameters: The list of an enum's values is as Debezium found it at its start
-- shown by: CREATE TABLE t (m mood); ALTER TYPE mood ADD VALUE 'fresh'; INSERT INTO t VALUES ('fresh')
-- differs: schemas* * public.dd_4 * schema.value.*.w.items.optional: The elements of an array of an enum may be null, and are written then
-- shown by: CREATE TABLE t (e mood[]); INSERT INTO t VALUES ('{ok,NULL}')
-- section: schema
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS ltree;
CREATE TYPE dd_e AS ENUM ('x', 'Y z', 'it''s');
CREATE DOMAIN dd_d AS int DEFAULT 3;
CREATE FUNCTION dd_f() RETURNS int LANGUAGE sql AS 'SELECT 42';
CREATE SEQUENCE dd_s;
CREATE TABLE dd_1 (id int PRIMARY KEY, a int DEFAULT 1, b int NOT NULL DEFAULT -1, c bigint DEFAULT 1e3, d smallint DEFAULT '5', e numeric DEFAULT 1.50, f numeric(10,2) DEFAULT 1, g numeric(10,2) DEFAULT '-1.5', h real DEFAULT 1.5, i float8 DEFAULT 1e10, j float8 DEFAULT 'NaN', k money DEFAULT 1.5, l bool DEFAULT true, m bool DEFAULT 'f', n bool NOT NULL DEFAULT (1 = 1), o int DEFAULT dd_f(), p bigint DEFAULT nextval('dd_s'), q int DEFAULT (2 + 3) * 4, r int DEFAULT NULL, s int DEFAULT length('abc'), t numeric(5,0) DEFAULT 7.0, u int DEFAULT 1::int, v dd_d, w dd_d DEFAULT 8, x oid DEFAULT 5);
CREATE TABLE dd_2 (id int PRIMARY KEY, a text DEFAULT 'a', b text NOT NULL DEFAULT '', c varchar(10) DEFAULT 'x y', d char(5) DEFAULT 'ab', e text DEFAULT 'with "double"', f text DEFAULT 'NULL', g text DEFAULT NULL, h text DEFAULT 'back\slash', i text DEFAULT E'tab\tnl\n', j text DEFAULT upper('x'), k text DEFAULT CURRENT_USER, l dd_e DEFAULT 'x', m dd_e NOT NULL DEFAULT 'Y z', n citext DEFAULT 'ci', o "char" DEFAULT 'c', p name DEFAULT 'nm', q text DEFAULT 'é😀', r text DEFAULT 'colon::text', s text DEFAULT '(paren)', t text DEFAULT 'now()', u text DEFAULT ' ', v text COLLATE "C" DEFAULT 'coll', w varchar DEFAULT 'vc'::text, x text DEFAULT 5);
CREATE TABLE dd_3 (id int PRIMARY KEY, a date DEFAULT '2024-02-29', b date DEFAULT CURRENT_DATE, c time DEFAULT '12:34:56.789', d time(0) DEFAULT '01:02:03', e timetz DEFAULT '12:00+02', f timestamp DEFAULT '2024-02-29 12:34:56.789', g timestamp(0) DEFAULT '2024-02-29 12:34:56', h timestamp(3) DEFAULT now(), i timestamptz DEFAULT '2024-02-29 12:34:56.5+02', j timestamptz NOT NULL DEFAULT now(), k timestamptz DEFAULT CURRENT_TIMESTAMP, l timestamptz DEFAULT (now() + '1 day'), m interval DEFAULT '1 day 02:03:04.5', n interval DEFAULT '1 year', o date DEFAULT 'infinity', p timestamp DEFAULT 'infinity', q timestamptz DEFAULT '-infinity', r date DEFAULT '0001-01-01 BC', s timestamptz DEFAULT statement_timestamp(), t timestamp DEFAULT LOCALTIMESTAMP, u time DEFAULT '24:00', v date DEFAULT (CURRENT_DATE + 1), w interval DEFAULT '-1 mon', x timestamptz(0) DEFAULT '2024-01-01');
CREATE TABLE dd_4 (id int PRIMARY KEY, a json DEFAULT '{"a": 1}', b jsonb DEFAULT '{}', c jsonb NOT NULL DEFAULT '[]', d uuid DEFAULT '6ecd8c99-4036-403d-bf84-cf8400f67836', e uuid DEFAULT gen_random_uuid(), f bytea DEFAULT '\xdead', g bytea NOT NULL DEFAULT '', h bit DEFAULT B'1', i bit(4) DEFAULT B'1010', j varbit DEFAULT B'101', k inet DEFAULT '10.0.0.1', l cidr DEFAULT '10.0.0.0/8', m macaddr DEFAULT '00:00:00:00:00:01', n xml DEFAULT '<a/>', o tsvector DEFAULT 'a b', p hstore DEFAULT 'a=>1', q ltree DEFAULT 'a.b', r point DEFAULT '(1,2)', s int4range DEFAULT '[1,5)', t int[] DEFAULT '{1,2}', u text[] DEFAULT ARRAY['a', 'b'], v text[] DEFAULT ARRAY[]::text[], w dd_e[] DEFAULT '{x}', x timestamptz[] DEFAULT '{}', y numeric[] NOT NULL DEFAULT '{}', z jsonb DEFAULT jsonb_build_object('a', 1));
-- section: both
INSERT INTO dd_1 (id) SELECT count(*) + 1 FROM dd_1;
INSERT INTO dd_2 (id, k) SELECT count(*) + 1, 'me' FROM dd_2;
INSERT INTO dd_3 (id, b, h, j, k, l, s, t, v) SELECT count(*) + 1, '2024-01-01', '2024-01-01', '2024-01-01 00:00+00', '2024-01-01 00:00+00', '2024-01-01 00:00+00', '2024-01-01 00:00+00', '2024-01-01', '2024-01-01' FROM dd_3;
INSERT INTO dd_4 (id, e) SELECT count(*) + 1, '6ecd8c99-4036-403d-bf84-cf8400f67836' FROM dd_4;
INSERT INTO dd_1 VALUES ((SELECT count(*) + 1 FROM dd_1), 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, false, true, false, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2);
-- section: stream
ALTER TABLE dd_1 ALTER a SET DEFAULT 100, ALTER c DROP DEFAULT, ALTER d SET NOT NULL;
INSERT INTO dd_1 (id) VALUES (10);
ALTER TABLE dd_2 ADD y text DEFAULT 'new', ADD z int NOT NULL DEFAULT 9;
INSERT INTO dd_2 (id, k) VALUES (10, 'me');
ALTER TYPE dd_e ADD VALUE 'fresh';
ALTER TABLE dd_2 ALTER l SET DEFAULT 'x';
INSERT INTO dd_2 (id, k, l) VALUES (11, 'me', 'fresh');
