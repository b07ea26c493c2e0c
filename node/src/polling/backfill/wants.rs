//! Which freezes the lines of this node lack, as the leader last said.
//!
//! Promises: looking costs a lookup; what a line sees stays as it was until there is another word. Refuses: asking.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::meter::LineId;

use crate::cluster::Missing;

/// What a line lacks.
pub(in crate::polling) type Lacks = Arc<[Missing]>;

/// A handle; clones share it.
#[derive(Debug, Clone, Default)]
pub(in crate::polling) struct Wants {
    lines: Arc<Mutex<BTreeMap<LineId, Lacks>>>,
}

impl Wants {
    /// What `line` lacks.
    pub(in crate::polling) fn of(&self, line: LineId) -> Lacks {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get(&line).cloned().unwrap_or_default()
    }

    /// The leader's last word, whole.
    pub(in crate::polling) fn replace(&self, lines: BTreeMap<LineId, Vec<Missing>>) {
        let lines = lines.into_iter().map(|(line, missing)| (line, missing.into())).collect();
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = lines;
    }
}
