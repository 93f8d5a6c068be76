-- A conflict may be told by a comment on its page.

CREATE TABLE tandem.comment (
    conflict   text        PRIMARY KEY,
    sync       text        NOT NULL,
    entity     text        NOT NULL COLLATE "C",
    at         timestamptz NOT NULL,
    attempts   integer     NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL,
    done_at    timestamptz,
    outcome    text        NOT NULL DEFAULT ''
);

COMMENT ON TABLE tandem.comment IS 'conflicts that are told by a comment on the page: each once, however often it has to be tried';
COMMENT ON COLUMN tandem.comment.outcome IS 'posted, stood already, or why there is none';
CREATE INDEX comment_due ON tandem.comment (sync, not_before) WHERE done_at IS NULL;
