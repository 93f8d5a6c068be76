-- differs: * snapshot public.dates r after.d: Debezium moves days of the Julian calendar in a snapshot (java.sql.Date), and not in the stream. Both are the right day here
-- differs: * * public.numbers [rc] after.nneg: Debezium takes a negative scale for one of more than two thousand digits
-- differs: * stream public.texts c after.nm: In the stream a column of type name is null in Debezium
-- differs: *nanoseconds * public.dates [rc] after.ts*: Timestamps out of reach of 64 bits of nanoseconds (1677 to 2262), and the first second of that reach, are null in Debezium: ours are the nearest end
-- differs: schemas* * public.numbers * schema.value.*.nneg.parameters: … and says so in its schema
-- shown by: CREATE TABLE t (n numeric(5,-2))
-- section: schema
CREATE TABLE numbers (id serial PRIMARY KEY, b boolean, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, n numeric, n82 numeric(8,2), n80 numeric(8,0),
  nneg numeric(5,-2), nbig numeric(40,10), m money, o oid);
CREATE TABLE texts (id serial PRIMARY KEY, t text, vc varchar(20), c char(6), bp bpchar, nm name, q "char", x xml, j json, jb jsonb, u uuid, by bytea);
CREATE TABLE dates (id serial PRIMARY KEY, d date, t time, t0 time(0), t3 time(3), t6 time(6), tz timetz, tz0 timetz(0), ts timestamp, ts0 timestamp(0), ts3 timestamp(3), ts6 timestamp(6),
  tstz timestamptz, tstz0 timestamptz(0), tstz3 timestamptz(3), iv interval, ivym interval year to month);
-- section: both
INSERT INTO numbers (b, i2, i4, i8, f4, f8, n, n82, n80, nneg, nbig, m, o) VALUES
  (true, 1, 2, 3, 1.5, 2.5, 1.10, 1.1, 7, 1234, 123456789012345678901234567890.0123456789, 1234.11, 16384),
  (false, -32768, -2147483648, -9223372036854775808, -3.4e38, -1.7e308, -123456789.123456789, -999999.99, -1, -100, -0.0000000001, -1.99, 4294967295),
  (null, 32767, 2147483647, 9223372036854775807, 1e-37, 5e-324, 0, 0, 0, 0, 0, 0, 0),
  (null, 0, 0, 0, 0, -0.0, 1000, 0.01, 1, 99999, 1, 0.01, 1),
  (null, 0, 0, 0, 'NaN', 'NaN', 1e20, 0.1, 1, 0, 1, 92233720368547758.07, 1),
  (null, 0, 0, 0, 'Infinity', 'Infinity', 1e-20, 0.1, 1, 0, 1, -92233720368547758.08, 1),
  (null, 0, 0, 0, '-Infinity', '-Infinity', 0.000, 100.1, 1, 0, 1, 1, 1),
  (null, null, null, null, null, null, null, null, null, null, null, null, null),
  (true, 0, 0, 0, 3.3, 0.1, 100.00, 128, 255, 0, 1, 1, 1),
  (true, 0, 0, 0, 16777216, 1e21, 0.5, 12.8, -128, 0, 1, 1, 1),
  (true, 0, 0, 0, 1e7, 1e7, 12345.678, 12.8, -129, 0, 1, 1, 1),
  (true, 0, 0, 0, 0.001, 0.001, 1, 12.8, 127, 0, 1, 1, 1),
  (true, 0, 0, 0, 0.0001, 0.0001, 1, 12.8, 128, 0, 1, 1, 1),
  (true, 0, 0, 0, 123456.7, 123456789.125, 1, 12.8, 128, 0, 1, 1, 1),
  (true, 0, 0, 0, 9999999, 9999999, 1, 12.8, 128, 0, 1, 1, 1),
  (true, 0, 0, 0, 100, 100, 1, 12.8, 128, 0, 1, 1, 1);
INSERT INTO texts (t, vc, c, bp, nm, q, x, j, jb, u, by) VALUES
  ('plain', 'var', 'ch', 'bp  ', 'nm', 'q', '<a b="c">d</a>', '{"a": 1,  "b":[1,2]}', '{"b": 1, "a": null}', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '\x00ff0a'),
  (E'quotes " and \\ and / and tab\tnl\ncr\rff\fbs\b', E'\u00e9\u4e2d\U0001F600', '', '', '', '', '<!-- c --><x/>', '"text"', '123456789012345678901234567890.5', '00000000-0000-0000-0000-000000000000', ''),
  (E'\u2028\u2029\u007f\u0080\u00a0\ufeff\ufffd<>&''', E'\u0001\u001f', E'\u00e9', E'\u00e9', E'\u00e9', E'\\303', null, 'null', 'null', null, '\xdeadbeef'),
  (null, null, null, null, null, null, null, null, null, null, null),
  ('', '', '      ', '', '', ' ', '', '{}', '[]', null, '\x00');
INSERT INTO dates (d, t, t0, t3, t6, tz, tz0, ts, ts0, ts3, ts6, tstz, tstz0, tstz3, iv, ivym) VALUES
  ('2016-11-04', '13:51:30.123456', '13:51:30', '13:51:30.123', '13:51:30.123456', '13:51:30.123789+02', '13:51:30+02', '2016-11-04 13:51:30.123456', '2016-11-04 13:51:30', '2016-11-04 13:51:30.123', '2016-11-04 13:51:30.123456',
   '2016-11-04 13:51:30.123456+02', '2016-11-04 13:51:30+02', '2016-11-04 13:51:30.123+02', '1 year 2 mons 3 days 04:05:06.78', '1 year 2 mons'),
  ('0001-01-01', '00:00', '00:00', '00:00', '00:00', '00:00+00', '00:00-05:30', '0001-01-01 00:00', '0001-01-01 00:00', '0001-01-01 00:00', '0001-01-01 00:00', '0001-01-01 00:00+00', '0001-01-01 00:00+00', '0001-01-01 00:00+00', '0', '0'),
  ('1969-12-31', '23:59:59.999999', '23:59:59', '23:59:59.999', '23:59:59.999999', '23:59:59.999999-12', '23:59:59+14', '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59', '1969-12-31 23:59:59.999', '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999+00', '1969-12-31 23:59:59+00', '1969-12-31 23:59:59.999+00', '-1 year', '-5 mons'),
  ('2020-02-29', '12:00', '12:00', '12:00', '12:00', '12:00+05:45', '12:00+05:45', '2020-02-29 12:00', '2020-02-29 12:00', '2020-02-29 12:00', '2020-02-29 12:00', '2020-02-29 12:00+05:45', '2020-02-29 12:00+05:45', '2020-02-29 12:00+05:45', '1 mon -1 day +00:00:01', '11 mons'),
  ('9999-12-31', '12:00:00.1', '12:00:01', '12:00:00.1', '12:00:00.1', '12:00:00.1+00', '12:00+00', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999999+00', '9999-12-31 23:59:59+00', '9999-12-31 23:59:59.1+00', '-00:00:00.000001', '178000000 years'),
  ('1500-03-01', '12:00:00.12', '12:00:01', '12:00:00.12', '12:00:00.12', '12:00:00.12+00', '12:00+00', '1500-03-01 00:00', '1500-03-01 00:00', '1500-03-01 00:00', '1500-03-01 00:00', '1500-03-01 00:00+00', '1500-03-01 00:00+00', '1500-03-01 00:00+00', '100 years 11 mons 30 days 23:59:59.999999', '1 mon'),
  ('1582-10-10', null, null, null, null, null, null, '1582-10-10 01:02:03', '1582-10-10 01:02:03', '1582-10-10 01:02:03', '1582-10-10 01:02:03', '1582-10-10 01:02:03+00', '1582-10-10 01:02:03+00', '1582-10-10 01:02:03+00', '1 day', '1 mon'),
  (null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
