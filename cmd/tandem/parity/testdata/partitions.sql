-- Partitions under their own names (publish.via.partition.root=false): played with the run "partitions" only, without their roots, whose rows Debezium's snapshot reads once more.
-- section: schema
CREATE TABLE pa_root (id int, year int, v text, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
CREATE TABLE pa_2024 PARTITION OF pa_root FOR VALUES IN (2024);
CREATE TABLE pa_late (v text, year int NOT NULL, id int NOT NULL, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
ALTER TABLE pa_root ATTACH PARTITION pa_late FOR VALUES IN (2025, 2026);
CREATE TABLE pa_2025 PARTITION OF pa_late FOR VALUES IN (2025);
CREATE TABLE pa_other PARTITION OF pa_late DEFAULT;
ALTER TABLE pa_other REPLICA IDENTITY FULL;
CREATE TABLE pa_plain (id int PRIMARY KEY);
-- section: both
INSERT INTO pa_root SELECT count(*) + 1, 2024, 'a' FROM pa_root;
INSERT INTO pa_root SELECT count(*) + 1, 2025, 'b' FROM pa_root;
INSERT INTO pa_root SELECT count(*) + 1, 2026, 'c' FROM pa_root;
INSERT INTO pa_plain SELECT count(*) + 1 FROM pa_plain;
-- section: stream
UPDATE pa_root SET v = 'd' WHERE id IN (1, 2);
UPDATE pa_root SET year = 2025 WHERE id = 1;
UPDATE pa_root SET year = 2026 WHERE id = 2;
UPDATE pa_other SET v = 'e', id = 20 WHERE id = 3;
DELETE FROM pa_root WHERE id IN (1, 20);
ALTER TABLE pa_root ADD more text DEFAULT 'm';
INSERT INTO pa_root VALUES (50, 2024, 'f', 'g'), (51, 2025, 'h', 'i');
ALTER TABLE pa_late DETACH PARTITION pa_2025;
INSERT INTO pa_2025 (id, year) VALUES (60, 2025);
