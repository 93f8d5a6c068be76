-- Values written by sessions with settings of their own, and values at the ends of types that other themes have not.
-- differs: * * public.in_arrays [rc] after.ts: Debezium writes timestamps with a zone before year 1, and those without end, as others where they stand in arrays
-- differs: * * public.in_arrays [rc] after.d: Debezium reads dates without end, and those before year 1, wrongly
-- differs: * * public.in_arrays [rc] after.tz: Debezium cuts times in arrays to milliseconds, and 24:00 to 00:00
-- differs: * * public.in_arrays * *.l: Debezium drops domains over arrays of domains
-- differs: * * public.in_others [rc] after.*: Debezium drops system types and composite types: ours are text
-- differs: * * public.in_times [rcu] after.d: Debezium reads dates before year 1 wrongly in a snapshot
-- differs: schemas* * public.in_arrays * schema.value.*.e.items.optional: The elements of an array of an enum may be null, and are written then
-- shown by: CREATE TABLE t (e mood[]); INSERT INTO t VALUES ('{ok,NULL}')
-- section: schema
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE EXTENSION IF NOT EXISTS ltree;
CREATE DOMAIN in_small AS int CHECK (value < 100);
CREATE DOMAIN in_list AS in_small[];
CREATE TYPE in_pair AS (a in_small, b text[], c timestamptz);
CREATE DOMAIN in_dpair AS in_pair;
CREATE TYPE in_mood AS ENUM ('sad', 'ok');
CREATE DOMAIN in_dec AS numeric(12,4);
CREATE TABLE in_times (id serial PRIMARY KEY, d date, t time, tz timetz, ts timestamp, tstz timestamptz, ts0 timestamp(0), tstz0 timestamptz(0), tstz3 timestamptz(3), iv interval, iv0 interval second(0));
CREATE TABLE in_numbers (id serial PRIMARY KEY, n numeric, n150 numeric(15,0), n4 numeric(20,4), big numeric(60,30), f4 real, f8 float8, m money, d in_dec, i2 smallint, i8 bigint, o oid);
CREATE TABLE in_texts (id serial PRIMARY KEY, t text, v varchar(3), c char(3), b bytea, j json, jb jsonb, x xml, h hstore, l ltree, tv tsvector, q "char", u uuid);
CREATE TABLE in_arrays (id serial PRIMARY KEY, i int[], t text[], ts timestamptz[], d date[], n numeric(6,2)[], j jsonb[], b bytea[], bo bool[], u uuid[], f float4[], r int4range[], e in_mood[], l in_list, v varchar(3)[], c char(4)[], tz time[], inet inet[]);
CREATE TABLE in_others (id serial PRIMARY KEY, b0 bit varying(5), b8 bit(8), vb bit varying, ir int8range, nr numrange, tr tstzrange, dr daterange, n4 inet, c cidr, m macaddr, m8 macaddr8, p point, lsn pg_lsn, sn txid_snapshot, ps pg_snapshot, x xid8, cp in_dpair, cps in_pair[]);
-- section: both
SET TimeZone = 'Asia/Kathmandu';
SET DateStyle = 'German, DMY';
SET IntervalStyle = 'sql_standard';
INSERT INTO in_times (d, t, tz, ts, tstz, ts0, tstz0, tstz3, iv, iv0) VALUES ('31.12.2025', '23:59:59.9999995', '23:59:59.999999', '31.12.2025 23:59:59.9999995', '31.12.2025 23:59:59.9999995', '31.12.2025 23:59:59.5', '31.12.2025 23:59:59.5', '31.12.2025 23:59:59.9995', '1-2 3 4:05:06.789', '0.5'),
 ('5874897-12-31', '00:00:00.000001', '00:00:00+15:59', '294246-12-31 23:59:59.999999', '294246-12-31 23:59:59+00', '4713-01-01 BC', '4713-01-02 BC', '0001-12-31 BC', '-178000000 years', '59.5'),
 ('4713-01-01 BC', '24:00:00', '24:00:00-15:59', '4713-01-01 00:00:00.000001 BC', '0001-01-01 00:00:00 BC', '0001-12-31 23:59:59.4 BC', '10000-01-01', '1900-01-01 00:00:00.0005', '1 mon -1 day +00:00:00.000001', '-0.4'),
 ('1883-11-18', '12:00', '12:00', '1883-11-18 12:03:58', '1883-11-18 12:03:58', '1986-01-01', '1986-01-01 00:10', '1919-12-31 23:59', '-1-2 +3 -4:05:06', NULL);
RESET TimeZone;
RESET DateStyle;
SET IntervalStyle = 'iso_8601';
SET bytea_output = 'escape';
SET extra_float_digits = -10;
INSERT INTO in_times (iv) VALUES ('P1Y-2M3DT-4H5M-6.789S'), ('P-1Y'), ('PT0.000001S'), ('P0Y');
INSERT INTO in_numbers (n, n150, n4, big, f4, f8, m, d, i2, i8, o) VALUES (0.000, 999999999999999, 0.00005, 123456789012345678901234567890.123456789012345678901234567890, 0.1, 0.1, 92233720368547758.07, 12345678.9999, -32768, -9223372036854775808, 4294967295),
 ('-0.0000000000000000000000000000000000000001', -0, -9999999999999999.9999, -1e-30, 16777217, 9007199254740993, -92233720368547758.08, -0.0001, 32767, 9223372036854775807, 0),
 ('1e-16383', 1, 1e-4, 0, 3.4028235e38, 5e-324, 0.005, 0, 0, 0, 1), ('123456789e100', 5, 5, 5, 1e7, 1e7, 1e6, 5, 5, 5, 5), (1e15, 1e14, 1e15, 1e29, 9999999, 9999999, 9999999, 1e7, 1, 1e18, 1000000000),
 (100000, 0.5, 0.00015, 1, 0.001, 0.001, '-$0.5', 0.00005, 1, 1, 1), (-1.10, 1, 1.1, 1.1, -0.0009999, '-0', '(1.5)', -0.00005, 1, 1, 1);
INSERT INTO in_texts (t, v, c, b, j, jb, x, h, l, tv, q, u) VALUES (E'\u0001\u001f\u007f\u0080\u2028\u2029\ufeff\ufffd', 'é😀', 'é😀', '\x00', '{"\u0000": 1}', '{"k": "\ud83d\ude00", "n": 1.10, "e": 1E+2, "z": -0.0}', '<a b="c">&amp;</a>', '"a\"b"=>"c\\d", ""=>""', 'A_1.b2', $$'it''s':1A '\\':2 'é':3$$, '\x', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'),
 (E'\\x41', E'\\\\', '"', E'\\\\x', E'"\\\\u00e9\\/"', E'"\\u00e9\\/"', '<!-- c --><a/>', 'a=>"NULL", b=>NULL', '', '', E'\\001', NULL),
 (repeat('é😀', 2000), '   ', '', decode(repeat('00ff', 2000), 'hex'), ' [ 1 , 2 ] ', '[{"b":1,"a":[]},[],{},null,true,"",12345678901234567890,1e-7]', 'plain &amp; simple', NULL, NULL, 'a:1 a:2 b', '', NULL);
INSERT INTO in_arrays (i, t, ts, d, n, j, b, bo, u, f, r, e, l, v, c, tz, inet) VALUES ('{NULL}', ARRAY['', 'null', 'NULL', 'a"b', E'c\\d', 'e,f', '{g}', ' h ', E'i\nj', NULL, 'é😀'], '{infinity,-infinity,"0001-01-01 00:00:00+00 BC","10000-01-01 00:00:00+00"}', '{infinity,0044-03-15 BC,10000-01-01}', '{1.10,-0.01,NULL}', ARRAY['{"a": [1, "x,y"]}', 'null', '"q"']::jsonb[], ARRAY['\x', '\x00ff', NULL]::bytea[], '{t,f,NULL}', ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', NULL]::uuid[], '{NaN,Infinity,-0,1e-40}', '{empty,"(,)","[1,5)",NULL}', '{ok,sad}', '{1,2}', ARRAY['é😀', '', NULL], '{a,NULL}', '{24:00,NULL}', '{::1,10.0.0.0/8}'),
 ('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), ('{2147483647,-2147483648}', ARRAY[repeat('x', 3000)], NULL, NULL, '{9999.99}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO in_others (b0, b8, vb, ir, nr, tr, dr, n4, c, m, m8, p, lsn, sn, ps, x, cp, cps) VALUES ('', B'00000001', '', '(,9223372036854775807)', '[-Infinity,NaN)', '["2026-01-01 00:00:00.5+05:45",infinity)', '[2026-01-01,infinity]', '0.0.0.0/0', '::/0', 'ff-ff-ff-ff-ff-ff', '00:00:00:ff:fe:00:00:01', '(-0,1e300)', 'FFFFFFFF/FFFFFFFF', '10:20:10,14', '10:20:10,14', '18446744073709551615', ROW(5, '{a,NULL}', '2026-01-01 00:00+02'), ARRAY[ROW(1, NULL, NULL)::in_pair, NULL]),
 ('10101', NULL, '101', 'empty', 'empty', 'empty', '[2026-01-01,2026-01-01]', '2001:db8::1/64', '10.1.2.0/23', NULL, NULL, '(NaN,Infinity)', '0/0', NULL, NULL, '0', ROW(NULL, NULL, NULL), '{}');
RESET ALL;
-- section: stream
UPDATE in_times SET iv = NULL, d = d WHERE id > 4;
UPDATE in_numbers SET n = 5, id = id + 100 WHERE i2 = 1;
DELETE FROM in_texts;
DELETE FROM in_arrays;
