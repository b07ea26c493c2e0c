-- What was due, and what became of it: the ledger of slots.
--
-- A schedule has its moments once, whatever the number of its meters; a duty says which meter was due by which schedule,
-- from when on and until when. What is due is their join: view slot_ledger, one row per slot that has begun.
-- Times are UTC. Moments are made ahead, and pruned with the days of reading and missed.

CREATE TABLE IF NOT EXISTS schedule (
  schedule_id BIGINT UNSIGNED NOT NULL COMMENT 'of expression and calendar: the same words give the same id',
  expression VARCHAR(2048) NOT NULL COMMENT 'its rules in words',
  calendar VARCHAR(4096) NOT NULL COMMENT 'zone and seasons it goes by; empty: none',
  made_from DATETIME(3) NULL COMMENT 'slots that begin from here on ..',
  made_to DATETIME(3) NULL COMMENT '.. and before this are in schedule_slot',
  PRIMARY KEY (schedule_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS schedule_slot (
  schedule_id BIGINT UNSIGNED NOT NULL,
  slot DATETIME(3) NOT NULL COMMENT 'it begins',
  ends DATETIME(3) NOT NULL COMMENT 'it is over',
  on_time_until DATETIME(3) NOT NULL COMMENT 'read later is late',
  priority TINYINT UNSIGNED NOT NULL COMMENT '1 low, 2 normal, 3 high',
  freeze_of TINYINT UNSIGNED NULL COMMENT '1 of a day, 2 of a month',
  PRIMARY KEY (schedule_id, slot),
  KEY by_slot (slot),
  KEY by_end (ends)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- A meter was due by a schedule: slots that began at due_from or later, and before due_until.
CREATE TABLE IF NOT EXISTS duty (
  meter_id BIGINT UNSIGNED NOT NULL,
  due_from DATETIME(3) NOT NULL,
  due_until DATETIME(3) NULL COMMENT 'NULL: it still is',
  schedule_id BIGINT UNSIGNED NOT NULL,
  line_id BIGINT UNSIGNED NOT NULL,
  model VARCHAR(128) NOT NULL COMMENT 'its profile; its dialect where it is recognised by its answer',
  PRIMARY KEY (meter_id, due_from),
  KEY by_schedule (schedule_id, meter_id, due_from, due_until, line_id),
  KEY by_end (due_until)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One row: every slot that was over at the horizon has a reading or a mark.
CREATE TABLE IF NOT EXISTS ledger_horizon (
  id TINYINT UNSIGNED NOT NULL COMMENT '1',
  cluster VARCHAR(64) NOT NULL COMMENT 'whose duties these are',
  applied BIGINT UNSIGNED NOT NULL COMMENT 'entry of the replicated log up to which the duties are told',
  begins DATETIME(3) NOT NULL COMMENT 'slots before this are not accounted for',
  horizon DATETIME(3) NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- outcome: on-time, late, backfilled, missed, open (not over), waiting (over, and it may be in a spool), unaccounted.
CREATE OR REPLACE VIEW slot_ledger AS
SELECT
  d.meter_id,
  d.line_id,
  d.model,
  s.schedule_id,
  s.slot,
  s.ends,
  s.on_time_until,
  s.priority,
  s.freeze_of,
  CASE
    WHEN r.meter_id IS NOT NULL AND (r.quality & 4096) <> 0 THEN 'backfilled'
    WHEN r.meter_id IS NOT NULL AND r.read_at <= s.on_time_until THEN 'on-time'
    WHEN r.meter_id IS NOT NULL THEN 'late'
    WHEN x.meter_id IS NOT NULL THEN 'missed'
    WHEN s.ends > UTC_TIMESTAMP(3) THEN 'open'
    WHEN s.ends > h.horizon THEN 'waiting'
    ELSE 'unaccounted'
  END AS outcome,
  CASE WHEN r.meter_id IS NULL THEN x.reason END AS reason,
  CASE WHEN r.meter_id IS NULL THEN x.detail END AS detail,
  COALESCE(r.attempts, x.attempts, 0) AS attempts,
  COALESCE(r.node_id, x.node_id) AS node_id,
  r.read_at
FROM ledger_horizon h
JOIN schedule_slot s ON s.slot <= UTC_TIMESTAMP(3)
JOIN duty d ON d.schedule_id = s.schedule_id AND d.due_from <= s.slot AND (d.due_until IS NULL OR s.slot < d.due_until)
LEFT JOIN reading r ON r.meter_id = d.meter_id AND r.slot = s.slot AND r.kind = 1
LEFT JOIN missed x ON x.meter_id = d.meter_id AND x.slot = s.slot AND x.kind = 1
WHERE h.id = 1;
