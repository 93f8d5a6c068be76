-- Values at the ends of what a type holds.
-- differs: * snapshot public.ends r after.d: Debezium reads dates without end, and those before year 1 or in the Julian calendar, wrongly in a snapshot
-- differs: * stream public.ends c after.d: Debezium gives dates without end numbers of its own in the stream, and others in the snapshot: ours are PostgreSQL's own, in both
-- differs: * * public.ends [rc] after.n*: NaN and the infinities are null in Debezium: ours are text
-- differs: * * public.ends [rc] after.iv: Debezium counts with floating point: microseconds of long intervals are lost
-- differs: * * public.arrays_of_ends [rc] after.*: Debezium loses era, calendar and infinity of dates and times in arrays, and the whole array when one number is NaN
-- differs: * * public.defaults [rc] after.*: Null becomes the column's default: Connect's converter replaces it (replace.null.with.default is true unless it is turned off)
-- differs: *strings * public.ends [rc] after.ts*: A timestamp without end is a day in Debezium
-- differs: *strings * public.ends [rc] after.tm*: 24:00 becomes 00:00 in Debezium
-- differs: *nanoseconds * public.ends [rc] after.ts*: Timestamps out of reach of 64 bits of nanoseconds (1677 to 2262), and the first second of that reach, are null in Debezium: ours are the nearest end
-- section: schema
CREATE TABLE ends (id serial PRIMARY KEY, d date, ts timestamp, ts3 timestamp(3), tstz timestamptz, tstz0 timestamptz(0), n numeric, n82 numeric(8,2), tm time, tm3 time(3), tz timetz, iv interval);
CREATE TABLE arrays_of_ends (id serial PRIMARY KEY, d date[], ts timestamp[], tstz timestamptz[], n numeric[]);
CREATE TABLE defaults (id serial PRIMARY KEY, i int DEFAULT 7, t text DEFAULT 'x', b bool DEFAULT true, d date DEFAULT '2020-01-01', n numeric(5,2) DEFAULT 1.5, ts timestamp DEFAULT now(), nn int NOT NULL DEFAULT 3,
  tn text NOT NULL, j jsonb DEFAULT '{}', a int[] DEFAULT '{1}', f float8 DEFAULT 1.5);
-- section: both
INSERT INTO ends (d, ts, ts3, tstz, tstz0, n, n82, tm, tm3, tz, iv) VALUES
  ('infinity', 'infinity', 'infinity', 'infinity', 'infinity', 'NaN', 'NaN', '24:00', '24:00', '24:00+00', '178000000 years 11 mons'),
  ('-infinity', '-infinity', '-infinity', '-infinity', '-infinity', 'Infinity', null, '00:00', '00:00', '00:00-15:59', '-178000000 years -11 mons'),
  ('0001-12-31 BC', '0001-12-31 23:59:59.999999 BC', '0001-12-31 23:59:59.999 BC', '0001-12-31 23:59:59.999999+00 BC', '0001-12-31 23:59:59+00 BC', '-Infinity', null, '23:59:59.999999', '23:59:59.999', '23:59:59.999999+15:59', '-1 days +23:59:59'),
  ('4713-01-01 BC', '4713-01-01 BC', '4713-01-01 BC', '4713-01-01 00:00+00 BC', '4713-01-01 00:00+00 BC', 1e131, null, '24:00:00', null, '23:59:60+00', '1 mon -3 days'),
  ('10000-01-01', '10000-01-01', '10000-01-01', '10000-01-01 00:00+00', '10000-01-01 00:00+00', 1e-300, null, null, null, null, '2147483647:59:59.999999'),
  ('5874897-12-31', '294246-12-31 23:59:59.999999', '294246-12-31 23:59:59.999', '294246-12-31 23:59:59.999999+00', '294246-12-31 23:59:59+00', -1e-20, null, null, null, null, '-2147483647:59:59.999999'),
  ('2262-04-11', '2262-04-11 23:47:16.854775', '2262-04-12', '2262-04-12 00:00+00', '2016-12-31 23:59:60+00', 12345678901234567890123456789012345678901234567890, null, null, null, null, null),
  ('1677-09-21', '1677-09-21 00:12:43.145225', '1677-09-20', '1677-09-20 00:00+00', '1883-11-18 12:03:58-04:56:02', 0.000000000000000000000000000000000001, null, null, null, null, null);
INSERT INTO arrays_of_ends (d, ts, tstz, n) VALUES ('{infinity,-infinity,"0044-03-15 BC",1582-10-10}', '{infinity,-infinity,"0044-03-15 00:00 BC"}', '{infinity,-infinity,"0044-03-15 00:00+00 BC"}', '{NaN,1.50,Infinity}');
INSERT INTO defaults (i, t, b, d, n, ts, tn, j, a, f) VALUES (null, null, null, null, null, null, '', null, null, null), (1, 'y', false, '2021-01-01', 2.5, '2021-01-01', 't', '[]', '{}', 2.5);
INSERT INTO defaults (tn, ts) VALUES ('only', '2021-01-01');
