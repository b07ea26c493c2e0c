-- What makes a reading doubtful, and what a missed slot heard instead of an answer.

ALTER TABLE reading
  ADD COLUMN shape INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'in what form the counters came; 0 unknown',
  ALGORITHM=INSTANT;

ALTER TABLE missed
  ADD COLUMN raw VARBINARY(1024) NULL COMMENT 'what was heard, where no answer could be taken from it',
  ADD COLUMN identity VARCHAR(32) NOT NULL DEFAULT '' COMMENT 'who answered instead of the meter',
  ALGORITHM=INSTANT;

-- Readings in doubt, with the reasons in words. Beside them are rounded (1) and backfilled (4096), which are none.
CREATE OR REPLACE VIEW reading_flagged AS
SELECT
  m.name AS meter,
  l.name AS line,
  r.meter_id,
  r.slot,
  r.kind,
  r.read_at,
  MAKE_SET(r.quality, 'rounded', 'invalid-value', 'meter-error', 'low-battery', 'out-of-range', 'clock-off',
    'incomplete', 'implausible', 'index-back', 'jump', 'unit-changed', 'meter-changed', 'backfilled') AS doubts,
  r.quality,
  r.energy_joule,
  r.cooling_energy_joule,
  r.volume_millilitre,
  r.meter_time,
  r.identity,
  HEX(r.raw) AS raw
FROM reading r
LEFT JOIN meter m ON m.meter_id = r.meter_id
LEFT JOIN line l ON l.line_id = r.line_id
WHERE r.quality & ~4097 <> 0;
