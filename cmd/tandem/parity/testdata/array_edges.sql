-- Arrays of every type: nulls, no elements, more than one dimension, bounds of their own; composites.
-- differs: microseconds * public.arr3 [rc] after.[b-g]: With include.unknown.datatypes shapes are the bytes of what Java prints for their numbers. Ours are those of PostgreSQL's text, as everywhere
-- differs: microseconds * public.arr4 [rc] after.[nop]: With include.unknown.datatypes Debezium writes the text of domains in arrays. Ours are values of what is under the domain
-- differs: microseconds * public.arr4 [rc] after.[am]: With include.unknown.datatypes an array that holds a null is null in Debezium
-- differs: microseconds * public.comp [rc] after.c: With include.unknown.datatypes an array that holds a null is null in Debezium
-- differs: * * public.bounds [rc] after.*: Debezium loses the values of arrays of more than one dimension
-- differs: * * public.arr2 [rc] after.b: Debezium cuts times in arrays to milliseconds, and 24:00 to 00:00
-- differs: * * public.arr3 [rc] after.[hj]: Debezium writes null for arrays of tsvector and of bit(n)
-- differs: * * public.arr4 [rc] after.[tu]: Debezium writes null for arrays of bit
-- differs: * * public.arr4 [rc] after.i: Debezium writes null for an array of ltree that holds a null
-- differs: * * public.arr4 [rc] after.*: Debezium drops arrays of types that it does not know as elements
-- differs: * * public.arr[123] [rc] after.*: Debezium drops arrays of types that it does not know as elements
-- differs: * * public.comp [rc] after.*: Debezium drops composite types: ours are text
-- differs: schemas* * public.bounds * schema.value.*: An array of several dimensions has a schema of arrays, which a schema of its elements could not hold
-- shown by: CREATE TABLE t (i int[]); INSERT INTO t VALUES ('{{1,2},{3,4}}')
-- differs: schemas* * public.arr[34] * schema.value.*.[jtu].*: The schema of an array of bits is an array, as its values are
-- shown by: CREATE TABLE t (b bit(4)[]); INSERT INTO t VALUES ('{1010,NULL}')
-- differs: schemas* * public.arr[34] * schema.value.*.[hkl].items.optional: The elements of arrays may be null, and are written then, also those of tsvector and of enums
-- shown by: CREATE TABLE t (e mood[]); INSERT INTO t VALUES ('{ok,NULL}')
-- section: schema
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS ltree;
CREATE EXTENSION IF NOT EXISTS cube;
CREATE EXTENSION IF NOT EXISTS isn;
CREATE TYPE a_addr AS (street text, zip int, tags text[]);
CREATE TYPE a_person AS (name text, addr a_addr, "Odd name" numeric);
CREATE TYPE a_col AS ENUM ('red', 'green');
CREATE TYPE a_fr AS RANGE (subtype = text);
CREATE DOMAIN a_dtext AS text;
CREATE DOMAIN a_dn AS numeric(6,2);
CREATE DOMAIN a_dts AS timestamptz;
CREATE DOMAIN a_darr AS text[];
CREATE DOMAIN a_dcomp AS a_addr;
CREATE TABLE arr1 (id serial PRIMARY KEY, a smallint[], b bigint[], c real[], d float8[], e numeric(10,3)[], f numeric[], g money[], h boolean[], i text[], j varchar(5)[], k char(3)[], l bpchar[], m "char"[], n name[], o bytea[], p uuid[]);
CREATE TABLE arr2 (id serial PRIMARY KEY, a date[], b time[], c time(3)[], d timetz[], e timestamp[], f timestamp(0)[], g timestamptz[], h timestamptz(3)[], i interval[], j json[], k jsonb[], l xml[], m inet[], n cidr[], o macaddr[], p macaddr8[]);
CREATE TABLE arr3 (id serial PRIMARY KEY, a point[], b line[], c lseg[], d box[], e path[], f polygon[], g circle[], h tsvector[], i tsquery[], j bit(4)[], k varbit[], l int4range[], m numrange[], n tsrange[], o tstzrange[], p daterange[], q int8range[]);
CREATE TABLE arr4 (id serial PRIMARY KEY, a int4multirange[], b oid[], c regclass[], d pg_lsn[], e xid[], f jsonpath[], g hstore[], h citext[], i ltree[], j cube[], k isbn[], l a_col[], m a_addr[], n a_dtext[], o a_dn[], p a_dts[], q a_darr, r a_darr[], s a_fr[], t bit[], u bit(1)[], v xid8[], w pg_snapshot[]);
CREATE TABLE comp (id serial PRIMARY KEY, a a_addr, b a_person, c a_person[], d a_dcomp, e a_fr);
CREATE TABLE bounds (id serial PRIMARY KEY, a int[], b text[], c timestamp[], d numeric[], e bool[], f uuid[], g float8[]);
-- section: both
INSERT INTO arr1 (a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p) VALUES ('{1,NULL,-32768}', '{9223372036854775807,NULL}', '{1.5,NULL,Infinity}', '{1e300,NULL,-0}', '{1.234,NULL}', '{1,1.5,100,1e10}', '{$1.00,NULL}', '{t,f,NULL}', '{"", " ", a, "b c", "q\"q", "b\\b", "{}", "null", NULL, "é😀"}', '{abcde,NULL}', '{a,ab,abc,NULL}', '{"a  ",NULL}', '{a,NULL}', '{x,NULL}', '{"\\x","\\x00ff",NULL}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}'),
 ('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}'), (null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null),
 ('{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}');
INSERT INTO arr2 (a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p) VALUES ('{2020-01-01,NULL,1969-12-31}', '{12:34:56.789123,NULL,24:00}', '{12:34:56.789}', '{12:34:56+02,NULL}', '{"2020-01-01 01:02:03.456789",NULL}', '{"2020-01-01 01:02:03"}', '{"2020-01-01 01:02:03.456789+02",NULL}', '{"2020-01-01 01:02:03.4+02"}', '{"1 day 02:03:04",NULL}', '{"{\"a\":  1}",NULL,"null"}', '{"{\"a\":  1}",NULL,"null"}', '{<a/>,NULL}', '{10.0.0.1,::1,NULL}', '{10.0.0.0/8,NULL}', '{08:00:2b:01:02:03,NULL}', '{08:00:2b:01:02:03:04:05,NULL}'),
 ('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}'), (null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null),
 ('{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}','{NULL}');
INSERT INTO arr3 (a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q) VALUES ('{"(1,2)",NULL}', '{"{1,2,3}"}', '{"[(1,2),(3,4)]"}', '{(3,4),(1,2);(1,1),(0,0)}', '{"[(1,2),(3,4)]"}', '{"((1,2),(3,4))"}', '{"<(1,2),3>"}', '{"''a'':1",NULL}', '{"''a''"}', '{1010,NULL}', '{1,10101}', '{"[1,5)",empty,NULL}', '{"[1.5,)"}', '{"[2020-01-01,2020-01-02)"}', '{"[2020-01-01 00:00+00,)"}', '{"[2020-01-01,)"}', '{"[1,2)"}'),
 ('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}'), (null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null);
INSERT INTO arr4 (a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w) VALUES ('{"{[1,2),[5,7)}",NULL}', '{1,4294967295,NULL}', '{pg_class}', '{0/1}', '{5}', '{$.a}', '{"a=>1, b=>NULL",NULL}', '{Ab,NULL,"c,d"}', '{a.b,NULL}', '{"(1, 2)"}', '{0-393-04002-X}', '{red,green}', '{"(\"a b\",1,\"{x,y}\")",NULL}', '{x,NULL,"a,b"}', '{1.5,NULL}', '{"2020-01-01 00:00+00"}', '{p,NULL}', null, '{"[a,b)"}', '{1,0}', '{1,NULL}', '{5}', '{10:20:10}'),
 ('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}'), (null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null);
INSERT INTO comp (a,b,c,d,e) VALUES (ROW('Main "St"', 123, '{a,b}'), ROW('Bob', ROW('x', 1, null), 1.50), ARRAY[ROW('A', null, null)::a_person, null], ROW('d',1,'{}'), '[a,c)'), (null,null,null,null,null), (ROW(null,null,null), null, '{}', null, 'empty');
INSERT INTO bounds (a,b,c,d,e,f,g) VALUES ('[0:1]={1,2}', '[-1:0]={a,b}', '[5:5]={"2020-01-01 00:00"}', '[2:3]={1.5,2}', '[0:0]={t}', '[2:2]={a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '[0:1]={1.5,2.5}'), ('{{1,2},{3,NULL}}', '{{{a}}}', '{{"2020-01-01 00:00"},{"2020-01-02 00:00"}}', '{{1.5},{2.5}}', '{{t,f}}', '{{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}}', '{{1.5},{2.5}}'), ('[1:1][3:4]={{1,2}}', null, null, null, null, null, null);
