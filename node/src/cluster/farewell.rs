//! How a node that is about to stop says so, before it lets go of its lines: or they would be given back to it.
//!
//! ```text
//!   say ---> the next heartbeat goes out at once and carries it ---> the leader answers: taken note of
//! ```
//!
//! Promises: saying it twice is saying it once. Refuses: taking it back: a node that has said farewell stops.

use tokio::sync::watch;

/// A handle to the farewell; clones share it.
#[derive(Debug, Clone)]
pub struct Farewell {
    stage: watch::Sender<Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Unsaid,
    Said,
    TakenNoteOf,
}

impl Default for Farewell {
    fn default() -> Self {
        Self { stage: watch::channel(Stage::Unsaid).0 }
    }
}

impl Farewell {
    fn reach(&self, stage: Stage) {
        self.stage.send_if_modified(|now| {
            let later = stage > *now;
            *now = stage.max(*now);
            later
        });
    }

    /// Says it, and waits until a leader took note.
    pub async fn say(&self) {
        self.reach(Stage::Said);
        // The sender is held here: waiting cannot fail.
        let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::TakenNoteOf).await;
    }

    /// Whether it was said.
    pub fn is_said(&self) -> bool {
        *self.stage.borrow() >= Stage::Said
    }

    /// Ends when it was said and no leader took note yet; never after that.
    pub async fn said(&self) {
        let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::Said).await;
    }

    /// A leader answered a heartbeat that carried it.
    pub fn taken_note_of(&self) {
        self.reach(Stage::TakenNoteOf);
    }
}
