-- Types that are not scalars of the everyday kind.
-- differs: microseconds * public.shapes [rc] after.*: With include.unknown.datatypes shapes are the bytes of what Java prints for their numbers. Ours are those of PostgreSQL's text, as everywhere
-- differs: microseconds * public.more_arrays [rc] after.bx: With include.unknown.datatypes shapes are the bytes of what Java prints for their numbers. Ours are those of PostgreSQL's text, as everywhere
-- differs: microseconds * public.more_arrays [rc] after.p[or]*: With include.unknown.datatypes Debezium writes the text of domains in arrays. Ours are values of what is under the domain
-- differs: * * public.bits [rc] after.b*: Debezium writes as many bytes as the highest bit needs, and its documentation says as many as the type has: leading zeros are lost
-- differs: * * public.bits [rc] after.v: Debezium writes as many bytes as the highest bit needs: how long a varbit is, is lost
-- differs: * * public.bits [rc] after.v12: Debezium writes as many bytes as the highest bit needs: how long a varbit is, is lost
-- differs: * * public.ranges [rc] after.f: Debezium drops ranges of types that users made: ours is text
-- differs: * * public.multiranges [rc] after.*: Debezium drops multiranges: ours are text
-- differs: * * public.shapes [rc] after.*: Debezium drops every geometric type but point: ours are text
-- differs: * * public.searches [rc] after.q: Debezium drops tsquery: ours is text
-- differs: * * public.extensions [rc] after.h: Debezium writes the pairs of an hstore in the order of a Java HashMap, ours are in the order that PostgreSQL has
-- differs: * * public.extensions [rc] after.lq: Debezium drops extension types that it does not know: ours are text
-- differs: * * public.extensions [rc] after.cu: Debezium drops extension types that it does not know: ours are text
-- differs: * * public.extensions [rc] after.se: Debezium drops extension types that it does not know: ours are text
-- differs: * * public.users_own [rc] after.c: Debezium drops composite types: ours are text
-- differs: * * public.system_types [rc] after.[io]v: Debezium writes int2vector and oidvector as empty arrays
-- differs: * * public.system_types [rc] after.*: Debezium drops system types: ours are text
-- differs: * * public.arrays [rc] after.tz: Debezium cuts the fraction of a second of times with a zone in arrays
-- differs: * * public.more_arrays [rc] after.bt: Debezium writes null for arrays of bit(n)
-- differs: * * public.more_arrays [rc] after.e: Debezium writes null for an array of an enum that holds a null
-- differs: * * public.more_arrays [rc] after.*: Debezium drops arrays of types that it does not know as elements
-- differs: * * public.dimensions [rc] after.[it]: Debezium loses the values of arrays of more than one dimension
-- differs: schemas* * public.dimensions * schema.value.*.items.*: An array of several dimensions has a schema of arrays, which a schema of its elements could not hold
-- shown by: CREATE TABLE t (i int[]); INSERT INTO t VALUES ('{{1,2},{3,4}}')
-- differs: schemas* * public.more_arrays * schema.value.*.bt.*: The schema of an array of bit(n) is an array, as its values are
-- shown by: CREATE TABLE t (b bit(3)[]); INSERT INTO t VALUES ('{101}')
-- differs: schemas* * public.[mw]* * schema.value.*.e*.items.optional: The elements of an array of an enum may be null, and are written then
-- shown by: CREATE TABLE t (e mood[]); INSERT INTO t VALUES ('{ok,NULL}')
-- section: schema
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS ltree;
CREATE EXTENSION IF NOT EXISTS isn;
CREATE EXTENSION IF NOT EXISTS cube;
CREATE EXTENSION IF NOT EXISTS seg;
CREATE TYPE mood AS ENUM ('sad', 'so so', 'ok');
CREATE TYPE pair AS (a int, b text);
CREATE TYPE floatrange AS RANGE (subtype = float8);
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE DOMAIN price AS numeric(10,2);
CREATE DOMAIN price2 AS price;
CREATE DOMAIN email AS citext;
CREATE DOMAIN ints AS int[];
CREATE TABLE bits (id serial PRIMARY KEY, b1 bit, b1x bit(1), b3 bit(3), b8 bit(8), b9 bit(9), b64 bit(64), v varbit, v1 varbit(1), v12 varbit(12));
CREATE TABLE nets (id serial PRIMARY KEY, i inet, c cidr, m macaddr, m8 macaddr8);
CREATE TABLE ranges (id serial PRIMARY KEY, i4 int4range, i8 int8range, n numrange, ts tsrange, tstz tstzrange, d daterange, f floatrange);
CREATE TABLE multiranges (id serial PRIMARY KEY, i4 int4multirange, ts tstzmultirange, n nummultirange);
CREATE TABLE shapes (id serial PRIMARY KEY, p point, l line, s lseg, b box, pa path, po polygon, c circle);
CREATE TABLE searches (id serial PRIMARY KEY, v tsvector, q tsquery);
CREATE TABLE extensions (id serial PRIMARY KEY, h hstore, ci citext, lt ltree, lq lquery, isbn isbn, cu cube, se seg);
CREATE TABLE users_own (id serial PRIMARY KEY, e mood, p positive, pr price, pr2 price2, em email, di ints, c pair);
CREATE TABLE system_types (id serial PRIMARY KEY, l pg_lsn, jp jsonpath, sn pg_snapshot, x xid, x8 xid8, rc regclass, rt regtype, iv int2vector, ov oidvector, ti tid, ts txid_snapshot);
CREATE TABLE arrays (id serial PRIMARY KEY, b bool[], i2 int2[], i4 int4[], i8 int8[], f4 float4[], f8 float8[], n numeric[], n2 numeric(6,2)[], t text[], vc varchar(9)[], c char(4)[], u uuid[], d date[],
  ts timestamp[], ts3 timestamp(3)[], tstz timestamptz[], tm time[], tz timetz[], j json[], jb jsonb[], i inet[], ci cidr[], m macaddr[], o oid[], by bytea[], r int4range[], tr tstzrange[]);
CREATE TABLE more_arrays (id serial PRIMARY KEY, mo money[], nm name[], iv interval[], bt bit(3)[], vb varbit[], x xml[], p point[], bx box[], pr pair[], mr int4multirange[], e mood[], po positive[], pri price[],
  ct citext[], h hstore[], lt ltree[]);
CREATE TABLE dimensions (id serial PRIMARY KEY, i int[][], t text[][], lower int[], e int[]);
-- section: both
INSERT INTO bits (b1, b1x, b3, b8, b9, b64, v, v1, v12) VALUES
  (B'1', B'0', B'101', B'10000001', B'100000001', B'1000000000000000000000000000000000000000000000000000000000000001', B'1', B'1', B'100000000001'),
  (B'0', B'1', B'001', B'00000001', B'000000001', B'0000000000000000000000000000000000000000000000000000000000000001', B'0001', B'0', B'0001'),
  (B'0', B'1', B'000', B'00000000', B'000000000', B'0000000000000000000000000000000000000000000000000000000000000000', B'', B'', B''),
  (B'0', B'1', B'000', B'00000000', B'000000000', B'0000000000000000000000000000000000000000000000000000000000000000', B'0000000011111111', B'', B'000000000'),
  (null, null, null, null, null, null, null, null, null);
INSERT INTO nets (i, c, m, m8) VALUES ('10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05'), ('10.0.0.1/8', '2001:db8::/32', '08-00-2b-01-02-03', '08:00:2b:01:02:03'),
  ('::1', '0.0.0.0/0', 'ffffffffffff', 'ffffffffffffffff'), ('2001:db8::1/64', '::/0', null, null);
INSERT INTO ranges (i4, i8, n, ts, tstz, d, f) VALUES
  ('[1,5]', '(1,5)', '[1.10,2.5)', '["2016-11-04 13:51:30","2016-11-05")', '["2016-11-04 13:51:30+02",)', '[2016-11-04,2016-11-05]', '[1.5,2)'),
  ('empty', '(,)', '(,1.0]', '(,"2016-11-05 01:02:03.456")', '["2016-11-04 13:51:30.123+02","2017-01-01 00:00+00"]', '(,infinity)', 'empty'),
  (null, null, null, null, null, null, null);
INSERT INTO multiranges (i4, ts, n) VALUES ('{[1,5),[7,9)}', '{["2016-11-04 13:51:30+02",)}', '{}'), (null, null, null);
INSERT INTO shapes (p, l, s, b, pa, po, c) VALUES
  ('(1,2)', '{1,2,3}', '[(1,2),(3,4)]', '(3,4),(1,2)', '[(1,2),(3,4)]', '((1,2),(3,4),(5,6))', '<(1,2),3>'),
  ('(1.5,-2e10)', null, null, null, '((1,2),(3,4))', null, null), ('(0.1,1e-7)', null, null, null, null, null, null), ('(Infinity,NaN)', null, null, null, null, null, null),
  (null, null, null, null, null, null, null);
INSERT INTO searches (v, q) VALUES ('fat:2 cat:3A rat', 'fat & (rat | cat)'), ('', ''), (null, null);
INSERT INTO extensions (h, ci, lt, lq, isbn, cu, se) VALUES
  ('a=>1, b=>NULL, "c d"=>"x \"y\" \\ \u0001", z=>"é"', 'MiXed', 'Top.Science.Astronomy', '*.Science.*', '978-0-393-04002-9', '(1,2,3)', '1.5 .. 2'),
  ('', '', '', null, null, '(1,2),(3,4)', null), ('b=>2,a=>1,aa=>3', null, null, null, null, null, null), (null, null, null, null, null, null, null);
INSERT INTO users_own (e, p, pr, pr2, em, di, c) VALUES ('so so', 5, 1.5, 2.25, 'A@b.c', '{1,2}', '(1,"x y")'), (null, null, null, null, null, null, null);
INSERT INTO system_types (l, jp, sn, x, x8, rc, rt, iv, ov, ti, ts) VALUES ('0/16B3748', '$.a[*]', '10:20:10,14', '7', '8', 'pg_class', 'int4', '1 2', '3 4', '(0,1)', '10:20:10'),
  (null, null, null, null, null, null, null, null, null, null, null);
INSERT INTO arrays (b, i2, i4, i8, f4, f8, n, n2, t, vc, c, u, d, ts, ts3, tstz, tm, tz, j, jb, i, ci, m, o, by, r, tr) VALUES
  ('{t,f,NULL}', '{1,-2}', '{3,NULL}', '{4}', '{1.5,NaN}', '{2.5,-Infinity}', '{1.10,NULL}', '{1.1,2}', '{"a,b",NULL,"NULL","\\",""}', '{x}', '{ab}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '{2016-11-04,NULL}',
   '{"2016-11-04 13:51:30.123456"}', '{"2016-11-04 13:51:30.123"}', '{"2016-11-04 13:51:30.12+02"}', '{13:51:30.5}', '{13:51:30.5+02}', '{"{\"a\": 1}"}', '{"{\"a\": 1}"}', '{10.0.0.1/8}', '{10.0.0.0/8}', '{08:00:2b:01:02:03}',
   '{4294967295}', '{"\\x0102",NULL}', '{"[1,5)"}', '{"[\"2016-11-04 13:51:30+02\",)"}'),
  ('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
  (null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
INSERT INTO more_arrays (mo, nm, iv, bt, vb, x, p, bx, pr, mr, e, po, pri, ct, h, lt) VALUES
  ('{1.50,-2}', '{a,b}', '{1 day,NULL}', '{101}', '{1,0101}', '{<a/>}', '{"(1,2)"}', '{(3,4),(1,2)}', '{"(1,x)"}', '{"{[1,5)}"}', '{ok,NULL,"so so"}', '{1,2}', '{1.5}', '{Ab}', '{"a=>1"}', '{a.b,c}'),
  (null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
INSERT INTO dimensions (i, t, lower, e) VALUES ('{{1,2},{3,4}}', '{{a,b},{c,NULL}}', '[2:3]={7,8}', '{}'), ('{{{1},{2}}}', '{{x}}', null, null);
