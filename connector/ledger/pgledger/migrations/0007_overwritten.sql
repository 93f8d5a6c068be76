-- A person's edit between our read of a page and the answer to our write is overwritten: windows are recorded, and edits that fell into them listed.

CREATE TABLE tandem.window (
    n         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    link      bigint      NOT NULL,
    sync      text        NOT NULL,
    entity    text        NOT NULL COLLATE "C",
    key       text        COLLATE "C",
    page      text        NOT NULL COLLATE "C",
    fields    json        NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    shown     json
);

COMMENT ON TABLE tandem.window IS 'the time between reading a page and the answer to the write decided on that, kept for a day';
COMMENT ON COLUMN tandem.window.fields IS 'property id to field, of what was written';
COMMENT ON COLUMN tandem.window.closed_at IS 'when the answer was there, null while the outcome is not known';
CREATE INDEX window_page ON tandem.window (sync, page);
CREATE INDEX window_open ON tandem.window (link) WHERE closed_at IS NULL;
CREATE INDEX window_old ON tandem.window (opened_at);

CREATE TABLE tandem.overwritten (
    id        text        PRIMARY KEY,
    link      bigint      NOT NULL,
    sync      text        NOT NULL,
    entity    text        NOT NULL COLLATE "C",
    key       text        COLLATE "C",
    page      text        NOT NULL COLLATE "C",
    author    text        NOT NULL,
    fields    text[]      NOT NULL,
    edited_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz NOT NULL,
    at        timestamptz NOT NULL,
    seen_at   timestamptz
);

COMMENT ON TABLE tandem.overwritten IS 'edits of people in Notion that a write of ours may have overwritten: what they were stands in the page''s history in Notion';
COMMENT ON COLUMN tandem.overwritten.seen_at IS 'when a person said that they had looked at it';
CREATE INDEX overwritten_listed ON tandem.overwritten (sync, at);

CREATE TABLE tandem.person (
    id   text        PRIMARY KEY,
    name text        NOT NULL,
    at   timestamptz NOT NULL
);

COMMENT ON TABLE tandem.person IS 'names of Notion''s users by their ids, as far as the connection may read them';
