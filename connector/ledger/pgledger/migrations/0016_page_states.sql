-- What pages say of the state of their records (notion.status_property), where that is not "in sync".

CREATE TABLE tandem.page_state (
    link  bigint      PRIMARY KEY REFERENCES tandem.link ON DELETE CASCADE,
    sync  text        NOT NULL,
    said  text        NOT NULL,
    shown boolean     NOT NULL,
    at    timestamptz NOT NULL
);

COMMENT ON TABLE tandem.page_state IS 'what pages say of the state of their records, where it is not that they are in sync';
COMMENT ON COLUMN tandem.page_state.said IS 'what the page says or is about to say; empty: in sync';
COMMENT ON COLUMN tandem.page_state.shown IS 'Notion has answered that it does';
