-- As many columns as a table can have.
-- section: schema
DO $$ DECLARE c text := ''; BEGIN FOR i IN 1..1599 LOOP c := c || ', column_number_' || i || (ARRAY[' int', ' text', ' boolean', ' numeric(9,2)', ' timestamptz'])[i % 5 + 1]; END LOOP; EXECUTE 'CREATE TABLE wide (id int PRIMARY KEY' || c || ')'; END $$;
INSERT INTO wide (id, column_number_1, column_number_1599) VALUES (1, 'a', '2020-01-01 00:00+00');
-- section: stream
INSERT INTO wide (id, column_number_2, column_number_1598) VALUES (2, true, 5);
UPDATE wide SET column_number_800 = 1 WHERE id = 1;
UPDATE wide SET id = 3 WHERE id = 1;
DELETE FROM wide WHERE id = 2;
