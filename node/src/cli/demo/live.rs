//! The demo on a terminal: keys in, acts out, the screen in between.
//!
//! ```text
//!   key thread --> this loop --acts, one after the other--> stage
//!                     |  \------ valves, beside them ------> cluster
//!                     +--------- draws ten times a second
//! ```
//!
//! Promises: the screen stays alive while an act takes its time; a failed act is an event and nothing more; the terminal
//! is given back however the loop ends. Refuses: acts no key stands for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use protocol::meter::Action;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::events::Teller;
use super::interrupt::Interrupt;
use super::roster::Roster;
use super::screen::{Picture, draw};
use super::script::Act;
use super::stage::Stage;
use super::valve::Valves;
use super::watcher::View;

/// From drawing to drawing.
const FRAME: Duration = Duration::from_millis(100);
/// Acts waiting for their turn; a key more is lost.
const ACTS: usize = 8;
/// Keys not yet looked at.
const KEYS: usize = 32;
/// Events handed to the screen.
const EVENTS: usize = 100;
/// From look to look after the processes.
const LOOK_AFTER: Duration = Duration::from_millis(500);

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Up,
    Down,
    Kill,
    KillLeader,
    Restart,
    Add,
    Database,
    Valve,
    Quit,
}

const fn key(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
    match code {
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Quit),
        KeyCode::Up => Some(Key::Up),
        KeyCode::Down => Some(Key::Down),
        KeyCode::Char('k') => Some(Key::Kill),
        KeyCode::Char('l') => Some(Key::KillLeader),
        KeyCode::Char('r') => Some(Key::Restart),
        KeyCode::Char('a') => Some(Key::Add),
        KeyCode::Char('d') => Some(Key::Database),
        KeyCode::Char('v') => Some(Key::Valve),
        KeyCode::Char('q') => Some(Key::Quit),
        _ => None,
    }
}

/// Reads keys on a thread of its own, for reading them blocks; ends with the flag or with the receiver.
fn read_keys(keys: &mpsc::Sender<Key>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) && !keys.is_closed() {
        if !event::poll(FRAME).unwrap_or(false) {
            continue;
        }
        let Ok(input) = event::read() else { return };
        if let Input::Key(pressed) = input
            && pressed.kind == KeyEventKind::Press
            && let Some(key) = key(pressed.code, pressed.modifiers)
        {
            // Faster than it can be shown is faster than it can be meant.
            let _ = keys.try_send(key);
        }
    }
}

/// The acts, one after the other, until nobody can ask for more.
async fn work(mut stage: Stage, mut acts: mpsc::Receiver<Option<Act>>, teller: Teller) -> Stage {
    let mut look = interval(LOOK_AFTER);
    loop {
        tokio::select! {
            act = acts.recv() => match act {
                None => return stage,
                Some(act) => {
                    // None is the key that turns the database off or on, whichever it is not.
                    let turned = if stage.has_database() { Act::StopDatabase } else { Act::StartDatabase };
                    if let Err(error) = stage.act(act.unwrap_or(turned)).await {
                        teller.tell(format!("not done: {error:#}"));
                    }
                }
            },
            // What fell is an event already.
            _ = look.tick() => { let _ = stage.look_after(); }
        }
    }
}

/// What the loop knows.
struct Desk {
    teller: Teller,
    roster: Roster,
    view: View,
    valves: Valves,
    acts: mpsc::Sender<Option<Act>>,
    selected: usize,
    /// Valves moved so far.
    turned: usize,
}

/// Plays on the terminal until a person quits; hands the stage back to be closed.
pub(super) async fn play(stage: Stage, teller: &Teller, interrupt: &mut Interrupt) -> Result<Stage> {
    let (acts, receiver) = mpsc::channel(ACTS);
    let (roster, view, valves) = (stage.roster(), stage.view(), stage.valves());
    let mut desk = Desk { teller: teller.clone(), roster, view, valves, acts, selected: 0, turned: 0 };
    let worker = tokio::task::spawn_local(work(stage, receiver, teller.clone()));
    let mut terminal = ratatui::try_init().context("the terminal")?;
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, keys) = mpsc::channel(KEYS);
    let reader = {
        let stop = stop.clone();
        std::thread::spawn(move || read_keys(&sender, &stop))
    };
    teller.set_plain(false);
    let shown = desk.show(&mut terminal, keys, interrupt).await;
    stop.store(true, Ordering::Relaxed);
    // The reader looks at the flag ten times a second; the terminal is given back only when nobody reads it.
    let _ = reader.join();
    ratatui::restore();
    teller.set_plain(true);
    drop(desk);
    handed_back(worker).await.and_then(|stage| shown.map(|()| stage))
}

async fn handed_back(worker: JoinHandle<Stage>) -> Result<Stage> {
    worker.await.context("the demo's own work")
}

impl Desk {
    async fn show(
        &mut self,
        terminal: &mut DefaultTerminal,
        mut keys: mpsc::Receiver<Key>,
        interrupt: &mut Interrupt,
    ) -> Result<()> {
        let mut frame = interval(FRAME);
        frame.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = frame.tick() => self.draw(terminal)?,
                () = interrupt.comes() => return Ok(()),
                key = keys.recv() => match key {
                    None | Some(Key::Quit) => return Ok(()),
                    Some(key) => self.press(key),
                },
            }
        }
    }

    fn draw(&mut self, terminal: &mut DefaultTerminal) -> Result<()> {
        let (rows, events) = (self.roster.rows(), self.teller.newest(EVENTS));
        let seen = self.view.borrow().clone();
        let (selected, elapsed) = (self.selected, self.teller.elapsed());
        let picture = Picture { seen: seen.as_deref(), rows: &rows, events: &events, selected, elapsed };
        terminal.draw(|frame| draw(frame, &picture)).context("the terminal")?;
        Ok(())
    }

    fn press(&mut self, key: Key) {
        let last = self.roster.rows().len().saturating_sub(1);
        match key {
            Key::Up => self.selected = self.selected.saturating_sub(1),
            Key::Down => self.selected = (self.selected + 1).min(last),
            Key::Kill => {
                if let Some(row) = self.roster.rows().get(self.selected) {
                    self.ask(Some(Act::KillNode(row.name.clone())));
                }
            }
            Key::KillLeader => self.ask(Some(Act::KillLeader)),
            Key::Restart => self.ask(Some(Act::RestartAll)),
            Key::Add => self.ask(Some(Act::Add)),
            Key::Database => self.ask(None),
            Key::Valve => self.turn_a_valve(),
            Key::Quit => {}
        }
    }

    fn ask(&self, act: Option<Act>) {
        if self.acts.try_send(act).is_err() {
            self.teller.tell(format!("not done: {ACTS} keys are waiting for their turn already"));
        }
    }

    /// Each valve of the field in turn is closed; the second time round, opened.
    fn turn_a_valve(&mut self) {
        let names = self.valves.ledger.valves().unwrap_or_default();
        let Some(meter) = names.get(self.turned % names.len().max(1)).cloned() else {
            self.teller.tell("not done: no simulated meter has a valve");
            return;
        };
        let is_open = (self.turned / names.len().max(1)).is_multiple_of(2);
        let action = if is_open { Action::ValveClose } else { Action::ValveOpen };
        self.turned += 1;
        let (valves, teller) = (self.valves.clone(), self.teller.clone());
        tokio::task::spawn_local(async move {
            if let Err(error) = valves.operate(&meter, action).await {
                teller.tell(format!("not done: {error:#}"));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_screen_stands_for_something_and_control_c_quits() {
        for letter in "klradvq".chars() {
            assert!(key(KeyCode::Char(letter), KeyModifiers::NONE).is_some(), "{letter}");
        }
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Quit));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::NONE), None);
    }
}
