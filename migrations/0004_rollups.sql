-- Days and months of each meter, made from reading by the leader; and what it has yet to make.
--
-- A day is a civil day of the plant. Registers are as the meter gave them; a consumption is the difference of two.

CREATE TABLE IF NOT EXISTS reading_day (
  meter_id BIGINT UNSIGNED NOT NULL,
  day DATE NOT NULL COMMENT 'civil day of the plant',
  readings INT UNSIGNED NOT NULL,
  first_slot DATETIME(3) NOT NULL,
  last_slot DATETIME(3) NOT NULL,
  energy_first_joule BIGINT NULL,
  energy_last_joule BIGINT NULL,
  energy_last_slot DATETIME(3) NULL,
  cooling_energy_first_joule BIGINT NULL,
  cooling_energy_last_joule BIGINT NULL,
  volume_first_millilitre BIGINT NULL,
  volume_last_millilitre BIGINT NULL,
  supply_min_milli_celsius BIGINT NULL,
  supply_max_milli_celsius BIGINT NULL,
  supply_mean_milli_celsius BIGINT NULL,
  return_min_milli_celsius BIGINT NULL,
  return_max_milli_celsius BIGINT NULL,
  return_mean_milli_celsius BIGINT NULL,
  difference_min_millikelvin BIGINT NULL,
  difference_max_millikelvin BIGINT NULL,
  difference_mean_millikelvin BIGINT NULL,
  flow_min_millilitre_per_hour BIGINT NULL,
  flow_max_millilitre_per_hour BIGINT NULL,
  flow_mean_millilitre_per_hour BIGINT NULL,
  power_max_milliwatt BIGINT NULL,
  identity_first VARCHAR(32) NOT NULL,
  identity_last VARCHAR(32) NOT NULL,
  steps_back INT UNSIGNED NOT NULL COMMENT 'times a register was less than the one before it',
  doubts INT UNSIGNED NOT NULL COMMENT 'quality of all readings, OR-ed',
  worst_gap_s INT UNSIGNED NOT NULL COMMENT 'longest stretch of the day without a reading',
  PRIMARY KEY (meter_id, day),
  KEY by_day (day)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS reading_month (
  meter_id BIGINT UNSIGNED NOT NULL,
  month DATE NOT NULL COMMENT 'its first day',
  days INT UNSIGNED NOT NULL COMMENT 'days with a reading',
  readings INT UNSIGNED NOT NULL,
  energy_before_joule BIGINT NULL COMMENT 'last register of the month before',
  energy_before_slot DATETIME(3) NULL,
  energy_last_joule BIGINT NULL,
  energy_last_slot DATETIME(3) NULL,
  cooling_energy_before_joule BIGINT NULL,
  cooling_energy_last_joule BIGINT NULL,
  volume_before_millilitre BIGINT NULL,
  volume_last_millilitre BIGINT NULL,
  power_max_milliwatt BIGINT NULL,
  identity_before VARCHAR(32) NOT NULL,
  identity_last VARCHAR(32) NOT NULL,
  steps_back INT UNSIGNED NOT NULL,
  doubts INT UNSIGNED NOT NULL,
  PRIMARY KEY (meter_id, month),
  KEY by_month (month)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What has to be made, again or for the first time. A mark never comes twice: who finds another one made it too early.
CREATE TABLE IF NOT EXISTS rollup_due (
  span TINYINT UNSIGNED NOT NULL COMMENT '1 day, 2 month',
  day DATE NOT NULL COMMENT 'the day, or the first of the month',
  meter_id BIGINT UNSIGNED NOT NULL,
  mark BIGINT UNSIGNED NOT NULL COMMENT 'by chance',
  marked_at DATETIME(3) NOT NULL,
  PRIMARY KEY (span, day, meter_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- How far the keeper is: rolled (days given to rollup_due), raw (days whose frames are gone), kept (first day kept).
CREATE TABLE IF NOT EXISTS keeper_progress (
  duty VARCHAR(16) NOT NULL,
  day DATE NOT NULL,
  after_meter BIGINT UNSIGNED NOT NULL,
  zone VARCHAR(64) NOT NULL,
  PRIMARY KEY (duty)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE OR REPLACE VIEW reading_day_kwh AS
SELECT
  m.name AS meter,
  d.meter_id,
  d.day,
  d.readings,
  d.first_slot,
  d.last_slot,
  CAST(CAST(d.energy_first_joule AS DECIMAL(30, 6)) / 3600000 AS DECIMAL(20, 6)) AS energy_first_kwh,
  CAST(CAST(d.energy_last_joule AS DECIMAL(30, 6)) / 3600000 AS DECIMAL(20, 6)) AS energy_last_kwh,
  CAST(CAST(d.cooling_energy_first_joule AS DECIMAL(30, 6)) / 3600000 AS DECIMAL(20, 6)) AS cooling_energy_first_kwh,
  CAST(CAST(d.cooling_energy_last_joule AS DECIMAL(30, 6)) / 3600000 AS DECIMAL(20, 6)) AS cooling_energy_last_kwh,
  CAST(CAST(d.volume_first_millilitre AS DECIMAL(30, 6)) / 1000000 AS DECIMAL(20, 6)) AS volume_first_m3,
  CAST(CAST(d.volume_last_millilitre AS DECIMAL(30, 6)) / 1000000 AS DECIMAL(20, 6)) AS volume_last_m3,
  CAST(CAST(d.supply_min_milli_celsius AS DECIMAL(30, 6)) / 1000 AS DECIMAL(20, 3)) AS supply_min_celsius,
  CAST(CAST(d.supply_max_milli_celsius AS DECIMAL(30, 6)) / 1000 AS DECIMAL(20, 3)) AS supply_max_celsius,
  CAST(CAST(d.supply_mean_milli_celsius AS DECIMAL(30, 6)) / 1000 AS DECIMAL(20, 3)) AS supply_mean_celsius,
  CAST(CAST(d.return_min_milli_celsius AS DECIMAL(30, 6)) / 1000 AS DECIMAL(20, 3)) AS return_min_celsius,
  CAST(CAST(d.return_max_milli_celsius AS DECIMAL(30, 6)) / 1000 AS DECIMAL(20, 3)) AS return_max_celsius,
  CAST(CAST(d.return_mean_milli_celsius AS DECIMAL(30, 6)) / 1000 AS DECIMAL(20, 3)) AS return_mean_celsius,
  CAST(CAST(d.difference_min_millikelvin AS DECIMAL(30, 6)) / 1000 AS DECIMAL(20, 3)) AS difference_min_kelvin,
  CAST(CAST(d.difference_max_millikelvin AS DECIMAL(30, 6)) / 1000 AS DECIMAL(20, 3)) AS difference_max_kelvin,
  CAST(CAST(d.difference_mean_millikelvin AS DECIMAL(30, 6)) / 1000 AS DECIMAL(20, 3)) AS difference_mean_kelvin,
  CAST(CAST(d.flow_min_millilitre_per_hour AS DECIMAL(30, 6)) / 1000000 AS DECIMAL(20, 6)) AS flow_min_m3_per_hour,
  CAST(CAST(d.flow_max_millilitre_per_hour AS DECIMAL(30, 6)) / 1000000 AS DECIMAL(20, 6)) AS flow_max_m3_per_hour,
  CAST(CAST(d.flow_mean_millilitre_per_hour AS DECIMAL(30, 6)) / 1000000 AS DECIMAL(20, 6)) AS flow_mean_m3_per_hour,
  CAST(CAST(d.power_max_milliwatt AS DECIMAL(30, 6)) / 1000000 AS DECIMAL(20, 6)) AS power_max_kw,
  d.identity_last,
  d.steps_back,
  d.doubts,
  d.worst_gap_s
FROM reading_day d
LEFT JOIN meter m ON m.meter_id = d.meter_id;

CREATE OR REPLACE VIEW reading_month_kwh AS
SELECT
  m.name AS meter,
  r.meter_id,
  r.month,
  r.days,
  r.readings,
  CAST(CAST(r.energy_before_joule AS DECIMAL(30, 6)) / 3600000 AS DECIMAL(20, 6)) AS energy_before_kwh,
  CAST(CAST(r.energy_last_joule AS DECIMAL(30, 6)) / 3600000 AS DECIMAL(20, 6)) AS energy_last_kwh,
  CAST((CAST(r.energy_last_joule AS DECIMAL(30, 6)) - r.energy_before_joule) / 3600000 AS DECIMAL(20, 6)) AS energy_used_kwh,
  CAST(CAST(r.cooling_energy_before_joule AS DECIMAL(30, 6)) / 3600000 AS DECIMAL(20, 6)) AS cooling_energy_before_kwh,
  CAST(CAST(r.cooling_energy_last_joule AS DECIMAL(30, 6)) / 3600000 AS DECIMAL(20, 6)) AS cooling_energy_last_kwh,
  CAST((CAST(r.cooling_energy_last_joule AS DECIMAL(30, 6)) - r.cooling_energy_before_joule) / 3600000 AS DECIMAL(20, 6)) AS cooling_energy_used_kwh,
  CAST(CAST(r.volume_before_millilitre AS DECIMAL(30, 6)) / 1000000 AS DECIMAL(20, 6)) AS volume_before_m3,
  CAST(CAST(r.volume_last_millilitre AS DECIMAL(30, 6)) / 1000000 AS DECIMAL(20, 6)) AS volume_last_m3,
  CAST((CAST(r.volume_last_millilitre AS DECIMAL(30, 6)) - r.volume_before_millilitre) / 1000000 AS DECIMAL(20, 6)) AS volume_used_m3,
  r.energy_before_slot,
  r.energy_last_slot,
  CAST(CAST(r.power_max_milliwatt AS DECIMAL(30, 6)) / 1000000 AS DECIMAL(20, 6)) AS power_max_kw,
  CASE
    WHEN r.identity_before <> '' AND r.identity_last <> '' AND r.identity_before <> r.identity_last THEN 'meter changed'
    WHEN r.steps_back > 0 THEN 'register back'
    WHEN r.energy_last_joule IS NULL THEN 'no register'
    WHEN r.energy_before_joule IS NULL THEN 'no register before'
    ELSE 'ok'
  END AS verdict,
  r.doubts
FROM reading_month r
LEFT JOIN meter m ON m.meter_id = r.meter_id;
