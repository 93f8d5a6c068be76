-- Columns that are left out, masked, hashed and cut, tables and messages that are not captured: played with the run "columns" only.
-- differs: columns stream public.ch_toast u after.*: Of a value that was not sent Debezium cuts or hashes the placeholder, so that nobody can tell it from a value: ours is the placeholder
-- shown by: CREATE TABLE t (id int PRIMARY KEY, v int, long text); ALTER TABLE t ALTER long SET STORAGE EXTERNAL; INSERT INTO t VALUES (1, 1, repeat('l', 5000)); UPDATE t SET v = 2 (with column.truncate.to.3.chars=.*long)
-- section: schema
CREATE TABLE ch_person (id int PRIMARY KEY, name varchar(20), "Mixed" text, secret text, hashed text, short varchar(12), plain text, long text, n int, c char(5), j jsonb, arr text[], d date);
CREATE TABLE ch_full (id int PRIMARY KEY, v text, hidden text);
ALTER TABLE ch_full REPLICA IDENTITY FULL;
CREATE TABLE ch_key (secret text, id int, v text, PRIMARY KEY (secret, id));
CREATE TABLE ch_not (id int PRIMARY KEY);
CREATE TABLE ch_beat (id int PRIMARY KEY, n int);
CREATE TABLE ch_toast (id int PRIMARY KEY, secret text, long text, hashed text, v int);
ALTER TABLE ch_toast ALTER secret SET STORAGE EXTERNAL, ALTER long SET STORAGE EXTERNAL, ALTER hashed SET STORAGE EXTERNAL;
CREATE SCHEMA ch_schema;
CREATE TABLE ch_schema.not_this (id int PRIMARY KEY);
INSERT INTO ch_beat VALUES (1, 0);
-- section: both
INSERT INTO ch_person SELECT count(*) + 1, 'Ann', 'mixed', 'secret', 'hash me', 'short', 'plain', 'a long text 😀😀', 5, 'ab', '{"a":1}', '{a,b}', '2020-01-01' FROM ch_person;
INSERT INTO ch_person SELECT count(*) + 1 FROM ch_person;
INSERT INTO ch_person SELECT count(*) + 1, '', '', '', '', '', '', '', 5, '', '{}', '{}', '2020-01-01' FROM ch_person;
INSERT INTO ch_person SELECT count(*) + 1, 'é😀', E'\t', 'é', 'é😀中', E'a\tb', '"', 'é😀中', null, 'é', null, null, null FROM ch_person;
INSERT INTO ch_not SELECT count(*) + 1 FROM ch_not;
-- section: stream
UPDATE ch_person SET name = 'Bob', hashed = 'again' WHERE id = 1;
UPDATE ch_person SET id = 100 WHERE id = 1;
DELETE FROM ch_person WHERE id = 2;
INSERT INTO ch_full VALUES (1, 'a', 'b');
UPDATE ch_full SET v = 'c';
UPDATE ch_full SET hidden = 'd';
UPDATE ch_full SET v = v;
UPDATE ch_full SET id = 2;
DELETE FROM ch_full;
INSERT INTO ch_key VALUES ('key', 1, 'v');
UPDATE ch_key SET v = 'w';
UPDATE ch_key SET secret = 'other';
DELETE FROM ch_key;
INSERT INTO ch_toast VALUES (1, repeat('s', 5000), repeat('l', 5000), repeat('h', 5000), 1);
UPDATE ch_toast SET v = 2;
INSERT INTO ch_schema.not_this VALUES (1);
SELECT pg_logical_emit_message(true, 'wanted', 'text');
SELECT pg_logical_emit_message(true, 'unwanted', 'text');
SELECT pg_logical_emit_message(true, 'wanted.too', 'text');
