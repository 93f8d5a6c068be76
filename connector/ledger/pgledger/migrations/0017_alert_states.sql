-- States that no link has, a brake that holds and a connector that does not run, are told to have ended as well.
CREATE INDEX alert_standing ON tandem.alert (sync, kind, state) WHERE ended_at IS NULL AND kind IN ('brake', 'connector');

-- What webhooks told of people's edits, until it is known whether one of them was overwritten.
CREATE TABLE tandem.told_edit (
    id         text        PRIMARY KEY,
    sync       text        NOT NULL,
    page       text        NOT NULL COLLATE "C",
    properties text[]      NOT NULL,
    authors    text[]      NOT NULL,
    at         timestamptz NOT NULL
);

COMMENT ON TABLE tandem.told_edit IS 'what webhooks told of people''s edits, for a day: a write that is under way may overwrite one, which shows only when it has ended';
CREATE INDEX told_edit_recent ON tandem.told_edit (sync, at);
