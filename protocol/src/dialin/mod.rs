//! Units that call in: how they say who they are, and how their own words are told from those of their meters.
//!
//! ```text
//!   bytes of a connection --> Intake --> Registered(id)
//!                               |        Data      as it came: nothing is ever taken out of it here
//!                               |        Answer    for the unit itself: a packet acknowledged
//!                               +------> Farewell, Stranger
//!   Data --> Sifted(Exchange)            an answer with the unit's words inside is read without them, where that
//!                                        is the only way to read it
//! ```
//!
//! Promises: no I/O, no clock; work and memory per byte are bounded; whatever a connection sends, the answer of a meter
//! is read right or not at all. Refuses: knowing which line a unit is.

mod intake;
pub mod packet;
mod pattern;
mod sifted;

pub use intake::{Heard, Heartbeat, Intake, Manner, Wrapper};
pub use pattern::{Fit, Pattern, PatternFault};
pub use sifted::Sifted;
