-- A share of a token's requests that backfill has whatever live demands, so that sweeps and comparisons come to an end.

ALTER TABLE tandem.budget ADD COLUMN backfill timestamptz, ADD COLUMN owed timestamptz;
