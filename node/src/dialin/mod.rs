//! The units that called this node.
//!
//! ```text
//!   Listener --> Call (one per connection) --> Directory --> Attached     polling: the line speaks and hears
//!                  registers, echoes            who is here
//!                  hears, until idle                 |
//!                                                 Herald                  tells the cluster who is here, batched;
//!                                                                         says who is a unit of which line
//! ```
//!
//! A unit's line follows it: what the [`Herald`] has agreed in the replicated state, the assigner acts on. Nothing here
//! speaks to a meter: only [`Attached`] writes frames, and whoever holds it asks lease and epoch first. What a call says
//! by itself (a packet acknowledged, a heartbeat echoed) is for the unit, which is connected here and nowhere else.
//!
//! Promises: one connection per unit, the newest; a node that may not hold lines (no lease, draining, about to stop) has
//! no units either, so that they call another; a connection is closed with whatever the kernel has not sent of it; every
//! queue and wait has a bound, and one unit's babble is nobody else's. Refuses: deciding who owns a line.

mod call;
mod directory;
mod herald;
mod listener;
#[cfg(test)]
mod tests;
mod unit;
mod unknown;

pub(crate) use directory::Directory;
pub(crate) use herald::Herald;
pub(crate) use listener::Listener;
pub(crate) use unit::Attached;
