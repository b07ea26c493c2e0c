//! Which node gets which line: a pure function of what the leader knows, and the duty that carries it out.
//!
//! ```text
//!   plan(view) = orphans and lines of dead nodes   -> Assign, to the least loaded node that may have them
//!              + lines of draining nodes           -> Revoke (their owner lets go in words: no waiting)
//!              + if imbalance lasted: the fewest moves that mend it  -> Revoke
//! ```
//!
//! Promises: the same view gives the same plan; a line of a node that may still hold a lease is never given away; moves
//! of one cause go into few entries. Refuses: clocks and dice in the plan.

mod duty;
mod plan;

pub use duty::Assigner;
