//! What the nodes agree by, and who of them does what: consensus, leases, votes, lines.
//!
//! Promises: each number has its unit in its name or text. Refuses: judging.

use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

settings!(
    /// The consensus.
    Raft {
        /// The leader's heartbeat to its followers.
        #[serde(with = "humantime_serde")]
        heartbeat: Duration = Duration::from_millis(100),
        /// A follower calls an election when it has not heard the leader for `election_max`, and then for a time by
        /// chance that is at least this long.
        #[serde(with = "humantime_serde")]
        election_min: Duration = Duration::from_millis(300),
        /// And at most this long. For this long after a leader was heard nobody else gets a vote.
        #[serde(with = "humantime_serde")]
        election_max: Duration = Duration::from_millis(500),
        /// A snapshot is taken every so many entries.
        snapshot_every: u64 = 10_000,
        /// Entries kept behind a snapshot for followers that lag.
        keep_entries: u64 = 2_000,
        /// For a snapshot to be sent to a follower.
        #[serde(with = "humantime_serde")]
        snapshot_timeout: Duration = Duration::from_secs(60),
        /// Entries in one append, at most.
        append_entries: u64 = 300,
        /// For a proposal to be committed, before its proposer is told that the outcome is unknown.
        #[serde(with = "humantime_serde")]
        propose_timeout: Duration = Duration::from_secs(10),
        /// For a call to another node to be connected.
        #[serde(with = "humantime_serde")]
        connect_timeout: Duration = Duration::from_millis(500),
        /// The largest message between nodes.
        message_bytes: ByteSize = ByteSize::mib(32),
    }
);

settings!(
    /// The right to speak on lines (semantics, "Owning a line").
    Lease {
        /// From heartbeat to heartbeat of a node to the leader.
        #[serde(with = "humantime_serde")]
        heartbeat: Duration = Duration::from_millis(500),
        /// How long an answered heartbeat lets a node use its lines, from the moment it was sent.
        #[serde(with = "humantime_serde")]
        length: Duration = Duration::from_secs(4),
        /// The leader gives a node's lines away this long after the last heartbeat it received from it.
        #[serde(with = "humantime_serde")]
        dead_after: Duration = Duration::from_secs(5),
        /// The leader answers heartbeats only this long after its quorum last confirmed it.
        #[serde(with = "humantime_serde")]
        quorum_fresh: Duration = Duration::from_millis(800),
        /// How often the leader has its quorum confirm it.
        #[serde(with = "humantime_serde")]
        quorum_every: Duration = Duration::from_millis(200),
        /// For one heartbeat to be answered.
        #[serde(with = "humantime_serde")]
        heartbeat_timeout: Duration = Duration::from_millis(1000),
        /// A wall clock further off than this is a warning.
        #[serde(with = "humantime_serde")]
        clock_warning: Duration = Duration::from_secs(2),
        /// A node whose wall clock is further off than this gets no lines.
        #[serde(with = "humantime_serde")]
        clock_limit: Duration = Duration::from_secs(30),
        /// The watchdog closes all lines if the runtime did not move for this long past the lease.
        #[serde(with = "humantime_serde")]
        watchdog_every: Duration = Duration::from_millis(100),
    }
);

settings!(
    /// Who votes.
    Membership {
        /// Voters, at most; odd.
        voters: usize = 5,
        /// A node votes after it was caught up and heard from for this long.
        #[serde(with = "humantime_serde")]
        stable_for: Duration = Duration::from_secs(10),
        /// A caught-up node lacks at most this many entries.
        caught_up_entries: u64 = 100,
        /// How often the leader looks at its membership.
        #[serde(with = "humantime_serde")]
        every: Duration = Duration::from_millis(500),
    }
);

settings!(
    /// Which node gets which line.
    Assigner {
        /// How often the leader looks at the assignment.
        #[serde(with = "humantime_serde")]
        every: Duration = Duration::from_millis(200),
        /// Lines are moved only if the fullest node carries this many percent more than the emptiest.
        imbalance_percent: u32 = 20,
        /// And only if that lasted this long.
        #[serde(with = "humantime_serde")]
        imbalance_for: Duration = Duration::from_secs(3),
        /// Moves in one log entry, at most.
        moves_per_entry: usize = 2_000,
        /// Planned moves under way at once, at most.
        moves_under_way: usize = 500,
    }
);
