-- What a snapshot is told to read, and publications that somebody else made: with row filters, with lists of columns, with some operations only. Played with the run "published" only.
-- differs: published snapshot public.pu_rows r event: Debezium's snapshot shows rows that the publication's filter hides
-- shown by: CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE PUBLICATION p FOR TABLE t WHERE (id > 10) (with publication.autocreate.mode=disabled)
-- differs: published snapshot public.pu_cols r after.secret: Debezium's snapshot shows columns that the publication hides
-- shown by: CREATE TABLE t (id int PRIMARY KEY, secret text); INSERT INTO t VALUES (1, 's'); CREATE PUBLICATION p FOR TABLE t (id) (with publication.autocreate.mode=disabled)
-- differs: published snapshot public.pu_rows r source.snapshot: … so that another row is the first
-- differs: published stream public.pu_cols d before.c: Columns that PostgreSQL does not send of a deleted row are null; where they have a default Connect's converter writes that
-- shown by: CREATE TABLE t (id int PRIMARY KEY, c numeric(8,2) NOT NULL DEFAULT 1.5); INSERT INTO t VALUES (1, 1); DELETE FROM t
-- section: schema
CREATE TABLE pu_rows (id int PRIMARY KEY, region text, n int);
ALTER TABLE pu_rows REPLICA IDENTITY FULL;
CREATE TABLE pu_key_rows (id int PRIMARY KEY, v text);
CREATE TABLE pu_cols (id int PRIMARY KEY, a text, secret text DEFAULT 'hidden', c numeric(8,2) NOT NULL DEFAULT 1.5);
CREATE TABLE pu_both (k text, id int, v text, secret text, PRIMARY KEY (id, k));
CREATE TABLE pu_parts (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE pu_parts_eu PARTITION OF pu_parts FOR VALUES IN ('eu');
CREATE TABLE pu_parts_us PARTITION OF pu_parts FOR VALUES IN ('us');
CREATE TABLE pu_toast (id int PRIMARY KEY, big text, n int);
ALTER TABLE pu_toast ALTER big SET STORAGE EXTERNAL;
ALTER TABLE pu_toast REPLICA IDENTITY FULL;
CREATE TABLE sn_new (id int PRIMARY KEY, at date NOT NULL, v varchar(10), n numeric(8,2));
CREATE TABLE sn_joined (id int PRIMARY KEY, other int, label text);
CREATE TABLE sn_null (id int PRIMARY KEY, a text, b text, last text);
CREATE TABLE sn_keyless (a int, b text);
ALTER TABLE sn_keyless REPLICA IDENTITY FULL;
CREATE TABLE sn_none (id int PRIMARY KEY);
CREATE TABLE sn_out (id int PRIMARY KEY, v text);
CREATE TABLE sn_a_last (id int PRIMARY KEY);
CREATE PUBLICATION theirs FOR TABLE pu_rows WHERE (region = 'eu' AND n > 10), pu_key_rows WHERE (id > 10), pu_cols (id, a, c), pu_both (id, k, v) WHERE (id <> 5 AND k <> ''), pu_parts WHERE (id < 50), pu_toast WHERE (length(big) > 3000), sn_new, sn_joined, sn_null, sn_keyless, sn_none, sn_out, sn_a_last, parity_end WITH (publish = 'insert, update', publish_via_partition_root = true);
CREATE PUBLICATION ours FOR TABLE pu_rows WHERE (region = 'eu' AND n > 10), pu_key_rows WHERE (id > 10), pu_cols (id, a, c), pu_both (id, k, v) WHERE (id <> 5 AND k <> ''), pu_parts WHERE (id < 50), pu_toast WHERE (length(big) > 3000), sn_new, sn_joined, sn_null, sn_keyless, sn_none, sn_out, sn_a_last, parity_end WITH (publish = 'insert, update', publish_via_partition_root = true);
INSERT INTO pu_rows VALUES (1, 'us', 20), (2, 'eu', 5);
INSERT INTO pu_rows VALUES (3, 'eu', 11), (4, 'eu', 12);
INSERT INTO pu_cols VALUES (1, 'a', 's', 2), (2, NULL, NULL, 3);
INSERT INTO sn_new SELECT i, date '2026-01-01' + i, 'v' || i, i * 1.25 FROM generate_series(1, 20) i;
INSERT INTO sn_joined SELECT i, i + 15 FROM generate_series(1, 4) i;
INSERT INTO sn_null VALUES (1, 'a', 'b', 'l'), (2, NULL, 'b', NULL);
INSERT INTO sn_keyless VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO sn_none VALUES (1);
INSERT INTO sn_out VALUES (1, 'x');
INSERT INTO sn_a_last VALUES (1), (2);
-- section: stream
INSERT INTO pu_rows VALUES (10, 'eu', 11), (11, 'eu', 10), (12, NULL, 12);
UPDATE pu_rows SET n = 13 WHERE id = 10;
UPDATE pu_rows SET n = 14 WHERE id = 11;
UPDATE pu_rows SET n = 1 WHERE id = 10;
UPDATE pu_rows SET id = 100 WHERE id = 11;
UPDATE pu_rows SET region = 'eu' WHERE id = 12;
DELETE FROM pu_rows;
INSERT INTO pu_key_rows VALUES (5, 'hidden'), (15, 'shown'), (16, 'shown');
UPDATE pu_key_rows SET v = 'x';
UPDATE pu_key_rows SET id = 6 WHERE id = 16;
UPDATE pu_key_rows SET id = 20 WHERE id = 15;
UPDATE pu_key_rows SET id = 25 WHERE id = 5;
INSERT INTO pu_cols VALUES (10, 'a', 's', 1), (11, NULL, 's', 2);
UPDATE pu_cols SET a = 'b' WHERE id = 10;
UPDATE pu_cols SET secret = 'other' WHERE id = 10;
UPDATE pu_cols SET id = 12 WHERE id = 10;
ALTER TABLE pu_cols ADD later int DEFAULT 5;
INSERT INTO pu_cols (id) VALUES (13);
UPDATE pu_cols SET later = 6 WHERE id = 13;
DELETE FROM pu_cols;
INSERT INTO pu_both VALUES ('k', 1, 'v', 's'), ('', 2, 'v', 's'), ('k', 5, 'v', 's');
UPDATE pu_both SET k = 'l' WHERE id = 1;
UPDATE pu_both SET k = 'l' WHERE id = 2;
INSERT INTO pu_parts VALUES (1, 'eu', 'a'), (2, 'us', 'b'), (60, 'us', 'c');
UPDATE pu_parts SET region = 'us' WHERE id = 1;
UPDATE pu_parts SET v = 'd';
INSERT INTO pu_toast VALUES (1, repeat('x', 4000), 1), (2, repeat('y', 2500), 1);
UPDATE pu_toast SET n = 2;
UPDATE pu_toast SET id = id + 10;
UPDATE pu_toast SET big = big || big WHERE id = 12;
TRUNCATE pu_toast, pu_both;
INSERT INTO sn_new VALUES (100, '2026-01-01', 'v', 1);
UPDATE sn_new SET v = 'w' WHERE id = 1;
INSERT INTO sn_joined VALUES (100, 1, 'own');
INSERT INTO sn_null VALUES (100, 'a', 'b', 'c');
UPDATE sn_keyless SET b = 'z' WHERE a = 1;
INSERT INTO sn_none VALUES (100);
INSERT INTO sn_out VALUES (100, 'y');
UPDATE sn_out SET v = 'z';
DELETE FROM sn_a_last;
