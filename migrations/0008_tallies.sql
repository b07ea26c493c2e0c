-- Slots counted by day: what the ledger adds up for days gone by, instead of looking at every reading again.
--
-- One row per duty of a meter, day, node and reason. Made by the leader once every slot that began on a day is closed, and
-- again when something comes for it later: rollup_due (span 3). keeper_progress (tallied) says how far the days are counted.

CREATE TABLE IF NOT EXISTS slot_tally (
  meter_id BIGINT UNSIGNED NOT NULL,
  due_from DATETIME(3) NOT NULL COMMENT 'which of the duties of the meter',
  day DATE NOT NULL COMMENT 'civil day of the plant on which the slots began',
  node_id BIGINT UNSIGNED NOT NULL COMMENT 'who read or marked them; 0: a sweep',
  reason VARCHAR(32) NOT NULL COMMENT 'why they were missed; empty: they were read',
  on_time INT UNSIGNED NOT NULL,
  late INT UNSIGNED NOT NULL,
  backfilled INT UNSIGNED NOT NULL,
  missed INT UNSIGNED NOT NULL,
  first_slot DATETIME(3) NOT NULL,
  last_slot DATETIME(3) NOT NULL,
  PRIMARY KEY (day, meter_id, due_from, node_id, reason)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
