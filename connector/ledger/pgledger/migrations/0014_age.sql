-- How old the ledger is, to be compared with what is known outside of the database: after a restore nothing is written before people have looked.

CREATE TABLE tandem.age (
    sync     text        PRIMARY KEY,
    count    bigint      NOT NULL,
    mark     text        NOT NULL,
    at       timestamptz NOT NULL,
    system   text        NOT NULL,
    timeline bigint      NOT NULL,
    database bigint      NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE tandem.age IS 'a count that only grows, with a random mark of its newest step; Kafka holds the same: a database that is behind it was restored from a backup';

ALTER TABLE tandem.pause ADD COLUMN kind text NOT NULL DEFAULT '';

COMMENT ON COLUMN tandem.pause.kind IS 'restored: the database was found to be a backup; tandem apply writes all the same, and takes the row away';
