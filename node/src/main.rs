//! The hearth daemon and its command line.

mod admin;
mod capacity;
mod cli;
mod clock;
mod cluster;
mod config;
mod daemon;
mod dialin;
mod leader;
mod metrics;
mod mysql;
mod polling;
mod profiles;
mod spool;
mod survey;
mod timetable;
mod trace;

fn main() -> std::process::ExitCode {
    cli::run()
}
