-- Alerts are grouped before they are told, told to each target by itself, and their states' ends are told as well.

ALTER TABLE tandem.alert
    ADD COLUMN once      text,
    ADD COLUMN link      bigint NOT NULL DEFAULT 0,
    ADD COLUMN kind      text   NOT NULL DEFAULT '',
    ADD COLUMN state     text   NOT NULL DEFAULT '',
    ADD COLUMN field     text   NOT NULL DEFAULT '',
    ADD COLUMN issued_at timestamptz,
    ADD COLUMN digest    text,
    ADD COLUMN ended_at  timestamptz;

UPDATE tandem.alert SET once = id, kind = coalesce(detail ->> 'kind', ''), field = coalesce(detail ->> 'field', ''), issued_at = delivered_at;

ALTER TABLE tandem.alert ALTER COLUMN once SET NOT NULL;

COMMENT ON COLUMN tandem.alert.once IS 'the same for all alerts of one state; at most one of them tells of a state that lasts';
COMMENT ON COLUMN tandem.alert.issued_at IS 'when it was decided to tell it, by itself or in a digest';
COMMENT ON COLUMN tandem.alert.delivered_at IS 'when it was on the alerts topic, or in a digest';
COMMENT ON COLUMN tandem.alert.digest IS 'the alert that sums this one up, null if it was told by itself';
COMMENT ON COLUMN tandem.alert.ended_at IS 'when the state that it tells of (a hold, parked work) had ended';

CREATE UNIQUE INDEX alert_once ON tandem.alert (once) WHERE ended_at IS NULL;
CREATE INDEX alert_ended ON tandem.alert (once) WHERE ended_at IS NOT NULL;
DROP INDEX tandem.alert_outbox;
CREATE INDEX alert_outbox ON tandem.alert (sync, n) WHERE delivered_at IS NULL;
CREATE INDEX alert_waiting ON tandem.alert (sync, n) WHERE issued_at IS NULL;
CREATE INDEX alert_lasting ON tandem.alert (sync, link) WHERE issued_at IS NOT NULL AND ended_at IS NULL AND link <> 0 AND kind IN ('hold', 'parked');

CREATE TABLE tandem.delivery (
    alert      text        NOT NULL REFERENCES tandem.alert (id) ON DELETE CASCADE,
    target     text        NOT NULL,
    attempts   integer     NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL,
    error      text        NOT NULL DEFAULT '',
    PRIMARY KEY (alert, target)
);

COMMENT ON TABLE tandem.delivery IS 'alerts that a target has not taken yet; targets are named by kind and a hash, never by their address';
CREATE INDEX delivery_due ON tandem.delivery (target, not_before);
