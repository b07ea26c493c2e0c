//! The lines of a node against simulated meters on real sockets and pseudo-terminals, and a cluster of one state.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod field;
mod rig;

mod arrival;
mod backfill;
mod channels;
mod commands;
mod ownership;
mod pressure;
mod readings;
mod scans;
mod silence;
mod traces;
mod watchdog;
