-- Brakes, what people say of holds, and pauses.

-- What brakes count: one row for each link and thing that was done to it, with the newest time; rows older than any window are pruned.
CREATE TABLE tandem.touch (
    link   bigint      NOT NULL REFERENCES tandem.link ON DELETE CASCADE,
    side   text        NOT NULL CHECK (side IN ('crm', 'notion')),
    op     text        NOT NULL COLLATE "C",
    field  text        NOT NULL COLLATE "C",
    sync   text        NOT NULL,
    entity text        NOT NULL COLLATE "C",
    at     timestamptz NOT NULL,
    PRIMARY KEY (link, side, op, field)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

COMMENT ON TABLE tandem.touch IS 'what was done to which link, and when last: the brakes count it';
CREATE INDEX touch_counted ON tandem.touch (sync, entity, side, op, field, at);

-- Transactions of the CRM that touched more than one link, as they became reasons. Numbers come again after four billion; rows do not last so long.
CREATE TABLE tandem.transaction (
    sync    text        NOT NULL,
    entity  text        NOT NULL COLLATE "C",
    xid     bigint      NOT NULL,
    links   integer     NOT NULL,
    deletes integer     NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (sync, entity, xid)
);

COMMENT ON TABLE tandem.transaction IS 'how many links one transaction of the CRM touched: the transaction brake counts it';
CREATE INDEX transaction_at ON tandem.transaction (at);

ALTER TABLE tandem.hold
    ADD COLUMN side     text        NOT NULL DEFAULT '',
    ADD COLUMN op       text        NOT NULL COLLATE "C" DEFAULT '',
    ADD COLUMN shows    text        NOT NULL DEFAULT '',
    ADD COLUMN becomes  text        NOT NULL DEFAULT '',
    ADD COLUMN mark     text        NOT NULL DEFAULT '',
    ADD COLUMN keep     text        NOT NULL DEFAULT '',
    ADD COLUMN until    timestamptz,
    ADD COLUMN approval bigint      NOT NULL DEFAULT 0;

COMMENT ON COLUMN tandem.hold.side IS 'the side that would be written, empty if that is the question';
COMMENT ON COLUMN tandem.hold.keep IS 'whose state a person wants to stand, empty while nobody has said';
CREATE INDEX hold_brake ON tandem.hold (side, op, field) WHERE kind = 'brake';
CREATE INDEX hold_paused ON tandem.hold (link) WHERE kind = 'paused';

CREATE TABLE tandem.approval (
    id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL,
    until  timestamptz NOT NULL,
    sync   text        NOT NULL,
    choice text        NOT NULL,
    by     text        NOT NULL CHECK (by <> ''),
    reason text        NOT NULL,
    count  integer     NOT NULL,
    detail json        NOT NULL
);

COMMENT ON TABLE tandem.approval IS 'what people said of holds: who, when, which, and how many records it was about';
CREATE INDEX approval_sync ON tandem.approval (sync, id);

CREATE FUNCTION tandem.only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'tandem.% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE ON tandem.approval FOR EACH ROW EXECUTE FUNCTION tandem.only_added();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON tandem.approval FOR EACH STATEMENT EXECUTE FUNCTION tandem.only_added();

-- The kill switch. INSERT INTO tandem.pause (direction, reason) VALUES ('to_notion', 'stop'); works at once, without any program of ours.
CREATE TABLE tandem.pause (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync      text        NOT NULL DEFAULT '',
    direction text        NOT NULL DEFAULT '' CHECK (direction IN ('', 'to_notion', 'to_crm')),
    connector text        NOT NULL DEFAULT '',
    entity    text        NOT NULL DEFAULT '',
    key       text        NOT NULL DEFAULT '',
    field     text        NOT NULL DEFAULT '',
    since     timestamptz NOT NULL DEFAULT now(),
    by        text        NOT NULL DEFAULT session_user,
    reason    text        NOT NULL DEFAULT ''
);

COMMENT ON TABLE tandem.pause IS 'what is paused: an empty column covers all of its kind; delete the row to go on';
