//! Dangerous acts show their effect and ask.
//!
//! ```text
//!                     --yes    terminal    no terminal
//!   removal           go       ask         refuse: add --yes
//!   schedule          go       ask         refuse: add --yes
//!   valve             go       ask         go
//! ```
//!
//! Promises: nothing dangerous happens on a terminal without a yes. Refuses: taking silence for a yes.

use std::io::{IsTerminal as _, Write as _};

use super::failure::Failure;

/// How dangerous an act is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Danger {
    /// Forgets something.
    Removal,
    /// Changes when meters are read.
    Schedule,
    /// Moves a valve.
    Valve,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Go,
    Ask,
    Refuse,
}

const fn decide(danger: Danger, yes: bool, terminal: bool) -> Decision {
    match (danger, yes, terminal) {
        (_, true, _) | (Danger::Valve, false, false) => Decision::Go,
        (_, false, true) => Decision::Ask,
        (Danger::Removal | Danger::Schedule, false, false) => Decision::Refuse,
    }
}

/// Shows `effect`, and goes on only with a yes.
pub fn confirm(danger: Danger, effect: &str, yes: bool) -> Result<(), Failure> {
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    match decide(danger, yes, terminal) {
        Decision::Go => {
            eprintln!("{effect}");
            Ok(())
        }
        Decision::Ask => ask(effect),
        Decision::Refuse => Err(Failure::Usage(format!("{effect}: nobody can be asked here, add --yes"))),
    }
}

fn ask(effect: &str) -> Result<(), Failure> {
    eprint!("{effect}. Go on? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    if read.is_ok() && is_yes(&answer) { Ok(()) } else { Err(Failure::Refused("nothing was changed".to_owned())) }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_is_never_silent() {
        assert_eq!(decide(Danger::Removal, false, true), Decision::Ask);
        assert_eq!(decide(Danger::Removal, false, false), Decision::Refuse);
        assert_eq!(decide(Danger::Removal, true, false), Decision::Go);
        assert_eq!(decide(Danger::Schedule, false, false), Decision::Refuse);
    }

    #[test]
    fn a_valve_asks_a_person_and_does_not_stop_a_script() {
        assert_eq!(decide(Danger::Valve, false, true), Decision::Ask);
        assert_eq!(decide(Danger::Valve, false, false), Decision::Go);
        assert_eq!(decide(Danger::Valve, true, true), Decision::Go);
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(is_yes("y\n") && is_yes("YES"));
        assert!(!is_yes("") && !is_yes("\n") && !is_yes("yep") && !is_yes("n"));
    }
}
