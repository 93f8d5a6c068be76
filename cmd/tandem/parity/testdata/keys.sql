-- Keys, identities, and what updates and deletes show of old rows.
-- differs: * stream public.by_index * *: Under REPLICA IDENTITY USING INDEX Debezium makes keys of the primary key, which the old row does not hold: it invents one (0). Ours are the index's columns
-- shown by: CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL UNIQUE); ALTER TABLE t REPLICA IDENTITY USING INDEX t_code_key; INSERT INTO t VALUES (1, 'one'); DELETE FROM t
-- differs: * stream public.plain d before.*: Columns that PostgreSQL does not send of a deleted row are null; where they are NOT NULL Debezium invents a value
-- shown by: CREATE TABLE t (id int PRIMARY KEY, b int NOT NULL, e bool NOT NULL DEFAULT true); INSERT INTO t VALUES (1, 5); DELETE FROM t
-- differs: * stream public.generated d before.own: Columns that PostgreSQL does not send of a deleted row are null; where they are NOT NULL Debezium invents a value
-- shown by: CREATE TABLE t (id int PRIMARY KEY, own int GENERATED ALWAYS AS IDENTITY); INSERT INTO t VALUES (1); DELETE FROM t
-- differs: * stream public.keyless - event: Debezium writes a record without key and value after the delete of a row without a key
-- shown by: CREATE TABLE t (a int); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1); DELETE FROM t
-- differs: * stream public.text_keys * header.__debezium.*key: Control characters in the headers of a key change are not escaped by Connect's converter, so that a header with a tab or a line end is no JSON; ours is escaped as the key is
-- shown by: CREATE TABLE t (k text PRIMARY KEY); INSERT INTO t VALUES ('a'); UPDATE t SET k = E'tab\t'
-- differs: * stream public.toasted c after.*: After a change of the key the new record holds the placeholder in Debezium, and a compacted topic has lost the value: we read it from the table (reselect.unavailable.values)
-- shown by: CREATE TABLE t (id int PRIMARY KEY, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL; INSERT INTO t VALUES (1, repeat('x', 9000)); UPDATE t SET id = 2
-- section: schema
CREATE TABLE plain (id int PRIMARY KEY, a text, b int NOT NULL, c numeric(5,2) NOT NULL DEFAULT 1, d timestamptz NOT NULL DEFAULT '2020-01-01', e bool NOT NULL DEFAULT true, f bytea NOT NULL DEFAULT '\x01', g text[] NOT NULL DEFAULT '{}', h uuid NOT NULL DEFAULT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11');
CREATE TABLE whole (id int PRIMARY KEY, a text, b int);
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE composed (c int, a text, b int, v text, PRIMARY KEY (b, a));
CREATE TABLE by_index (id int PRIMARY KEY, code text NOT NULL, v text);
CREATE UNIQUE INDEX by_index_code ON by_index (code);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_code;
CREATE TABLE unique_only (code text NOT NULL UNIQUE, v text);
ALTER TABLE unique_only REPLICA IDENTITY FULL;
CREATE TABLE keyless (a int, b text);
ALTER TABLE keyless REPLICA IDENTITY FULL;
CREATE TABLE odd_keys (k numeric(6,2), d date, t timestamptz, u uuid, y bytea, e text, PRIMARY KEY (k, d, t, u, y));
CREATE TABLE text_keys (k text PRIMARY KEY, v int);
CREATE TABLE number_keys (k numeric PRIMARY KEY, v int);
CREATE TABLE float_keys (k float8 PRIMARY KEY, b bool, v int);
CREATE TABLE only_key (id int PRIMARY KEY);
CREATE TABLE toasted (id int PRIMARY KEY, big text, small int, bin bytea, arr text[], js jsonb, h text);
ALTER TABLE toasted ALTER big SET STORAGE EXTERNAL, ALTER bin SET STORAGE EXTERNAL, ALTER arr SET STORAGE EXTERNAL, ALTER js SET STORAGE EXTERNAL;
CREATE TABLE toasted_full (id int PRIMARY KEY, big text, small int);
ALTER TABLE toasted_full REPLICA IDENTITY FULL;
ALTER TABLE toasted_full ALTER big SET STORAGE EXTERNAL;
CREATE TABLE generated (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, own int GENERATED ALWAYS AS IDENTITY);
CREATE TABLE parts (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu');
CREATE TABLE parts_us PARTITION OF parts FOR VALUES IN ('us');
CREATE TABLE children (id int PRIMARY KEY, v text);
-- section: both
DELETE FROM parts;
DELETE FROM children;
INSERT INTO plain (id, a, b) VALUES (floor(random() * 0) + (SELECT coalesce(max(id), 0) + 1 FROM plain), 'x', 1);
INSERT INTO keyless VALUES (1, 'one'), (null, null);
-- section: stream
INSERT INTO plain (id, a, b) VALUES (10, 'ten', 10), (11, null, 11);
UPDATE plain SET a = 'eleven' WHERE id = 11;
UPDATE plain SET id = 12 WHERE id = 11;
UPDATE plain SET id = 13, a = 'both' WHERE id = 12;
UPDATE plain SET id = id WHERE id = 13;
DELETE FROM plain WHERE id = 13;
INSERT INTO whole VALUES (1, 'a', 1), (2, null, null);
UPDATE whole SET b = 2 WHERE id = 1;
UPDATE whole SET id = 3 WHERE id = 2;
DELETE FROM whole;
INSERT INTO composed VALUES (1, 'a', 1, 'v'), (2, 'b', 2, 'w');
UPDATE composed SET v = 'x' WHERE b = 1;
UPDATE composed SET a = 'z' WHERE b = 2;
DELETE FROM composed WHERE b = 1;
INSERT INTO by_index VALUES (1, 'one', 'v'), (2, 'two', 'w');
UPDATE by_index SET v = 'x' WHERE id = 1;
UPDATE by_index SET code = 'zwei' WHERE id = 2;
UPDATE by_index SET id = 9 WHERE id = 2;
DELETE FROM by_index;
INSERT INTO unique_only VALUES ('a', 'x'), ('b', 'y');
UPDATE unique_only SET v = 'z' WHERE code = 'a';
UPDATE unique_only SET code = 'c' WHERE code = 'b';
DELETE FROM unique_only;
INSERT INTO keyless VALUES (2, 'two');
UPDATE keyless SET b = 'zwei' WHERE a = 2;
DELETE FROM keyless WHERE a = 2;
INSERT INTO odd_keys VALUES (1.5, '2020-01-01', '2020-01-01 00:00+00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\x0102', 'v');
UPDATE odd_keys SET e = 'w';
UPDATE odd_keys SET k = 2.5;
DELETE FROM odd_keys;
INSERT INTO text_keys VALUES (E'q"uote \\ / é😀', 1);
UPDATE text_keys SET k = E'tab\t';
UPDATE text_keys SET k = '';
DELETE FROM text_keys;
INSERT INTO number_keys VALUES (1.50, 1);
UPDATE number_keys SET k = 1.500;
UPDATE number_keys SET k = 100;
DELETE FROM number_keys;
INSERT INTO float_keys VALUES (1.5, true, 1);
UPDATE float_keys SET k = 1e10;
DELETE FROM float_keys;
INSERT INTO only_key VALUES (1);
UPDATE only_key SET id = 2;
DELETE FROM only_key;
INSERT INTO toasted VALUES (1, repeat('x', 9000), 1, decode(repeat('ab', 9000), 'hex'), ARRAY[repeat('y', 9000)], to_jsonb(repeat('z', 9000)), 'h');
UPDATE toasted SET small = 2;
UPDATE toasted SET big = repeat('w', 9000);
UPDATE toasted SET id = 2;
INSERT INTO toasted SELECT 9, big, small, bin, arr, js, h FROM toasted;
DELETE FROM toasted WHERE id = 9;
INSERT INTO toasted_full VALUES (1, repeat('x', 9000), 1);
UPDATE toasted_full SET small = 2;
UPDATE toasted_full SET id = 2;
DELETE FROM toasted_full;
INSERT INTO generated (id, a) VALUES (1, 5);
UPDATE generated SET a = 6;
DELETE FROM generated;
INSERT INTO parts VALUES (1, 'eu', 'a'), (2, 'us', 'b');
UPDATE parts SET v = 'c' WHERE id = 1;
UPDATE parts SET region = 'us' WHERE id = 1;
DELETE FROM parts;
