-- What each side's schema was when the mapping was put on it, and the fields that are left out because it is not so any more.

ALTER TABLE tandem.entity ADD COLUMN drift json;

COMMENT ON COLUMN tandem.entity.drift IS 'columns of the CRM by number, name and type, and the fields that are left out, with their reasons';
