-- Kinds of events: transactions, messages, truncates, roll-backs, changes of the schema in the stream, names.
-- differs: * stream message m source.ts_*: A message outside of transactions has the time of the transaction that was committed before it in Debezium: ours has the time at which we read it
-- shown by: SELECT pg_logical_emit_message(false, 'loose', 'outside')
-- differs: * stream message m source.sequence: A message outside of transactions counts as a commit in Debezium, also in the middle of one: the first number of what follows is greater than the second
-- shown by: BEGIN; SELECT pg_logical_emit_message(false, 'loose', 'inside'); SELECT pg_logical_emit_message(true, 'in tx', 'text'); COMMIT
-- differs: * stream public.tx_a c source.sequence: A change after such a message has its number, too
-- shown by: BEGIN; SELECT pg_logical_emit_message(false, 'loose', 'inside'); SELECT pg_logical_emit_message(true, 'in tx', 'text'); COMMIT
-- differs: *transactions stream * * transaction.id: The id of a transaction has another position in every event in Debezium, so that they cannot be joined by it: ours has the commit's in all
-- shown by: BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); COMMIT
-- differs: *transactions stream transaction * *id: BEGIN and END have ids of their own, too
-- shown by: BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); COMMIT
-- differs: *transactions stream transaction * data_collections: Debezium lists tables in the order of a Java HashMap, and messages by the address of a Java object (LogicalDecodingMessageId@6e1cadb9): ours are in the order of their first events, messages by their prefix
-- shown by: BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); COMMIT
-- section: schema
CREATE TABLE tx_a (id int PRIMARY KEY, v text);
CREATE TABLE tx_b (id int PRIMARY KEY, a int REFERENCES tx_a ON DELETE CASCADE);
CREATE TABLE gone (id int PRIMARY KEY);
CREATE TABLE gone_too (id int PRIMARY KEY, g int REFERENCES gone);
CREATE TABLE altered (id int PRIMARY KEY, a text, b int);
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."Ünï cödé" ("Id" int PRIMARY KEY, "Spalte ß" text, "with.dot" int, "with""quote" int, "select" int, "emoji😀" int, "tab	x" int);
CREATE TABLE "MiXed" ("ID" int PRIMARY KEY, "vAlue" text);
CREATE TABLE "dash-and_under$dollar" (id int PRIMARY KEY);
CREATE TABLE empty_table (id int PRIMARY KEY);
CREATE TABLE no_columns_but_key (id int PRIMARY KEY);
-- section: both
INSERT INTO "Odd Schema"."Ünï cödé" SELECT coalesce(max("Id"), 0) + 1, 'ß', 1, 2, 3, 4, 5 FROM "Odd Schema"."Ünï cödé";
INSERT INTO "MiXed" SELECT coalesce(max("ID"), 0) + 1, 'v' FROM "MiXed";
-- section: stream
BEGIN;
INSERT INTO tx_a VALUES (1, 'a'), (2, 'b');
INSERT INTO tx_b VALUES (1, 1), (2, 1), (3, 2);
UPDATE tx_a SET v = 'c' WHERE id = 2;
COMMIT;
BEGIN;
INSERT INTO tx_a VALUES (3, 'never');
ROLLBACK;
BEGIN;
INSERT INTO tx_a VALUES (4, 'kept');
SAVEPOINT s;
INSERT INTO tx_a VALUES (5, 'undone');
ROLLBACK TO s;
INSERT INTO tx_a VALUES (6, 'kept');
COMMIT;
DELETE FROM tx_a WHERE id = 1;
UPDATE tx_a SET id = 7 WHERE id = 6;
INSERT INTO tx_a VALUES (8, 'x') ON CONFLICT (id) DO UPDATE SET v = 'y';
INSERT INTO tx_a VALUES (8, 'x') ON CONFLICT (id) DO UPDATE SET v = 'y';
BEGIN;
SELECT pg_logical_emit_message(true, 'in tx', 'text');
INSERT INTO tx_a VALUES (9, 'after a message');
SELECT pg_logical_emit_message(false, 'loose', 'inside');
SELECT pg_logical_emit_message(true, 'bytes', '\x00ff'::bytea);
COMMIT;
SELECT pg_logical_emit_message(false, 'loose', 'outside');
SELECT pg_logical_emit_message(true, 'é "q"', 'ünï');
SELECT pg_logical_emit_message(true, '', '');
INSERT INTO gone VALUES (1), (2);
INSERT INTO gone_too VALUES (1, 1);
TRUNCATE gone, gone_too;
INSERT INTO gone VALUES (3);
TRUNCATE gone CASCADE;
ALTER TABLE altered ADD c int;
INSERT INTO altered VALUES (1, 'a', 1, 1);
ALTER TABLE altered ADD d text DEFAULT 'dd';
INSERT INTO altered (id) VALUES (2);
UPDATE altered SET a = 'x' WHERE id = 1;
ALTER TABLE altered RENAME b TO bb;
INSERT INTO altered VALUES (3, 'a', 1, 1, 'e');
ALTER TABLE altered DROP a;
INSERT INTO altered VALUES (4, 1, 1, 'e');
ALTER TABLE altered ALTER bb TYPE text;
INSERT INTO altered VALUES (5, 'now text', 1, 'e');
ALTER TABLE altered ADD big numeric(10,2), ADD e timestamptz;
INSERT INTO altered VALUES (6, 't', 1, 'e', 1.5, '2020-01-01 00:00+00');
UPDATE "Odd Schema"."Ünï cödé" SET "Spalte ß" = 'x' WHERE "Id" = 1;
DELETE FROM "Odd Schema"."Ünï cödé" WHERE "Id" = 1;
UPDATE "MiXed" SET "ID" = 9 WHERE "ID" = 1;
INSERT INTO "dash-and_under$dollar" VALUES (1);
