//! What is held of a backlog by meter, and how much of it is sorted at once.
//!
//! ```text
//!   given  1st leader  begun, gone on with ... gone            bytes
//!          2nd leader  begun, gone on with . gone                | / 2  a part has to be shorter than a time of leading
//!          3rd leader  begun, half of it, gone on with ..        | / 2
//!          forgotten in whole                                    | * 2  up to `spool.sorted_bytes`
//! ```
//!
//! A leader pulls some records by their order before it begins a part, and begins the next one before the last is forgotten:
//! a beginning anywhere in a part that was given is taken as another leader's. A part that was begun and never gone on with
//! says nothing: its answer was lost. Two leaders at once may count once too often or too seldom, which the next parts mend.
//!
//! Promises: while the node runs, leaders that last shorter than a part takes to be written get on in the end, if each lasts
//! for a few writes; no two sorted parts are held at once. Refuses: reading records.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::Span;
use super::sorted::Sorted;

/// How often a part may be gone on with before the next beginning is of half as much.
const TIMES: u32 = 2;
/// The least that is sorted at once is such a part of the most.
const LEAST_OF_MOST: u64 = 256;

/// A part that is given, and those that will be.
#[derive(Debug)]
pub(super) struct Sorting {
    turn: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    most_bytes: u64,
    bytes: u64,
    // What was given in part, so that the next pull need not sort again.
    held: Option<Held>,
    // Parts that were begun and are not forgotten, oldest first.
    begun: VecDeque<Begun>,
}

#[derive(Debug)]
struct Held {
    sorted: Arc<Sorted>,
    // The bound it was made with.
    bytes: u64,
}

#[derive(Debug)]
struct Begun {
    after: u64,
    upto: u64,
    // Whether more of it was given after its beginning.
    is_gone_on_with: bool,
    // How often that was so, with those that were begun within it.
    times: u32,
}

/// What there is of a part.
#[derive(Debug)]
pub(super) enum Found {
    /// All of it.
    Sorted(Arc<Sorted>),
    /// Nothing: it is to be sorted, in so many bytes.
    Nothing(u64),
}

impl Sorting {
    pub(super) fn new(most_bytes: u64) -> Self {
        let state = State { most_bytes, bytes: most_bytes, held: None, begun: VecDeque::new() };
        Self { turn: Arc::default(), state: Mutex::new(state) }
    }

    /// One at a time sorts; who comes later finds what was sorted meanwhile.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Where nothing is found nothing is held any more.
    pub(super) fn find(&self, span: Span) -> Found {
        let mut state = self.state();
        // Who is in the middle of it goes on, whatever bound is in force now.
        let bytes = if span.behind.is_none() { state.bytes } else { state.most_bytes };
        state.held.take_if(|held| !held.sorted.is_of(span.after, span.upto) || held.bytes > bytes);
        state.held.as_ref().map_or(Found::Nothing(bytes), |held| Found::Sorted(Arc::clone(&held.sorted)))
    }

    /// `sorted` is what was made within `bytes`.
    pub(super) fn hold(&self, sorted: &Arc<Sorted>, bytes: u64) {
        self.state().held = Some(Held { sorted: Arc::clone(sorted), bytes });
    }

    /// Records of `span` are given from `sorted`; whether more of them is `left`.
    pub(super) fn gave(&self, span: Span, sorted: &Arc<Sorted>, left: bool) {
        let mut state = self.state();
        if span.behind.is_none() {
            state.began(span.after, sorted.upto());
        } else {
            state.went_on(span.after);
        }
        if !left {
            state.held.take_if(|held| Arc::ptr_eq(&held.sorted, sorted));
        }
    }

    /// Everything up to `upto` is forgotten: whoever wanted it by meter has it, or another leader has had it.
    pub(super) fn forgotten(&self, upto: u64) {
        let mut state = self.state();
        state.held.take_if(|held| held.sorted.upto() <= upto);
        let begun = state.begun.len();
        state.begun.retain(|begun| begun.upto > upto);
        if state.begun.len() < begun {
            state.bytes = state.bytes.saturating_mul(2).min(state.most_bytes);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is half done in it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> Option<Arc<Sorted>> {
        self.state().held.as_ref().map(|held| Arc::clone(&held.sorted))
    }
}

impl State {
    fn began(&mut self, after: u64, upto: u64) {
        let within = |begun: &&Begun| begun.after <= after && after < begun.upto;
        let times = self.begun.iter().find(within).map_or(0, |begun| begun.times);
        self.begun.retain(|begun| begun.upto <= after);
        self.begun.push_back(Begun { after, upto, is_gone_on_with: false, times });
    }

    fn went_on(&mut self, after: u64) {
        let Some(begun) = self.begun.iter_mut().find(|begun| begun.after == after) else { return };
        if std::mem::replace(&mut begun.is_gone_on_with, true) {
            return;
        }
        begun.times = begun.times.saturating_add(1);
        if begun.times >= TIMES {
            let least = (self.most_bytes / LEAST_OF_MOST).max(1);
            self.bytes = (self.bytes / 2).max(least);
            let Begun { upto, times, .. } = *begun;
            tracing::info!(after, upto, times, next_bytes = self.bytes, "a part of the backlog is given once more");
        }
    }
}
