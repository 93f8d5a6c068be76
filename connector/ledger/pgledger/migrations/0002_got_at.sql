-- A page that the poller got by itself counts for the index lag as one that a sink read; a time of its own, for the sinks' reads also say
-- what is known of the link.

ALTER TABLE tandem.link ADD COLUMN got_at timestamptz;

COMMENT ON COLUMN tandem.link.got_at IS 'when the newest page GET began whose answer the poller published, null if it has only published rows of queries';
