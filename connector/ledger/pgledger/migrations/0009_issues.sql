-- What keeps single records from going on, in one place, for people and their tools.

ALTER TABLE tandem.work ADD COLUMN trouble text NOT NULL DEFAULT '';

COMMENT ON COLUMN tandem.work.trouble IS 'why the newest look failed, empty if none did';

-- The class of what is said of a record; the program's Classify does the same.
CREATE FUNCTION tandem.issue_class(hold text, reason text, tried boolean) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN hold = 'conflict' THEN 'conflict'
        WHEN hold = 'brake' THEN 'brake'
        WHEN hold = 'oscillation' THEN 'oscillation'
        WHEN hold = 'paused' THEN 'paused'
        WHEN hold IN ('vanished', 'moved', 'rekey', 'copy') THEN 'missing'
        WHEN hold = 'overwritten' THEN 'overwritten'
        WHEN hold <> '' THEN 'delete'
        WHEN strpos(reason, ' is not linked yet') > 0 THEN 'relation'
        WHEN strpos(reason, ' has no counterpart yet') > 0 THEN 'relation'
        WHEN strpos(reason, ' is in the trash') > 0 THEN 'relation'
        WHEN strpos(reason, ' is still there is being looked at') > 0 THEN 'relation'
        WHEN strpos(reason, 'did not take the reference') > 0 THEN 'relation'
        WHEN strpos(reason, 'what it refers to is not there') > 0 THEN 'relation'
        WHEN strpos(reason, 'which Notion does not allow') > 0 THEN 'option'
        WHEN strpos(reason, 'which ignores case') > 0 THEN 'option'
        WHEN strpos(reason, 'the status "') > 0 THEN 'option'
        WHEN strpos(reason, 'an option of ') > 0 THEN 'option'
        WHEN strpos(reason, 'the option "') > 0 THEN 'option'
        WHEN strpos(reason, 'another row has this value') > 0 THEN 'duplicate'
        WHEN strpos(reason, 'is longer than the CRM') > 0 THEN 'too_long'
        WHEN strpos(reason, ' characters; Notion takes') > 0 THEN 'too_long'
        WHEN strpos(reason, ' characters; the CRM takes') > 0 THEN 'too_long'
        WHEN strpos(reason, 'is beyond what the CRM') > 0 THEN 'too_long'
        WHEN strpos(reason, 'more digits than Notion') > 0 THEN 'too_long'
        WHEN strpos(reason, 'is not an e-mail address') > 0 THEN 'invalid'
        WHEN strpos(reason, 'is not a phone number') > 0 THEN 'invalid'
        WHEN strpos(reason, 'does not have the form') > 0 THEN 'invalid'
        WHEN strpos(reason, 'is none of the values') > 0 THEN 'invalid'
        WHEN strpos(reason, 'and the CRM is to have a value') > 0 THEN 'invalid'
        WHEN strpos(reason, 'a rule of the CRM') > 0 THEN 'rule'
        WHEN strpos(reason, 'the CRM''s rule') > 0 THEN 'rule'
        WHEN strpos(reason, 'the CRM wants a value') > 0 THEN 'rule'
        WHEN strpos(reason, 'skipped the write') > 0 THEN 'rule'
        WHEN strpos(reason, 'still refer to this row') > 0 THEN 'rule'
        WHEN strpos(reason, 'call function') > 0 THEN 'plugin'
        WHEN strpos(reason, 'call mapper') > 0 THEN 'plugin'
        WHEN strpos(reason, 'is not loaded') > 0 THEN 'plugin'
        WHEN strpos(reason, 'restricted_resource') > 0 THEN 'permission'
        WHEN strpos(reason, 'object_not_found') > 0 THEN 'permission'
        WHEN strpos(reason, 'permission denied') > 0 THEN 'permission'
        WHEN strpos(reason, 'not shared with the connection') > 0 THEN 'permission'
        WHEN strpos(reason, 'outcome of a write') > 0 THEN 'unreachable'
        WHEN tried THEN 'unreachable'
        ELSE 'value'
    END
$$;

CREATE VIEW tandem.issue AS
SELECT i.sync, i.entity, i.key, i.page, i.link, i.kind, tandem.issue_class(i.hold, i.reason, i.kind = 'retried') AS class, i.side, i.field, i.reason, i.since,
    i.attempts, i.next_try
FROM (
    SELECT l.sync, l.entity, l.key, l.page, l.id AS link, 'held' AS kind, h.kind AS hold, '' AS side, h.field, h.reason, h.at AS since, 0 AS attempts,
        NULL::timestamptz AS next_try
    FROM tandem.hold h JOIN tandem.link l ON l.id = h.link
    UNION ALL
    SELECT l.sync, l.entity, l.key, l.page, l.id, 'parked', '', w.side, '', w.parked, w.first_seen, w.attempts, NULL
    FROM tandem.work w JOIN tandem.link l ON l.id = w.link
    WHERE w.parked <> '' AND NOT EXISTS (SELECT FROM tandem.hold h WHERE h.link = w.link AND h.reason = w.parked)
    UNION ALL
    SELECT l.sync, l.entity, l.key, l.page, l.id, 'retried', '', w.side, '', w.trouble, w.first_seen, w.attempts, w.not_before
    FROM tandem.work w JOIN tandem.link l ON l.id = w.link
    WHERE w.parked = '' AND w.attempts > 0
    UNION ALL
    SELECT o.sync, o.entity, o.key, o.page, o.link, 'overwritten', 'overwritten', 'notion', array_to_string(o.fields, ', '),
        'an edit by ' || o.author || ' may have been overwritten', o.at, 0, NULL
    FROM tandem.overwritten o WHERE o.seen_at IS NULL
) i;

COMMENT ON VIEW tandem.issue IS 'records that do not go on by themselves, or not yet: held, parked, retried, overwritten';
