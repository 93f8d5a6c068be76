-- Names of schemas, tables and columns that need quotes, that are long, that are not ASCII.
-- section: schema
CREATE SCHEMA "1st";
CREATE SCHEMA "a.b";
CREATE SCHEMA other;
CREATE TABLE other.same (id int PRIMARY KEY, v text);
CREATE TABLE public.same (id int PRIMARY KEY, other numeric);
CREATE TABLE "1st"."2nd table" ("3rd column" int PRIMARY KEY, "a.b.c" text);
CREATE TABLE "a.b"."c.d" (id int PRIMARY KEY, v int);
CREATE TABLE "таблица" ("ключ" text PRIMARY KEY, "значение" text);
CREATE TABLE "日本語" ("鍵" int PRIMARY KEY, "絵文字😀" text);
CREATE TABLE "name_of_sixty_three_bytes_which_is_the_longest_that_there_can_b" ("column_of_sixty_three_bytes_which_is_the_longest_that_there_can" int PRIMARY KEY);
CREATE TABLE "q""uote" ("k""ey" int PRIMARY KEY, "back\slash" int, "new
line" int, "tab	col" int, "single'quote" int);
CREATE TABLE "$dollar#hash" (id int PRIMARY KEY);
CREATE TABLE "select" ("from" int PRIMARY KEY, "where" int, "user" text, "before" int, "after" int, "source" int, "op" int, "ts_ms" int);
CREATE TABLE _underscore (_id int PRIMARY KEY, __v int);
CREATE TABLE "UPPER" ("ID" int PRIMARY KEY, other int);
CREATE TABLE "case_key" ("Id" int, "Xd" int, v int, PRIMARY KEY ("Xd", "Id"));
-- section: stream
INSERT INTO other.same VALUES (1, 'x');
INSERT INTO public.same VALUES (1, 1.5);
UPDATE other.same SET id = 2;
INSERT INTO "1st"."2nd table" VALUES (1, 'x');
UPDATE "1st"."2nd table" SET "3rd column" = 2;
INSERT INTO "a.b"."c.d" VALUES (1, 1);
INSERT INTO "таблица" VALUES ('к', 'з');
UPDATE "таблица" SET "ключ" = 'ю';
INSERT INTO "日本語" VALUES (1, '文');
UPDATE "日本語" SET "鍵" = 2;
INSERT INTO "name_of_sixty_three_bytes_which_is_the_longest_that_there_can_b" VALUES (1);
INSERT INTO "q""uote" VALUES (1, 2, 3, 4, 5);
UPDATE "q""uote" SET "k""ey" = 2;
DELETE FROM "q""uote";
INSERT INTO "$dollar#hash" VALUES (1);
INSERT INTO "select" VALUES (1, 2, 'u', 3, 4, 5, 6, 7);
UPDATE "select" SET "from" = 2;
INSERT INTO _underscore VALUES (1, 2);
INSERT INTO "UPPER" VALUES (1, 2);
INSERT INTO case_key VALUES (1, 2, 3);
UPDATE case_key SET "Id" = 5;
