//! What a command may become.

use super::*;

fn with_command() -> State {
    let mut state = small_cluster();
    all(&mut state, [assign(0, N1), submit(AT, "k", Action::ValveClose)]);
    state
}

#[test]
fn a_key_acts_once_and_refuses_to_mean_something_else() {
    let mut state = with_command();
    assert_eq!(run(&mut state, &submit(AT, "k", Action::ValveClose)), Reply::Queued(C1));
    let words = "key k was used for command 1 already: use a new key";
    refused(&mut state, &submit(AT, "k", Action::ValveOpen), words);
}

#[test]
fn only_the_owner_of_the_line_starts_a_command() {
    let mut state = with_command();
    refused(&mut state, &start(20, N2, 1), "epoch 1 of line 1 is out of date");
    refused(&mut state, &start(20, N1, 0), "epoch 0 of line 1 is out of date");
    all(&mut state, [start(20, N1, 1)]);
}

#[test]
fn nothing_starts_after_its_deadline() {
    let mut state = with_command();
    refused(&mut state, &start(1_001, N1, 1), "command 1: its deadline is out of date");
    all(&mut state, [start(1_000, N1, 1)]);
}

#[test]
fn a_new_owner_repeats_what_is_safe_to_repeat_and_the_old_one_has_no_say() {
    let mut state = with_command();
    all(&mut state, [start(20, N1, 1), assign(1, N2), start(30, N2, 2)]);
    refused(&mut state, &finish(1, Outcome::Acknowledged), "command 1: epoch 1 is out of date");
    all(&mut state, [finish(2, Outcome::Verified("closed".to_owned()))]);
    assert_eq!(state.commands.commands.get(&C1).unwrap().starts.len(), 2);
}

#[test]
fn only_a_queued_command_is_cancelled() {
    let mut state = with_command();
    all(&mut state, [start(20, N1, 1)]);
    let words = "command 1 is running: only a queued command can be cancelled";
    refused(&mut state, &Entry::Cancel { at: AT, command: C1 }, words);
    let mut state = with_command();
    all(&mut state, [Entry::Cancel { at: AT, command: C1 }]);
    assert_eq!(*phase(&state), command::Phase::Ended { at: AT, outcome: Outcome::Cancelled });
}

#[test]
fn what_never_ran_expires_and_what_ran_is_unknown() {
    let late = UnixMillis(1_001);
    let mut state = with_command();
    assert_eq!(run(&mut state, &Entry::Expire { at: UnixMillis(1_000) }), Reply::Applied(0));
    all(&mut state, [Entry::Expire { at: late }]);
    assert_eq!(*phase(&state), command::Phase::Ended { at: late, outcome: Outcome::Expired });
    let mut state = with_command();
    all(&mut state, [start(20, N1, 1), Entry::Expire { at: late }]);
    assert!(matches!(phase(&state), command::Phase::Ended { outcome: Outcome::Unknown(_), .. }));
}

#[test]
fn what_has_ended_stays_ended() {
    let mut state = with_command();
    all(&mut state, [start(20, N1, 1), finish(1, Outcome::Acknowledged)]);
    for entry in [start(30, N1, 1), finish(1, Outcome::Expired), Entry::Cancel { at: AT, command: C1 }] {
        refused(&mut state, &entry, "command 1 has ended already");
    }
}

#[test]
fn a_retired_command_leaves_its_key_for_the_window() {
    let mut state = with_command();
    all(&mut state, [start(20, N1, 1), finish(1, Outcome::Acknowledged), retire(50)]);
    assert!(state.commands.commands.is_empty());
    assert_eq!(run(&mut state, &submit(AT, "k", Action::ValveClose)), Reply::Queued(C1));
    run(&mut state, &retire(AT.plus(KEY_WINDOW_MS).0));
    assert_eq!(run(&mut state, &submit(AT, "k", Action::ValveClose)), Reply::Queued(C1));
    run(&mut state, &retire(AT.plus(KEY_WINDOW_MS + 1).0));
    assert_eq!(run(&mut state, &submit(AT, "k", Action::ValveClose)), Reply::Queued(CommandId(2)));
}

#[test]
fn an_open_command_is_not_retired_and_keeps_its_key_beyond_the_window() {
    let mut state = with_command();
    assert_eq!(run(&mut state, &retire(AT.plus(2 * KEY_WINDOW_MS).0)), Reply::Applied(0));
    assert_eq!(run(&mut state, &submit(AT, "k", Action::ValveClose)), Reply::Queued(C1));
}

#[test]
fn a_line_lists_its_open_commands_oldest_first() {
    let mut state = with_command();
    all(&mut state, [submit(AT, "l", Action::ReadNow), submit(AT, "m", Action::ReadNow)]);
    all(&mut state, [Entry::Cancel { at: AT, command: CommandId(2) }]);
    let open: Vec<_> = state.commands.open_on_line(L1).map(|command| command.id.0).collect();
    assert_eq!(open, [1, 3]);
}
