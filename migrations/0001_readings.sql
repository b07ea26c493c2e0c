-- What meters said and what was missed: one row per meter, slot and kind.
--
-- kind: 1 scheduled, 2 on-demand. Times are UTC. Values are exact integers in the unit their name ends with.
-- Both tables are cut into days by slot; days are made ahead by the leader. What lies before the first day is in the
-- first partition, what lies after the last one is in p_future, so that no slot is ever without a place.
-- A statement ends with a semicolon at the end of a line, and may be repeated after a crash.

CREATE TABLE IF NOT EXISTS reading (
  meter_id BIGINT UNSIGNED NOT NULL,
  slot DATETIME(3) NOT NULL,
  kind TINYINT UNSIGNED NOT NULL,
  read_at DATETIME(3) NOT NULL,
  node_id BIGINT UNSIGNED NOT NULL,
  line_id BIGINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  energy_joule BIGINT NULL,
  cooling_energy_joule BIGINT NULL,
  volume_millilitre BIGINT NULL,
  power_milliwatt BIGINT NULL,
  flow_millilitre_per_hour BIGINT NULL,
  supply_milli_celsius BIGINT NULL,
  return_milli_celsius BIGINT NULL,
  difference_millikelvin BIGINT NULL,
  operating_seconds BIGINT NULL,
  on_seconds BIGINT NULL,
  error_flags BIGINT NULL,
  meter_time DATETIME NULL COMMENT 'civil time of the meter, no zone',
  valve TINYINT UNSIGNED NULL COMMENT '1 open, 2 closed, 3 fault',
  quality INT UNSIGNED NOT NULL COMMENT 'bits: 1 rounded, 2 invalid value, 4 meter error, 8 low battery, 16 out of range, 32 clock off',
  attempts INT UNSIGNED NOT NULL,
  command_id BIGINT UNSIGNED NULL,
  identity VARCHAR(32) NOT NULL,
  raw VARBINARY(8192) NOT NULL,
  extra JSON NULL,
  PRIMARY KEY (meter_id, slot, kind),
  KEY by_slot (slot)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
PARTITION BY RANGE COLUMNS (slot) (
  PARTITION p_future VALUES LESS THAN (MAXVALUE)
);

CREATE TABLE IF NOT EXISTS missed (
  meter_id BIGINT UNSIGNED NOT NULL,
  slot DATETIME(3) NOT NULL,
  kind TINYINT UNSIGNED NOT NULL,
  reason VARCHAR(32) NOT NULL,
  detail VARCHAR(255) NOT NULL,
  attempts INT UNSIGNED NOT NULL,
  at DATETIME(3) NOT NULL,
  node_id BIGINT UNSIGNED NOT NULL,
  line_id BIGINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (meter_id, slot, kind),
  KEY by_slot (slot)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
PARTITION BY RANGE COLUMNS (slot) (
  PARTITION p_future VALUES LESS THAN (MAXVALUE)
);

-- Which row of reading is the newest of each meter.
CREATE TABLE IF NOT EXISTS reading_latest (
  meter_id BIGINT UNSIGNED NOT NULL,
  slot DATETIME(3) NOT NULL,
  kind TINYINT UNSIGNED NOT NULL,
  PRIMARY KEY (meter_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Records the tables would not take: as they were (SpoolRecord of peer.proto), with the error.
CREATE TABLE IF NOT EXISTS rejected (
  digest BINARY(32) NOT NULL COMMENT 'SHA-256 of record',
  rejected_at DATETIME(3) NOT NULL,
  meter_id BIGINT UNSIGNED NOT NULL,
  slot_ms BIGINT UNSIGNED NOT NULL COMMENT 'Unix ms',
  node_id BIGINT UNSIGNED NOT NULL,
  error_code SMALLINT UNSIGNED NOT NULL COMMENT 'of the server; 0: refused before it was sent',
  error VARCHAR(512) NOT NULL,
  record LONGBLOB NOT NULL,
  PRIMARY KEY (digest)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
