-- What would have been written while a direction only observes.

CREATE TABLE tandem.shadow (
    link     bigint      NOT NULL REFERENCES tandem.link ON DELETE CASCADE,
    side     text        NOT NULL CHECK (side IN ('crm', 'notion')),
    field    text        NOT NULL,
    op       text        NOT NULL,
    was      text        NOT NULL,
    becomes  text        NOT NULL,
    times    integer     NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (link, side, field)
);

COMMENT ON TABLE tandem.shadow IS 'writes that were not made, because their direction only observes: the newest of each link, side and field';
COMMENT ON COLUMN tandem.shadow.times IS 'how often it was to be another write than before';
