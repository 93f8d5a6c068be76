-- More values of every type.
-- differs: * stream public.vv_j [ud] *.v: In the stream a column of type name is null in Debezium
-- differs: * stream public.vv_j c after.v: In the stream a column of type name is null in Debezium
-- differs: * * public.vv_n [rcud] *.e: Debezium takes a negative scale for one of more than two thousand digits
-- differs: schemas* * public.vv_n * schema.value.*.e.parameters: … and says so in its schema
-- shown by: CREATE TABLE t (n numeric(10,-3))
-- section: schema
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS ltree;
CREATE TYPE vv_e AS ENUM ('x', 'Y z', 'ä');
CREATE DOMAIN vv_da AS int[];
CREATE DOMAIN vv_dt AS timestamp(3)[];
CREATE DOMAIN vv_dn AS numeric(8,3);
CREATE DOMAIN vv_ddn AS vv_dn;
CREATE TABLE vv_n (id serial PRIMARY KEY, a numeric, b numeric(20), c numeric(20,5), d numeric(5,5), e numeric(10,-3), f decimal(38,10), g real, h double precision, i money, j smallint, k bigint, l vv_dn, m vv_ddn, n numeric(1000,0));
CREATE TABLE vv_t (id serial PRIMARY KEY, a date, b time, c time(0), d time(3), e timetz, f timetz(0), g timestamp, h timestamp(0), i timestamp(3), j timestamp(6), k timestamptz, l timestamptz(0), m timestamptz(3), n interval, o interval year to month, p interval(0), q interval minute to second(3), r interval day);
CREATE TABLE vv_b (id serial PRIMARY KEY, a bytea, b bit, c bit(4), d bit(8), e bit(12), f varbit, g varbit(4), h varbit(20), i boolean);
CREATE TABLE vv_j (id serial PRIMARY KEY, a json, b jsonb, c hstore, d ltree, e xml, f uuid, g citext, h inet, i cidr, j macaddr, k macaddr8, l tsvector, m point, n int4range, o numrange, p tstzrange, q daterange, r tsrange, s int8range, t vv_e, u "char", v name, w char(10), x text, y varchar(3));
CREATE TABLE vv_a (id serial PRIMARY KEY, a int[], b text[], c numeric(8,2)[], d numeric[], e date[], f timestamp[], g timestamptz[], h boolean[], i bytea[], j uuid[], k jsonb[], l vv_da, m vv_dt, n real[], o float8[], p bigint[], q smallint[], r varchar(10)[], s char(4)[], t time[], u inet[], v int4range[], w citext[], x oid[]);
-- section: both
INSERT INTO vv_n (a,b,c,d,e,f,g,h,i,j,k,l,m,n) VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
 (-0.0, -1, -0.00001, -0.99999, -123456, -1e-10, '-0', '-0', '-0', -32768, -9223372036854775808, -99999.999, 0.001, -1),
 (1e20, 99999999999999999999, 1e14, 0.1, 999999999, 1e27, 1e-45, 5e-324, 92233720368547758.07, 32767, 9223372036854775807, 1, 1.0, 1e999),
 (1.10, 10, 1.1, 0.5, 1500, 1.1, 3.4028235e38, 1e15, -92233720368547758.08, 1, 1, 1.10, 99999.999, 10),
 (123.4500, 1, 100, 0.00001, 499, 2.5, 16777216, 1e16, 0.01, 1, 1, 1.5, 1.5, 1),
 (0.000000000000001, 1, 100, 0.00001, 499, 2.5, 0.001, 0.001, -0.01, 1, 1, 1.5, 1.5, 1),
 (1e-7, 1, 100, 0.00001, 499, 2.5, 1e7, 1e7, 1234.5, 1, 1, 1.5, 1.5, 1), (1e6, 1, 100, 0.00001, 499, 2.5, 9999999, 9999999.5, 1e3, 1, 1, 1.5, 1.5, 1), (1e7, 1, 100, 0.00001, 499, 2.5, 1e-3, 123456789.125, 1, 1, 1, 1.5, 1.5, 1),
 (12e10, 1, 100, 0.00001, 499, 2.5, 9.999e-4, 9.999e-4, 1, 1, 1, 1.5, 1.5, 1), (null,null,null,null,null,null,null,null,null,null,null,null,null,null), (-1234567890123456789012345678901234567890.5, 1, 1, 0, 0, 1, 100, 100, 1, 1, 1, 1, 1, 1);
INSERT INTO vv_t (a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r) VALUES ('1970-01-01', '00:00', '00:00', '00:00', '00:00+00', '00:00+00', '1970-01-01', '1970-01-01', '1970-01-01', '1970-01-01', '1970-01-01 00:00+00', '1970-01-01 00:00+00', '1970-01-01 00:00+00', '0', '0', '0', '0', '0'),
 ('1969-12-31', '23:59:59.999999', '23:59:59', '23:59:59.999', '23:59:59.999999-12', '12:00+05:30', '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59', '1969-12-31 23:59:59.999', '1969-12-31 23:59:59.000001', '1969-12-31 23:59:59.999999+00', '1969-12-31 23:59:59+00', '1969-12-31 23:59:59.001+00', '-1 year +1 day', '1-6', '1.5 sec', '59:59.1234', '40'),
 ('2024-02-29', '12:34:56.1', '12:34:56', '12:34:56.1', '12:34:56.1+14', '12:34:56-03:30', '2024-02-29 12:34:56.100000', '2024-02-29 12:34:56', '2024-02-29 12:34:56.1', '2024-02-29 12:34:56.12345', '2024-02-29 12:34:56.12+05:45', '2024-02-29 12:34:56-11', '2024-02-29 12:34:56.120+00', '1 mon -1 day 00:00:00.1', '-0-1', '-00:00:01', '-00:01', '-3'),
 ('2999-12-31', '01:02:03.000001', '01:02:03', '01:02:03.001', '01:02:03.000001+00', '00:00:00+00', '2999-12-31 01:02:03.000001', '2999-12-31', '2999-12-31', '2999-12-31 23:59:59.999999', '2999-12-31 00:00+00', '2999-12-31 00:00+00', '2999-12-31 00:00+00', '99 years 11 mons 30 days 23:59:59.999999', '10-0', '1 day 1 sec', '0.001', '1000'),
 ('1900-01-01', '01:02:03.12', '01:02:03', '01:02:03.12', '01:02:03+00:15', '00:00:00+00', '1900-01-01 01:02:03.12', '1900-03-01', '1900-02-28', '1900-01-01', '1900-01-01 00:00:00.5+00', '1900-01-01 00:00+00', '1900-01-01 00:00+00', '-00:00:00.000001', '-1-11', '100 days', '1', '-1'),
 (null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null);
INSERT INTO vv_b (a,b,c,d,e,f,g,h,i) VALUES ('', B'1', B'1111', B'11111111', B'111111111111', B'11', B'1', B'10000000000000000001', true), ('\x00', B'0', B'1000', B'10000000', B'100000000000', B'1', B'11', B'1', false), ('\xfffefdfcfbfa', B'1', B'1001', B'10101010', B'101010101010', B'101010101', B'1010', B'111111111111', null), (null,null,null,null,null,null,null,null,null), (convert_to('é😀', 'UTF8'), null, null, null, null, null, null, null, null), (decode(repeat('3e3f', 30), 'hex'), null, null, null, null, null, null, null, null);
INSERT INTO vv_j (a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y) VALUES ('{}', '{}', '', '', '<a/>', gen_random_uuid(), 'A', '0.0.0.0', '0.0.0.0/0', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00', '', '(0,0)', 'empty', '(,)', '["2024-01-01 00:00+00",)', '(,2024-01-01]', '[2024-01-01 00:00,2024-01-01 00:00]', '(1,5]', 'x', 'c', 'n', 'c', E'\u2028', 'é'),
 ('[]', '[]', 'a=>1', 'A.B.C', '<a b="c"> &amp; </a>', 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF', '', '::', '::/0', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff', 'a b c', '(-1.5,1e300)', '[1,1]', '[1.10,2.20)', '(-infinity,infinity)', '[2024-02-29,2024-02-29]', '(,infinity)', '(,)', 'Y z', 'é', 'é', 'é', '', ''),
 ('null', 'null', 'a=>NULL', '1.2', 'x', null, E'\t', '1.2.3.4/24', '1.2.3.0/24', null, null, '''a:b'':1A', '(Infinity,NaN)', '(1,2)', null, null, null, null, null, 'ä', '', '', '', 'x', 'xyz'),
 ('1.0', '1.0', '"a b"=>"c\"d"', null, null, null, null, null, null, null, null, null, '(0.1,123456789.123)', null, null, null, null, null, null, null, null, 'x', null, null, null), ('{"a":1,"a":{"b":[1,2,{"c":null}]}}', '{"b":1e3,"a":"\u0041"}', null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, 'x', null, null, null),
 (null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,'x',null,null,null);
UPDATE vv_j SET f = '6ecd8c99-4036-403d-bf84-cf8400f67836' WHERE f IS NOT NULL;
INSERT INTO vv_a (a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x) VALUES ('{1,NULL,3}', '{a,"b,c","d\"e",NULL,"NULL",""," x "}', '{1.10,NULL}', '{1,2.50,1e5}', '{2024-02-29,NULL}', '{"2024-02-29 12:34:56.789012",NULL}', '{"2024-02-29 12:34:56.789+00",NULL}', '{t,NULL,f}', '{"\\x00ff",NULL}', '{6ecd8c99-4036-403d-bf84-cf8400f67836,NULL}', '{"{\"a\": 1}",NULL,"null"}', '{1,2}', '{"2024-02-29 12:34:56.789"}', '{1.5,NULL}', '{1e300,-0,1}', '{9223372036854775807}', '{-1}', '{abc}', '{ab}', '{12:34:56,NULL}', '{10.0.0.1/8,NULL}', '{"[1,5)",NULL}', '{Ab,NULL}', '{1,4294967295}'),
 ('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}'), (null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null);
-- section: stream
UPDATE vv_n SET id = id + 100;
UPDATE vv_t SET id = id + 100 WHERE id < 4;
DELETE FROM vv_b;
ALTER TABLE vv_a REPLICA IDENTITY FULL;
UPDATE vv_a SET x = NULL;
DELETE FROM vv_a;
