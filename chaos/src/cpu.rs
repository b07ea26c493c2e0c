//! The processor time a process took.
//!
//! Promises: a process that is gone has none, not zero. Refuses: threads and children.

use std::time::Duration;

use rustix::param::clock_ticks_per_second;

/// The places of user and system time in `/proc/PID/stat`, counted behind the name (proc(5): fields 14 and 15).
const USER_BEHIND_NAME: usize = 11;

/// User and system time of process `pid` since its start.
pub fn spent(pid: u32) -> Option<Duration> {
    ticks(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
        .map(|ticks| Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
}

// A name may hold blanks and brackets, what comes behind its last bracket does not.
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    let times: Vec<u64> =
        behind.split_whitespace().skip(USER_BEHIND_NAME).take(2).map_while(|word| word.parse().ok()).collect();
    (times.len() == 2).then(|| times.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_move_the_times() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 17 5 0 0 20 0 3 0 100 1000 10";
        assert_eq!(ticks(stat), Some(22));
        assert_eq!(ticks("42 (cut) S 1 42"), None);
    }

    #[test]
    fn this_process_takes_time_and_one_that_never_was_takes_none() {
        let before = spent(std::process::id()).expect("this process");
        let mut number = 1_u64;
        while spent(std::process::id()).expect("this process") <= before {
            number = std::hint::black_box(number.wrapping_mul(31));
        }
        assert_eq!(spent(u32::MAX), None);
    }
}
