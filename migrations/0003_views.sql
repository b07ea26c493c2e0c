-- Readings in the units people use, with the names they know.

CREATE OR REPLACE VIEW reading_kwh AS
SELECT
  m.name AS meter,
  l.name AS line,
  r.meter_id,
  r.slot,
  r.kind,
  r.read_at,
  CAST(CAST(r.energy_joule AS DECIMAL(30, 6)) / 3600000 AS DECIMAL(20, 6)) AS energy_kwh,
  CAST(CAST(r.cooling_energy_joule AS DECIMAL(30, 6)) / 3600000 AS DECIMAL(20, 6)) AS cooling_energy_kwh,
  CAST(CAST(r.volume_millilitre AS DECIMAL(30, 6)) / 1000000 AS DECIMAL(20, 6)) AS volume_m3,
  CAST(CAST(r.power_milliwatt AS DECIMAL(30, 6)) / 1000000 AS DECIMAL(20, 6)) AS power_kw,
  CAST(CAST(r.flow_millilitre_per_hour AS DECIMAL(30, 6)) / 1000000 AS DECIMAL(20, 6)) AS flow_m3_per_hour,
  CAST(CAST(r.supply_milli_celsius AS DECIMAL(30, 6)) / 1000 AS DECIMAL(20, 3)) AS supply_celsius,
  CAST(CAST(r.return_milli_celsius AS DECIMAL(30, 6)) / 1000 AS DECIMAL(20, 3)) AS return_celsius,
  CAST(CAST(r.difference_millikelvin AS DECIMAL(30, 6)) / 1000 AS DECIMAL(20, 3)) AS difference_kelvin,
  r.operating_seconds,
  r.on_seconds,
  r.error_flags,
  r.meter_time,
  r.valve,
  r.quality
FROM reading r
LEFT JOIN meter m ON m.meter_id = r.meter_id
LEFT JOIN line l ON l.line_id = r.line_id;

CREATE OR REPLACE VIEW reading_latest_kwh AS
SELECT k.*
FROM reading_latest t
JOIN reading_kwh k ON k.meter_id = t.meter_id AND k.slot = t.slot AND k.kind = t.kind;
