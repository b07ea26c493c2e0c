//! A stranger to hearth: simulated meters with a ledger of truth, and the judge that holds the promises against it.
//!
//! ```text
//!   field   lines of simulated meters on real sockets and terminals --writes--> ledger
//!   judge   ledger + the product's tables  ---------------------------------->  kept | broken
//!   failover   field + real processes of the product, killed  -------------->  how long, kept | broken
//!   efficiency   field + one real process       ---------------------->  how much of a line's time is used
//!   drain        real processes and a database, spools filled before  ---->  rows a second, beside LOAD DATA
//!   steady       real processes and a database, a field in a process of its own -->  line to row, processors, memory
//!   search       field + one real process       ---------------------->  how many probes, how long, all found
//! ```
//!
//! Promises: knows the product only by its wires, its import files and its tables. Refuses: linking it.

pub mod clock;
pub mod cluster;
pub mod cpu;
pub mod drain;
pub mod efficiency;
pub mod failover;
pub mod field;
pub mod judge;
pub mod ledger;
pub mod search;
pub mod steady;
