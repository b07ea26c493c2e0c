-- Where lines and meters stand, and when they are read: what people sort and bill by. Empty text: nothing was said.

ALTER TABLE line
  ADD COLUMN baud INT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN parity VARCHAR(8) NOT NULL DEFAULT '',
  ADD COLUMN schedule VARCHAR(4096) NOT NULL DEFAULT '' COMMENT 'in words, of its meters that have no other',
  ADD COLUMN region VARCHAR(128) NOT NULL DEFAULT '',
  ADD COLUMN station VARCHAR(128) NOT NULL DEFAULT '',
  ADD COLUMN community VARCHAR(128) NOT NULL DEFAULT '',
  ADD COLUMN building VARCHAR(128) NOT NULL DEFAULT '',
  ADD COLUMN unit VARCHAR(128) NOT NULL DEFAULT '',
  ADD COLUMN household VARCHAR(128) NOT NULL DEFAULT '',
  ADD COLUMN labels JSON NULL COMMENT 'those that have no column',
  ADD KEY by_station (station);

ALTER TABLE meter
  ADD COLUMN profile VARCHAR(128) NOT NULL DEFAULT '',
  ADD COLUMN identity VARCHAR(64) NOT NULL DEFAULT '',
  ADD COLUMN schedule VARCHAR(4096) NOT NULL DEFAULT '' COMMENT 'in words, whoever said so; interval_s is 0 where it is no interval',
  ADD COLUMN region VARCHAR(128) NOT NULL DEFAULT '' COMMENT 'its own or its line''s',
  ADD COLUMN station VARCHAR(128) NOT NULL DEFAULT '',
  ADD COLUMN community VARCHAR(128) NOT NULL DEFAULT '',
  ADD COLUMN building VARCHAR(128) NOT NULL DEFAULT '',
  ADD COLUMN unit VARCHAR(128) NOT NULL DEFAULT '',
  ADD COLUMN household VARCHAR(128) NOT NULL DEFAULT '',
  ADD COLUMN labels JSON NULL COMMENT 'its own and its line''s that have no column',
  ADD KEY by_station (station, building),
  ADD KEY by_community (community, building);

-- The places of every meter, with the names people know.
CREATE OR REPLACE VIEW meter_place AS
SELECT
  m.meter_id,
  m.name AS meter,
  m.line_id,
  l.name AS line,
  m.region,
  m.station,
  m.community,
  m.building,
  m.unit,
  m.household,
  m.labels,
  m.dialect,
  m.address,
  m.profile,
  m.schedule,
  m.enabled
FROM meter m
LEFT JOIN line l ON l.line_id = m.line_id;
