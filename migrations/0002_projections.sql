-- What the cluster knows, for people who ask the database: copies of the replicated state, never its source.

CREATE TABLE IF NOT EXISTS line (
  line_id BIGINT UNSIGNED NOT NULL,
  name VARCHAR(128) NOT NULL,
  endpoint VARCHAR(512) NOT NULL,
  PRIMARY KEY (line_id),
  UNIQUE KEY name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS meter (
  meter_id BIGINT UNSIGNED NOT NULL,
  name VARCHAR(128) NOT NULL,
  line_id BIGINT UNSIGNED NOT NULL,
  dialect VARCHAR(16) NOT NULL,
  address VARCHAR(32) NOT NULL,
  interval_s INT UNSIGNED NOT NULL,
  offset_s INT UNSIGNED NOT NULL,
  enabled TINYINT UNSIGNED NOT NULL,
  PRIMARY KEY (meter_id),
  UNIQUE KEY name (name),
  KEY by_line (line_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Commands that have ended.
CREATE TABLE IF NOT EXISTS command (
  command_id BIGINT UNSIGNED NOT NULL,
  meter_id BIGINT UNSIGNED NOT NULL,
  line_id BIGINT UNSIGNED NOT NULL,
  action VARCHAR(32) NOT NULL,
  idempotency_key VARCHAR(255) NOT NULL,
  requested_at DATETIME(3) NOT NULL,
  deadline DATETIME(3) NOT NULL,
  ended_at DATETIME(3) NOT NULL,
  state VARCHAR(16) NOT NULL,
  detail TEXT NOT NULL,
  starts JSON NOT NULL COMMENT 'every start, oldest first: at (Unix ms), node, epoch',
  PRIMARY KEY (command_id),
  KEY by_meter (meter_id, requested_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
