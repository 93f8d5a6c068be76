-- One schema a tenant, with types of equal names that are not the same, inheritance, and partitions of partitions that are attached, detached and changed.
-- differs: * snapshot tenant_a.evt_* r event: Debezium's snapshot reads partitions beside their table, into topics that its stream never writes to (with publish.via.partition.root=true)
-- shown by: CREATE TABLE t (id int PRIMARY KEY) PARTITION BY HASH (id); CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO t VALUES (1)
-- differs: * snapshot tenant_a.doc r event: Debezium's snapshot of a table reads rows of the tables that inherit from it, which are in their own topics as well
-- shown by: CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE child (PRIMARY KEY (id)) INHERITS (t); INSERT INTO child VALUES (2)
-- differs: * * tenant_a.* [rcud] *.p: Debezium drops composite types: ours are text
-- shown by: CREATE TYPE tenant.point AS (x int, y int); CREATE TABLE t (id int PRIMARY KEY, p tenant.point); INSERT INTO t VALUES (1, ROW(1, 2))
-- differs: * * tenant_b.doc [rcu] after.ks: Debezium writes null for an array of an enum that holds a null
-- shown by: CREATE TABLE t (ks mood[]); INSERT INTO t VALUES ('{c,NULL}')
-- differs: schemas* * tenant_[ab].* * schema.value.*.ks.items.optional: The elements of an array of an enum may be null, and are written then
-- shown by: CREATE TABLE t (e mood[]); INSERT INTO t VALUES ('{ok,NULL}')
-- section: schema
CREATE SCHEMA tenant_a;
CREATE SCHEMA tenant_b;
CREATE SCHEMA "Tenant-C";
CREATE SCHEMA "tenant c";
CREATE TYPE tenant_a.kind AS ENUM ('a', 'b');
CREATE TYPE tenant_b.kind AS ENUM ('b', 'a', 'c');
CREATE DOMAIN tenant_a.code AS varchar(5);
CREATE DOMAIN tenant_b.code AS int;
CREATE TYPE tenant_a.point AS (x int, y int);
CREATE TYPE tenant_b."int4" AS ENUM ('one', 'two');
CREATE DOMAIN tenant_b."text" AS numeric(5,1);
CREATE TABLE tenant_a.doc (id int PRIMARY KEY, k tenant_a.kind, c tenant_a.code, p tenant_a.point, ks tenant_a.kind[]);
CREATE TABLE tenant_b.doc (id uuid PRIMARY KEY, k tenant_b.kind, c tenant_b.code, i tenant_b."int4", t tenant_b."text", ks tenant_b.kind[]);
CREATE TABLE "Tenant-C".doc (id text PRIMARY KEY, k tenant_a.kind, k2 tenant_b.kind);
CREATE TABLE "tenant c".doc (id char(8) PRIMARY KEY, v varchar);
CREATE TABLE tenant_a.child (more text) INHERITS (tenant_a.doc);
ALTER TABLE tenant_a.child ADD PRIMARY KEY (id);
CREATE TABLE tenant_a.evt (id bigint, at timestamptz NOT NULL, what text, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE tenant_a.evt_2023 PARTITION OF tenant_a.evt FOR VALUES FROM ('2023-01-01 00:00+00') TO ('2024-01-01 00:00+00') PARTITION BY HASH (id);
CREATE TABLE tenant_a.evt_2023_0 PARTITION OF tenant_a.evt_2023 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE tenant_a.evt_2023_1 PARTITION OF tenant_a.evt_2023 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE tenant_a.evt_rest PARTITION OF tenant_a.evt DEFAULT;
CREATE TABLE tenant_a.evt_odd (what text, dropped int, at timestamptz NOT NULL, id bigint NOT NULL, PRIMARY KEY (at, id));
ALTER TABLE tenant_a.evt_odd DROP COLUMN dropped;
INSERT INTO tenant_a.evt_odd VALUES ('odd', '2025-05-05 00:00+00', 77);
ALTER TABLE tenant_a.evt ATTACH PARTITION tenant_a.evt_odd FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-01-01 00:00+00');
INSERT INTO tenant_a.evt SELECT i, '2023-06-01 00:00+00', 'e' || i FROM generate_series(1, 4) i;
INSERT INTO tenant_a.doc VALUES (1, 'a', 'abc', ROW(1,2), '{a,b}');
INSERT INTO tenant_a.child VALUES (2, 'b', 'x', NULL, '{}', 'more');
INSERT INTO tenant_b.doc VALUES ('11111111-1111-1111-1111-111111111111', 'c', 5, 'two', 1.5, '{c,NULL}'), ('22222222-1111-1111-1111-111111111111', 'c', 5, 'two', 1.5, '{c,b}');
INSERT INTO "Tenant-C".doc VALUES ('x', 'b', 'a');
INSERT INTO "tenant c".doc VALUES ('pad', 'v');
-- section: stream
INSERT INTO tenant_a.doc VALUES (3, 'b', NULL, NULL, NULL);
UPDATE tenant_a.doc SET c = 'upd';
DELETE FROM tenant_a.doc WHERE id = 2;
UPDATE tenant_b.doc SET k = 'a', t = -0.5;
UPDATE "Tenant-C".doc SET id = 'y';
UPDATE "tenant c".doc SET id = 'longer';
UPDATE "tenant c".doc SET id = '';
INSERT INTO tenant_a.evt VALUES (100, '2023-02-02 00:00+00', 'in'), (101, '2030-01-01 00:00+00', 'rest'), (102, '2025-01-01 00:00+00', 'odd');
UPDATE tenant_a.evt SET at = '2031-01-01 00:00+00' WHERE id = 100;
UPDATE tenant_a.evt SET what = 'moved' WHERE id = 101;
UPDATE tenant_a.evt SET id = 200 WHERE id = 2;
ALTER TABLE tenant_a.evt DETACH PARTITION tenant_a.evt_odd;
INSERT INTO tenant_a.evt VALUES (103, '2025-07-01 00:00+00', 'now rest');
DELETE FROM tenant_a.evt WHERE id IN (3, 103);
ALTER TABLE tenant_a.evt ADD COLUMN extra jsonb DEFAULT '{}';
INSERT INTO tenant_a.evt VALUES (104, '2023-07-01 00:00+00', 'x', '[1]');
UPDATE tenant_a.evt SET what = 'y' WHERE id = 104;
ALTER TABLE tenant_a.evt RENAME COLUMN what TO label;
UPDATE tenant_a.evt SET label = 'z' WHERE id = 104;
TRUNCATE tenant_a.evt;
INSERT INTO tenant_a.evt VALUES (1, '2023-07-01 00:00+00', 'again');
UPDATE ONLY tenant_a.doc SET c = 'only';
UPDATE tenant_a.child SET more = 'm';
TRUNCATE tenant_a.doc;
CREATE SCHEMA tenant_d;
CREATE TABLE tenant_d.doc (id int PRIMARY KEY);
INSERT INTO tenant_d.doc VALUES (1);
