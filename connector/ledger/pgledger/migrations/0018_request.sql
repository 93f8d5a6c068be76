-- Every request that changes something in Notion, written down before it leaves, with what came of it. Values stand in tandem.write; here is none.

CREATE TABLE tandem.request (
    n           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync        text        NOT NULL,
    run         text        NOT NULL,
    at          timestamptz NOT NULL,
    method      text        NOT NULL,
    path        text        NOT NULL,
    parts       text[]      NOT NULL,
    outcome     text        CHECK (outcome IN ('applied', 'not applied', 'unknown')),
    status      integer,
    request_id  text,
    made        text,
    answered_at timestamptz
);

COMMENT ON TABLE tandem.request IS 'every request that changes something in Notion, written down before it leaves';
COMMENT ON COLUMN tandem.request.parts IS 'what it changes: ids of properties, in_trash, schema, comment';
COMMENT ON COLUMN tandem.request.outcome IS 'null while the answer is awaited, and where the process died before it came';
COMMENT ON COLUMN tandem.request.request_id IS 'Notion''s own name for the request, for its support';
COMMENT ON COLUMN tandem.request.made IS 'id of the page or other object in the answer';
CREATE INDEX request_at ON tandem.request (sync, at);

CREATE FUNCTION tandem.answered_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') AND pg_catalog.current_setting('tandem.retention', true) = 'on' THEN
        RETURN OLD;
    ELSIF TG_OP = 'UPDATE' AND OLD.outcome IS NULL AND (NEW.n, NEW.sync, NEW.run, NEW.at, NEW.method, NEW.path, NEW.parts)
            IS NOT DISTINCT FROM (OLD.n, OLD.sync, OLD.run, OLD.at, OLD.method, OLD.path, OLD.parts) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'tandem.% is append-only: an answer is written down once', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER answered_once BEFORE UPDATE OR DELETE ON tandem.request FOR EACH ROW EXECUTE FUNCTION tandem.answered_once();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON tandem.request FOR EACH STATEMENT EXECUTE FUNCTION tandem.answered_once();
