//! How many rows are written at once, so that what is fresh waits as long for a slow server as for a quick one.
//!
//! ```text
//!   a write of many rows took t  -->  next time: as many as take `mysql.gather_time` at that speed
//!                                     (a transaction for each connection at least, `mysql.gather_rows` at most)
//! ```
//!
//! Promises: pure; few rows that were quick change nothing: they say little of what many take. Refuses: a clock.

use std::time::Duration;

use crate::config;

/// How many rows are written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    rows: usize,
    least: usize,
    most: usize,
    time: Duration,
}

impl Pace {
    /// Of a server whose speed nobody knows yet.
    pub(super) fn new(config: &config::Mysql) -> Self {
        let most = config.gather_rows;
        let least = config.batch_rows.saturating_mul(config.connections).min(most);
        Self { rows: least, least, most, time: config.gather_time }
    }

    /// Rows to be gathered, at most.
    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    /// So many `rows` took so much `time`.
    pub(super) fn took(&mut self, rows: usize, time: Duration) {
        if rows.saturating_mul(2) < self.rows && time <= self.time {
            return;
        }
        let fitting = (rows as u128).saturating_mul(self.time.as_nanos()) / time.as_nanos().max(1);
        self.rows = usize::try_from(fitting).unwrap_or(usize::MAX).clamp(self.least, self.most);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pace() -> Pace {
        let config = config::Mysql { batch_rows: 500, connections: 2, gather_rows: 24_000, ..config::Mysql::default() };
        Pace::new(&config::Mysql { gather_time: Duration::from_secs(2), ..config })
    }

    fn after(told: &[(usize, u64)]) -> usize {
        let mut pace = pace();
        told.iter().for_each(|(rows, millis)| pace.took(*rows, Duration::from_millis(*millis)));
        pace.rows()
    }

    #[test]
    fn a_quick_server_is_given_all_at_once_and_a_slow_one_what_takes_the_time() {
        assert_eq!(after(&[]), 1_000, "a transaction for each connection, to begin with");
        assert_eq!(after(&[(1_000, 50)]), 24_000);
        assert_eq!(after(&[(1_000, 50), (24_000, 2_400)]), 20_000);
        assert_eq!(after(&[(1_000, 500)]), 4_000);
        assert_eq!(after(&[(1_000, 20_000)]), 1_000);
        assert_eq!(after(&[(1_000, 0)]), 24_000);
    }

    #[test]
    fn few_rows_say_something_only_where_they_were_slow() {
        assert_eq!(after(&[(1_000, 50), (10, 1_900)]), 24_000);
        assert_eq!(after(&[(1_000, 50), (10, 2_100)]), 1_000);
        assert_eq!(after(&[(1_000, 50), (10, 2_100), (600, 30)]), 24_000, "and that is soon forgotten");
    }

    #[test]
    fn a_bound_below_a_transaction_for_each_connection_is_kept() {
        let config = config::Mysql { gather_rows: 1, ..config::Mysql::default() };
        let mut pace = Pace::new(&config);
        assert_eq!(pace.rows(), 1);
        pace.took(1, Duration::ZERO);
        assert_eq!(pace.rows(), 1);
    }

    proptest! {
        #[test]
        fn a_server_of_any_speed_that_is_never_idle_gets_what_takes_the_time(
            rows_a_second in 1_u64..1_000_000,
            before in prop::collection::vec((0_usize..30_000, 0_u64..10_000), 0..5),
        ) {
            let mut pace = pace();
            before.iter().for_each(|(rows, millis)| pace.took(*rows, Duration::from_millis(*millis)));
            for _ in 0..2 {
                let rows = pace.rows();
                pace.took(rows, Duration::from_nanos(rows as u64 * 1_000_000_000 / rows_a_second));
            }
            let fitting = (2 * rows_a_second).clamp(1_000, 24_000);
            prop_assert!((pace.rows() as u64).abs_diff(fitting) <= fitting / 100, "{pace:?} {fitting}");
        }
    }
}
