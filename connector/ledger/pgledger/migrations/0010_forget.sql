-- Forgetting a person, and the proof that both sides are equal.

CREATE TABLE tandem.secret (
    name text  PRIMARY KEY,
    key  bytea NOT NULL
);

COMMENT ON TABLE tandem.secret IS 'keys that are made here and never leave: marks of forgotten people are hashed under one';
INSERT INTO tandem.secret VALUES ('forget', uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

CREATE TABLE tandem.tombstone (
    sync   text        NOT NULL,
    entity text        NOT NULL COLLATE "C",
    mark   bytea       NOT NULL,
    id     text        NOT NULL,
    at     timestamptz NOT NULL,
    PRIMARY KEY (sync, entity, mark)
);

COMMENT ON TABLE tandem.tombstone IS 'keyed hashes of what a forgotten record would be known by: a record that shows one of them is not made anew';
COMMENT ON COLUMN tandem.tombstone.id IS 'the certificate';

CREATE TABLE tandem.forgotten (
    id          text        PRIMARY KEY,
    sync        text        NOT NULL,
    entity      text        NOT NULL COLLATE "C",
    at          timestamptz NOT NULL,
    author      text        NOT NULL,
    reason      text        NOT NULL,
    certificate json        NOT NULL
);

COMMENT ON TABLE tandem.forgotten IS 'certificates of what was erased, without a word of the person';

CREATE TABLE tandem.proof (
    sync     text        NOT NULL,
    entity   text        NOT NULL COLLATE "C",
    began    timestamptz NOT NULL,
    finished timestamptz NOT NULL,
    equal    bigint      NOT NULL,
    waiting  bigint      NOT NULL,
    held     bigint      NOT NULL,
    differs  bigint      NOT NULL,
    requests bigint      NOT NULL,
    PRIMARY KEY (sync, entity)
);

COMMENT ON TABLE tandem.proof IS 'what the last whole comparison of all pages with all rows found, for each entity';

CREATE TABLE tandem.difference (
    sync     text        NOT NULL,
    entity   text        NOT NULL COLLATE "C",
    link     bigint      NOT NULL,
    field    text        NOT NULL COLLATE "C",
    key      text        NOT NULL,
    page     text        NOT NULL,
    crm      text        NOT NULL,
    notion   text        NOT NULL,
    found_at timestamptz NOT NULL,
    PRIMARY KEY (link, field)
);

COMMENT ON TABLE tandem.difference IS 'fields that differed though no work explained it, as the last comparison found them';
CREATE INDEX difference_listed ON tandem.difference (sync, entity, found_at);
