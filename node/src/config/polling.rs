//! The lines of a node, and the units that called it.
//!
//! Promises: each number has its unit in its name or text. Refuses: judging.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

settings!(
    /// The lines of this node.
    Polling {
        /// Connections to gateways leave from this address; the system's choice if absent.
        source: Option<IpAddr> = None,
        /// For a gateway to be connected.
        #[serde(with = "humantime_serde")]
        connect_timeout: Duration = Duration::from_secs(3),
        /// First pause after a line went down.
        #[serde(with = "humantime_serde")]
        reconnect_min: Duration = Duration::from_millis(200),
        /// Longest pause after a line went down.
        #[serde(with = "humantime_serde")]
        reconnect_max: Duration = Duration::from_secs(30),
        /// One exchange, at most, whatever the meter does.
        #[serde(with = "humantime_serde")]
        exchange_limit: Duration = Duration::from_secs(60),
        /// A meter without an answer in this many slots is silent, and is probed with back-off.
        silent_after: u32 = 3,
        /// A silent meter is probed at least once in this many slots.
        silent_probe_slots: u32 = 16,
        /// Silent meters together may take this much of their line's time, percent.
        silent_share_percent: u32 = 20,
        /// Of a line's time this much is kept for commands, percent, when it is judged whether its schedules fit.
        command_share_percent: u32 = 5,
        /// Attempts to read one meter in one slot, at most.
        attempts_per_slot: u32 = 3,
        /// A line's own stop, when it is asked to.
        #[serde(with = "humantime_serde")]
        stop_limit: Duration = Duration::from_secs(10),
        /// Slots that begin together are begun within this share of their time on time, percent: every line, and on it
        /// every meter, at its own moment.
        spread_percent: u32 = 2,
        /// And within this time at most.
        #[serde(with = "humantime_serde")]
        spread_max: Duration = Duration::from_secs(10),
        /// Longest pause between two attempts at one slot.
        #[serde(with = "humantime_serde")]
        retry_pause_max: Duration = Duration::from_secs(60),
        /// Slots closed at one look, at most; more are closed at the next.
        closed_slots: usize = 1_000,
        /// Lines taken at one moment start this far apart.
        #[serde(with = "humantime_serde")]
        start_pace: Duration = Duration::from_millis(1),
        /// The last of them starts after this long.
        #[serde(with = "humantime_serde")]
        start_spread: Duration = Duration::from_secs(3),
        /// A line looks at its schedule at least this often, so that a clock that was set is noticed.
        #[serde(with = "humantime_serde")]
        look_every: Duration = Duration::from_secs(1),
        /// A line without a lease asks for it this often.
        #[serde(with = "humantime_serde")]
        lease_look: Duration = Duration::from_millis(100),
        /// Added to the time a transmission takes, when the lease is asked whether there is time for it.
        #[serde(with = "humantime_serde")]
        speak_margin: Duration = Duration::from_millis(20),
        /// Added to the pause that ends a frame on a serial port: adapters hand bytes on in pieces.
        #[serde(with = "humantime_serde")]
        gap_allowance: Duration = Duration::from_millis(50),
        /// A gateway that acknowledges nothing for this long is down; what was not sent by then is never sent. A
        /// transmission to a gateway needs a lease that runs this much longer.
        #[serde(with = "humantime_serde")]
        unacked_limit: Duration = Duration::from_secs(1),
        /// Lines in one entry that lets go of them, at most.
        releases_per_entry: usize = 2_000,
        /// Pause before letting go is proposed again.
        #[serde(with = "humantime_serde")]
        release_retry: Duration = Duration::from_millis(500),
        /// Proposals of this node's lines under way at once, at most.
        proposals: usize = 64,
        /// Proposals that wait for their turn, at most; more wait at their line.
        proposals_queue: usize = 1_024,
        /// Commands under way on one line at once, at most.
        commands_per_line: usize = 16,
    }
);

settings!(
    /// The units that called in.
    Units {
        /// What units do is told to the cluster in one entry for as long as this.
        #[serde(with = "humantime_serde")]
        gather: Duration = Duration::from_millis(100),
        /// Units in one such entry, at most.
        units_per_entry: usize = 2_000,
        /// Pause before what was not committed is told again.
        #[serde(with = "humantime_serde")]
        retry: Duration = Duration::from_millis(500),
        /// Units without a line that are remembered, at most; the oldest are forgotten.
        unknown_kept: usize = 1_000,
        /// Units without a line that are shown, at most; the newest are.
        unknown_shown: usize = 20,
        /// Pieces of a unit's answer that wait for its line, at most; more are lost, and asked for again.
        pieces: usize = 64,
        /// A unit that acknowledges nothing for this long is gone; what was not sent by then is never sent. A
        /// transmission to a unit needs a lease that runs this much longer.
        #[serde(with = "humantime_serde")]
        unacked_limit: Duration = Duration::from_millis(2_500),
        /// For a few bytes to a unit itself: a packet acknowledged, a heartbeat echoed.
        #[serde(with = "humantime_serde")]
        answer_limit: Duration = Duration::from_secs(1),
        /// Pause after the system gave no connection.
        #[serde(with = "humantime_serde")]
        accept_pause: Duration = Duration::from_millis(100),
        /// A unit whose line is being asked something is let finish for this long before the node lets it go.
        #[serde(with = "humantime_serde")]
        leave_limit: Duration = Duration::from_secs(5),
    }
);
