-- A hold may keep one field back and leave the others going: a conflict that a person has to decide.

ALTER TABLE tandem.hold ADD COLUMN field text NOT NULL COLLATE "C" DEFAULT '';
ALTER TABLE tandem.hold DROP CONSTRAINT hold_pkey, ADD PRIMARY KEY (link, kind, field);

COMMENT ON COLUMN tandem.hold.field IS 'the field that the hold keeps back, empty for the whole record';
