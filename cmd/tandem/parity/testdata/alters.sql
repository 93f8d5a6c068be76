-- Changes of tables in the stream: types, names, defaults, keys and identities, within transactions and rolled back ones.
-- differs: * stream public.al1 d before.[xy]: Columns that PostgreSQL does not send of a deleted row are null; where they have a default Connect's converter writes that
-- shown by: ALTER TABLE t ADD x numeric(5,2) DEFAULT 1.25; DELETE FROM t
-- differs: * stream public.al3 * *: Debezium asks the catalog for a table's key, which may be ahead of the stream: it gives a row the columns of a key that the table did not have yet, and invents their old values (0). Ours are the key's columns at the time of the change
-- shown by: CREATE TABLE t (id int PRIMARY KEY, other int); INSERT INTO t VALUES (1, 10); ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (other)
-- What Debezium asks the catalog for must not depend on when it does: such changes stand in one transaction, which it reads after its commit.
-- differs: schemas* stream public.al1 * schema.value.*.m.parameters: The list of an enum's values is as Debezium found it at its start
-- shown by: CREATE TABLE t (m mood); ALTER TYPE mood ADD VALUE 'fresh'; INSERT INTO t VALUES ('fresh')
-- section: schema
CREATE TYPE al_mood AS ENUM ('a', 'b');
CREATE TABLE al1 (id int PRIMARY KEY, n int, t text, m al_mood);
CREATE TABLE al2 (id int PRIMARY KEY, v text);
CREATE TABLE al3 (id int PRIMARY KEY, other int NOT NULL, v text);
CREATE TABLE al4 (id int, v text);
ALTER TABLE al4 REPLICA IDENTITY FULL;
CREATE TABLE al5 (id int PRIMARY KEY, a int, b int);
CREATE TABLE al6 (id int PRIMARY KEY, a int DEFAULT 3);
CREATE TABLE al7 (id int PRIMARY KEY, v text);
CREATE SCHEMA al_old;
CREATE TABLE al_old.t (id int PRIMARY KEY, v text);
-- section: stream
INSERT INTO al1 VALUES (1, 1, '5', 'a');
ALTER TABLE al1 ALTER n TYPE bigint;
INSERT INTO al1 VALUES (2, 9223372036854775807, '6', 'b');
ALTER TABLE al1 ALTER t TYPE int USING t::int;
INSERT INTO al1 VALUES (3, 3, 7, 'a');
ALTER TYPE al_mood ADD VALUE 'c';
INSERT INTO al1 VALUES (4, 4, 8, 'c');
ALTER TYPE al_mood RENAME VALUE 'c' TO 'd';
INSERT INTO al1 VALUES (5, 4, 8, 'd');
ALTER TABLE al1 ADD x numeric(5,2) DEFAULT 1.25;
UPDATE al1 SET n = 0 WHERE id = 1;
INSERT INTO al1 (id) VALUES (6);
ALTER TABLE al1 ADD y text NOT NULL DEFAULT 'yy';
INSERT INTO al1 (id) VALUES (7);
DELETE FROM al1 WHERE id = 7;
ALTER TABLE al1 ALTER n TYPE numeric(30,2);
INSERT INTO al1 (id, n) VALUES (8, 1.5);
ALTER TABLE al1 ALTER n TYPE text;
INSERT INTO al1 (id, n) VALUES (9, 'text');
ALTER TABLE al1 DROP COLUMN m;
INSERT INTO al1 (id, n) VALUES (10, 'no m');
ALTER TABLE al1 RENAME COLUMN n TO renamed;
UPDATE al1 SET renamed = 'r' WHERE id = 10;
INSERT INTO al2 VALUES (1, 'before');
BEGIN;
INSERT INTO al2 VALUES (2, 'same tx');
ALTER TABLE al2 ADD z int;
INSERT INTO al2 VALUES (3, 'same tx', 5);
ALTER TABLE al2 DROP v;
INSERT INTO al2 VALUES (4, 6);
COMMIT;
BEGIN;
ALTER TABLE al2 ADD never int;
INSERT INTO al2 VALUES (5, 6, 7);
ROLLBACK;
INSERT INTO al2 VALUES (6, 7);
BEGIN;
INSERT INTO al3 VALUES (1, 10, 'a');
ALTER TABLE al3 DROP CONSTRAINT al3_pkey;
ALTER TABLE al3 ADD PRIMARY KEY (other);
INSERT INTO al3 VALUES (2, 20, 'b');
UPDATE al3 SET other = 21 WHERE other = 20;
DELETE FROM al3 WHERE other = 10;
ALTER TABLE al3 DROP CONSTRAINT al3_pkey, ADD PRIMARY KEY (other, id);
INSERT INTO al3 VALUES (3, 30, 'c');
UPDATE al3 SET id = 33 WHERE id = 3;
COMMIT;
ALTER TABLE al4 ADD PRIMARY KEY (id);
INSERT INTO al4 VALUES (2, 'key');
ALTER TABLE al4 REPLICA IDENTITY DEFAULT;
UPDATE al4 SET v = 'x' WHERE id = 2;
DELETE FROM al4 WHERE id = 2;
INSERT INTO al5 VALUES (1, 1, 1);
UPDATE al5 SET a = 2;
ALTER TABLE al5 REPLICA IDENTITY FULL;
UPDATE al5 SET a = 3;
ALTER TABLE al5 REPLICA IDENTITY DEFAULT;
UPDATE al5 SET a = 4;
ALTER TABLE al5 DROP a, ADD a text;
INSERT INTO al5 VALUES (2, 2, 'again');
INSERT INTO al6 (id) VALUES (1);
ALTER TABLE al6 ALTER a SET DEFAULT 9;
INSERT INTO al6 (id) VALUES (2);
ALTER TABLE al6 ALTER a DROP DEFAULT;
INSERT INTO al6 (id) VALUES (3);

INSERT INTO al7 VALUES (1, 'x');
VACUUM FULL al7;
INSERT INTO al7 VALUES (2, 'x');
CLUSTER al7 USING al7_pkey;
UPDATE al7 SET v = 'z';
DELETE FROM al7 WHERE id = 1;
INSERT INTO al_old.t VALUES (1, 'x');
