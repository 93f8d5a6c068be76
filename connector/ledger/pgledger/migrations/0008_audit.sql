-- The audit. Values of history stand in one table, so that a person can be forgotten in one place; history rows name them by an id that is made
-- of a random salt and the value: it binds the history to the value, and tells nothing once both are erased.

CREATE TABLE tandem.value (
    id        bytea       PRIMARY KEY CHECK (length(id) = 32),
    link      bigint      NOT NULL,
    salt      bytea,
    data      json,
    erased_at timestamptz,
    CHECK ((erased_at IS NULL) = (salt IS NOT NULL) AND (salt IS NULL) = (data IS NULL))
);

COMMENT ON TABLE tandem.value IS 'the values that writes and conflicts refer to; a person is forgotten here';
COMMENT ON COLUMN tandem.value.id IS 'SHA-256 of salt and data';
COMMENT ON COLUMN tandem.value.erased_at IS 'when the value was erased for good; history then shows that there was one, and not which';
CREATE INDEX value_link ON tandem.value (link);

-- keep moves the values of a history row into tandem.value and leaves their ids.
CREATE FUNCTION tandem.keep(of_link bigint, image json) RETURNS json LANGUAGE plpgsql AS $keep$
DECLARE
    field text; data json; salt bytea; id bytea; ids jsonb := '{}';
BEGIN
    IF image IS NULL OR json_typeof(image) <> 'object' THEN RETURN NULL; END IF;
    FOR field, data IN SELECT e.key, e.value FROM pg_catalog.json_each(image) e LOOP
        salt := pg_catalog.uuid_send(pg_catalog.gen_random_uuid());
        id := pg_catalog.sha256(salt || pg_catalog.convert_to(data::text, 'UTF8'));
        INSERT INTO tandem.value (id, link, salt, data) VALUES (id, of_link, salt, data);
        ids := ids || pg_catalog.jsonb_build_object(field, pg_catalog.encode(id, 'hex'));
    END LOOP;
    RETURN ids::json;
END $keep$;

ALTER TABLE tandem.write
    ADD COLUMN run       text   NOT NULL DEFAULT '',
    ADD COLUMN author    text   NOT NULL DEFAULT '',
    ADD COLUMN conflicts json,
    ADD COLUMN position  bigint,
    ADD COLUMN hash      bytea;
-- PostgreSQL cannot take JSON apart that has a NUL in a text: in history from before, it becomes the replacement character.
UPDATE tandem.write SET old = tandem.keep(link, replace(old::text, '\u0000', '\ufffd')::json), new = tandem.keep(link, replace(new::text, '\u0000', '\ufffd')::json);

COMMENT ON COLUMN tandem.write.old IS 'ids of the values that were overwritten, by field: see tandem.value, or the view tandem.history';
COMMENT ON COLUMN tandem.write.new IS 'ids of the values that were written, by field';
COMMENT ON COLUMN tandem.write.run IS 'the process start, the plan or the undo that wrote';
COMMENT ON COLUMN tandem.write.author IS 'whose edit it carried, or who gave the command';
COMMENT ON COLUMN tandem.write.conflicts IS 'the conflict that the write settled, by field';
COMMENT ON COLUMN tandem.write.position IS 'place in the chain of the sync, null until it is chained (a moment)';
COMMENT ON COLUMN tandem.write.hash IS 'SHA-256 of the row and of the hash before it in the chain';
CREATE UNIQUE INDEX write_chain ON tandem.write (sync, position) WHERE position IS NOT NULL;
CREATE INDEX write_unchained ON tandem.write (sync, n) WHERE position IS NULL;
CREATE INDEX write_run ON tandem.write (sync, run, n);

ALTER TABLE tandem.conflict ADD COLUMN vals json;
UPDATE tandem.conflict SET detail = replace(detail::text, '\u0000', '\ufffd')::json WHERE detail::text LIKE '%\\u0000%';
UPDATE tandem.conflict SET
    vals = tandem.keep(link, (SELECT json_object_agg(e.key, e.value) FROM json_each(detail) e WHERE e.key IN ('base', 'crm', 'notion'))),
    detail = (SELECT json_object_agg(e.key, e.value) FROM json_each(detail) e WHERE e.key NOT IN ('base', 'crm', 'notion'));
COMMENT ON COLUMN tandem.conflict.vals IS 'ids of the values: base, crm, notion';
DROP FUNCTION tandem.keep;

-- A link that was cut off loses nothing but its place: where the chain was cut by retention, it begins anew with the hash before.
CREATE TABLE tandem.chain (
    sync     text   PRIMARY KEY,
    position bigint NOT NULL,
    hash     bytea  NOT NULL,
    cut      bigint NOT NULL DEFAULT 0,
    cut_hash bytea  NOT NULL DEFAULT '\x'
);

COMMENT ON TABLE tandem.chain IS 'the end of each sync''s chain of writes, and where retention cut its beginning';

-- Append-only: the database itself refuses. Retention says what it is (SET LOCAL tandem.retention = 'on'); nothing else may remove a row.
CREATE FUNCTION tandem.append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') AND pg_catalog.current_setting('tandem.retention', true) = 'on' THEN
        RETURN OLD;
    ELSIF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'write' THEN
        IF OLD.position IS NULL AND (NEW.n, NEW.link, NEW.sync, NEW.entity, NEW.key, NEW.page, NEW.side, NEW.op, NEW.old::text, NEW.new::text, NEW.why, NEW.at, NEW.txid,
            NEW.run, NEW.author, NEW.conflicts::text) IS NOT DISTINCT FROM (OLD.n, OLD.link, OLD.sync, OLD.entity, OLD.key, OLD.page, OLD.side, OLD.op, OLD.old::text,
            OLD.new::text, OLD.why, OLD.at, OLD.txid, OLD.run, OLD.author, OLD.conflicts::text) THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'value' THEN
        IF NEW.id = OLD.id AND NEW.data IS NULL AND NEW.erased_at IS NOT NULL THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'tandem.% is append-only: rows are added, and values are erased with tandem forget', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON tandem.write FOR EACH ROW EXECUTE FUNCTION tandem.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON tandem.value FOR EACH ROW EXECUTE FUNCTION tandem.append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON tandem.write FOR EACH STATEMENT EXECUTE FUNCTION tandem.append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON tandem.value FOR EACH STATEMENT EXECUTE FUNCTION tandem.append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON tandem.conflict FOR EACH STATEMENT EXECUTE FUNCTION tandem.append_only();

CREATE VIEW tandem.history AS
    SELECT w.n, w.at, w.sync, w.entity, w.key, w.page, w.side, w.op, f.field,
        CASE WHEN b.erased_at IS NOT NULL THEN '(erased)' ELSE b.data::text END AS was,
        CASE WHEN a.erased_at IS NOT NULL THEN '(erased)' ELSE a.data::text END AS became,
        w.why, w.author, w.run, w.conflicts ->> f.field AS conflict
    FROM tandem.write w
        LEFT JOIN LATERAL (SELECT json_object_keys(w.old) AS field UNION SELECT json_object_keys(w.new)) f ON true
        LEFT JOIN tandem.value b ON b.id = decode(w.old ->> f.field, 'hex')
        LEFT JOIN tandem.value a ON a.id = decode(w.new ->> f.field, 'hex');

COMMENT ON VIEW tandem.history IS 'every write to either side, one line for each field; values as JSON';
