//! Every setting and every limit of a node, by name and unit, from one TOML file.
//!
//! Promises: an unknown key, a wrong unit or a contradiction between settings is refused before anything starts,
//! naming file, key, value and remedy. Every loop, queue, batch, wait and retry of the node has its limit here.
//! Refuses: reading anything but the one file; a default hidden elsewhere.

mod backfill;
mod dialin;
mod sanity;
mod spool;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

pub use backfill::Backfill;
pub use dialin::DialIn;
pub use sanity::Sanity;
pub use spool::WhenFull;

/// A node's settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who this node is and where it is reached.
    pub node: Node,
    /// The database the readings go to.
    #[serde(default)]
    pub mysql: Mysql,
    /// The consensus.
    #[serde(default)]
    pub raft: Raft,
    /// The right to speak on lines.
    #[serde(default)]
    pub lease: Lease,
    /// Who votes.
    #[serde(default)]
    pub membership: Membership,
    /// Which node gets which line.
    #[serde(default)]
    pub assigner: Assigner,
    /// The lines of this node.
    #[serde(default)]
    pub polling: Polling,
    /// The ports on which units call in.
    #[serde(default)]
    pub dialin: Vec<DialIn>,
    /// The units that called in.
    #[serde(default)]
    pub units: Units,
    /// What puts a reading in doubt.
    #[serde(default)]
    pub sanity: Sanity,
    /// How missed freezes are filled from meters' own history.
    #[serde(default)]
    pub backfill: Backfill,
    /// The outbox of this node.
    #[serde(default)]
    pub spool: Spool,
    /// What is asked of meters.
    #[serde(default)]
    pub commands: Commands,
    /// The console.
    #[serde(default)]
    pub admin: Admin,
    /// Listening to lines.
    #[serde(default)]
    pub trace: Trace,
    /// Looking for meters.
    #[serde(default)]
    pub survey: Survey,
    /// The accounts of due slots.
    #[serde(default)]
    pub ledger: Ledger,
}

/// Who this node is and where it is reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// The node's name for people; unique in the cluster.
    pub name: String,
    /// Where everything durable of this node is kept.
    pub data_dir: PathBuf,
    /// The one port, for nodes and consoles.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Where others reach this node, `host:port`; the listening address if absent.
    pub advertise: Option<String>,
    /// What lines may require of their node.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// A folder of meter profiles, beside those built in; the same on every node.
    #[serde(default)]
    pub profiles: Option<PathBuf>,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7400))
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

macro_rules! settings {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $field:ident : $type:ty = $default:expr),+ $(,)? }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name { $($(#[$inner])* pub $field: $type),+ }
        impl Default for $name {
            fn default() -> Self { Self { $($field: $default),+ } }
        }
    };
}

settings!(
    /// The database the readings go to.
    Mysql {
        /// `mysql://user:password@host:port/database`, tried in this order; empty: readings stay in the spools.
        endpoints: Vec<String> = Vec::new(),
        /// Whether connections are encrypted and the server has to show a certificate for the name in its endpoint.
        tls: bool = false,
        /// Who may have signed it: a PEM file; absent: the public authorities.
        tls_ca: Option<PathBuf> = None,
        /// What this node shows to a server that asks: a PEM file with a certificate and those between it and its authority.
        tls_certificate: Option<PathBuf> = None,
        /// The private key of that certificate: a PEM file.
        tls_key: Option<PathBuf> = None,
        /// For a connection to be made and greeted.
        #[serde(with = "humantime_serde")]
        connect_timeout: Duration = Duration::from_secs(5),
        /// For any one statement or batch.
        #[serde(with = "humantime_serde")]
        statement_timeout: Duration = Duration::from_secs(30),
        /// Rows in one transaction, at most.
        batch_rows: usize = 5_000,
        /// Connections that write at once, each its part of a batch.
        connections: usize = 2,
        /// How long the newest reading of each meter waits to be told to `reading_latest` while batches wait; the spools
        /// keep what was not told.
        #[serde(with = "humantime_serde")]
        latest_every: Duration = Duration::from_secs(1),
        /// How long the writer waits for a node's spool to have something.
        #[serde(with = "humantime_serde")]
        pull_wait: Duration = Duration::from_millis(500),
        /// First pause after a failed write.
        #[serde(with = "humantime_serde")]
        retry_min: Duration = Duration::from_millis(200),
        /// Longest pause after failed writes.
        #[serde(with = "humantime_serde")]
        retry_max: Duration = Duration::from_secs(5),
        /// Daily partitions made ahead.
        partitions_ahead: u32 = 14,
        /// For one statement that changes tables, and for another node that changes them to finish.
        #[serde(with = "humantime_serde")]
        migrate_timeout: Duration = Duration::from_secs(10 * 60),
        /// For a call to a node's spool, beyond the time it was asked to wait.
        #[serde(with = "humantime_serde")]
        pull_timeout: Duration = Duration::from_secs(10),
        /// Rows that are sorted before they are written, at most: rows of one meter side by side are less work for the server.
        gather_rows: usize = 120_000,
        /// Pulls of one node that wait to be written, at most.
        pulls_ahead: usize = 12,
        /// Pulls of one node that are written or wait to be, and that its spool still keeps, at most.
        pulls_unacknowledged: usize = 256,
        /// Pulls of all nodes between the pullers and the writing loop, at most: of fresh readings, and of a backlog.
        hand_over: usize = 36,
        /// A spool that holds so many records more than were pulled has a backlog: what comes after them is pulled beside it.
        lane_records: u64 = 20_000,
        /// How often fresh readings are pulled beside a backlog, at least.
        #[serde(with = "humantime_serde")]
        fresh_every: Duration = Duration::from_millis(500),
        /// Writes tried again on the same connection before it is given up.
        retries: u32 = 5,
        /// Commands waiting to be stored in the history, at most; more wait in turn.
        history_queue: usize = 16,
        /// How often the writer looks whether partitions have to be made.
        #[serde(with = "humantime_serde")]
        partitions_every: Duration = Duration::from_secs(3600),
        /// Readings are kept this long, in whole days; 0: for ever.
        #[serde(with = "humantime_serde")]
        retention: Duration = days(1096),
        /// Missed marks are kept this long, in whole days; 0: for ever.
        #[serde(with = "humantime_serde")]
        missed_retention: Duration = days(400),
        /// Raw frames of readings are kept this long, in whole days; 0: as long as their reading.
        #[serde(with = "humantime_serde")]
        raw_retention: Duration = Duration::ZERO,
        /// The keeper looks this often whether days and months have to be rolled up.
        #[serde(with = "humantime_serde")]
        keeper_every: Duration = Duration::from_secs(10),
        /// The keeper waits this long for a lock on a table before it gives way; nobody else gets in while it waits.
        #[serde(with = "humantime_serde")]
        keeper_lock_wait: Duration = Duration::from_secs(2),
        /// Chunks of the keeper in one look, at most.
        keeper_chunks: usize = 2_000,
        /// Days dropped in one look, at most.
        retention_drops: usize = 16,
        /// A day is rolled up for all meters this long after its end: longer than any transaction and any clock's error.
        #[serde(with = "humantime_serde")]
        rollup_grace: Duration = Duration::from_secs(15 * 60),
        /// A day that late readings came for is rolled up again when none came for this long.
        #[serde(with = "humantime_serde")]
        rollup_settle: Duration = Duration::from_secs(60),
        /// Meters rolled up in one transaction, at most.
        rollup_meters: usize = 500,
        /// Rows that an export asks for at once.
        export_page_rows: usize = 5_000,
        /// Meters that an export of some names in one question, at most.
        export_meters: usize = 1_000,
    }
);

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

settings!(
    /// The outbox of this node.
    Spool {
        /// What the records in it may come to; what happens on the way there says `spool.when_full`.
        max_bytes: ByteSize = ByteSize::gib(64),
        /// How long its oldest record may wait; it counts like the bytes, and the worse of the two decides.
        #[serde(with = "humantime_serde")]
        max_age: Duration = Duration::from_secs(30 * 24 * 3600),
        /// What happens near the bounds: `slow-down`, or `stop` (full rate up to the bound, there lines wait).
        when_full: WhenFull = WhenFull::SlowDown,
        /// From here on reads that people ask for end unread, percent of the bound.
        pressure_percent: u32 = 70,
        /// From here on meters are read at a reduced rate, percent of the bound.
        slow_percent: u32 = 85,
        /// At the reduced rate each meter is read in one of so many slots.
        slow_every: u32 = 4,
        /// A step is left once the spool is so far below where it begins, percent of the bound.
        relief_percent: u32 = 5,
        /// Of `spool.max_bytes` this much takes marks of missed slots and no readings, percent.
        reserve_percent: u32 = 5,
        /// Records in one durable commit, at most.
        batch_records: usize = 256,
        /// Records waiting to be made durable, at most; more wait in turn.
        queue: usize = 1_024,
        /// Records in one pull of the leader, at most.
        pull_records: u32 = 5_000,
        /// Bytes in one pull of the leader, and in one record, at most.
        pull_bytes: ByteSize = ByteSize::mib(4),
        /// A pull waits for the first record this long, at most.
        #[serde(with = "humantime_serde")]
        pull_wait_max: Duration = Duration::from_secs(10),
        /// Memory for the file's pages, at most.
        cache_bytes: ByteSize = ByteSize::mib(32),
    }
);

settings!(
    /// What is asked of meters.
    Commands {
        /// Where a command names no deadline.
        #[serde(with = "humantime_serde")]
        deadline: Duration = Duration::from_secs(15 * 60),
        /// The longest deadline that may be asked for.
        #[serde(with = "humantime_serde")]
        deadline_max: Duration = Duration::from_secs(7 * 24 * 3600),
        /// How long a valve may travel before it counts as stuck.
        #[serde(with = "humantime_serde")]
        valve_travel: Duration = Duration::from_secs(90),
        /// From read-back to read-back.
        #[serde(with = "humantime_serde")]
        read_back_every: Duration = Duration::from_secs(1),
        /// Attempts at a command safe to repeat, at most, by one owner.
        attempts: u32 = 5,
        /// Pause between attempts.
        #[serde(with = "humantime_serde")]
        attempt_pause: Duration = Duration::from_secs(2),
        /// Open commands in the cluster, at most.
        open_max: usize = 100_000,
        /// How often the leader looks for late and ended commands.
        #[serde(with = "humantime_serde")]
        every: Duration = Duration::from_millis(500),
        /// Ended commands stay in the replicated state at least this long.
        #[serde(with = "humantime_serde")]
        keep_ended: Duration = Duration::from_secs(600),
    }
);

settings!(
    /// The console.
    Admin {
        /// Rows of one import, at most.
        import_rows: usize = 20_000,
        /// Schedule policies, at most: each is looked at for every meter that has no schedule of its own.
        policies: usize = 256,
        /// Rows of one page where none is asked for.
        page_rows: u32 = 100,
        /// Rows of one page, at most.
        page_rows_max: u32 = 10_000,
        /// The largest request of a console.
        message_bytes: ByteSize = ByteSize::mib(16),
        /// Changes kept for a slow watcher before it is cut off.
        watch_queue: usize = 1_024,
        /// How long a full queue waits for its watcher before it is cut off.
        #[serde(with = "humantime_serde")]
        watch_patience: Duration = Duration::from_secs(5),
        /// Watchers at once, at most.
        watchers: usize = 256,
        /// Answers a second to a watcher of the status, at most.
        status_per_second: u32 = 10,
        /// A spool whose oldest record is older than this is a problem on the status screen.
        #[serde(with = "humantime_serde")]
        spool_age_warning: Duration = Duration::from_secs(60),
        /// Lines that cannot meet their schedules, told by name at once, at most.
        overloaded_shown: usize = 5,
        /// Events kept for the status screen.
        events: usize = 100,
        /// For one call, at most.
        #[serde(with = "humantime_serde")]
        call_timeout: Duration = Duration::from_secs(30),
        /// Exports on this node at once, at most; each has a connection to the database.
        exports: usize = 2,
        /// Rows in one part of an export, at most.
        export_part_rows: usize = 1_000,
        /// Bytes in one part of an export, at most.
        export_part_bytes: ByteSize = ByteSize::kib(512),
        /// Parts kept for whoever takes them more slowly than the database gives them; with that many it rests.
        export_queue: usize = 4,
        /// How long that may last before the export is ended.
        #[serde(with = "humantime_serde")]
        export_patience: Duration = Duration::from_secs(5 * 60),
    }
);

settings!(
    /// Listening to lines.
    Trace {
        /// Pieces kept for a listener that is slower than its line; more are lost, and their number is told.
        queue: usize = 1_024,
        /// Listeners on this node's lines at once, at most.
        listeners: usize = 16,
        /// Pause before a line whose owner let go of it is listened to again.
        #[serde(with = "humantime_serde")]
        follow_pause: Duration = Duration::from_millis(200),
        /// A trace ends when its line had no owner that could be listened to for this long.
        #[serde(with = "humantime_serde")]
        follow_limit: Duration = Duration::from_secs(60),
    }
);

settings!(
    /// Looking for meters.
    Survey {
        /// Scans on this node's lines at once, at most; one on each line.
        at_once: usize = 8,
        /// The longest scan.
        #[serde(with = "humantime_serde")]
        longest: Duration = Duration::from_secs(2 * 3600),
        /// Probes of one scan, at most.
        probes: u32 = 20_000,
        /// Reports kept for whoever asked; with that many the scan rests.
        queue: usize = 64,
    }
);

settings!(
    /// The accounts of due slots.
    Ledger {
        /// How often the leader carries them on.
        #[serde(with = "humantime_serde")]
        every: Duration = Duration::from_secs(5),
        /// A slot is closed at the earliest this long after it was over: what was decided meanwhile is known by then.
        #[serde(with = "humantime_serde")]
        grace: Duration = Duration::from_secs(60),
        /// A node that is silent keeps slots open that its spool may have, for this long.
        #[serde(with = "humantime_serde")]
        silent_node_limit: Duration = Duration::from_secs(3600),
        /// The moments of schedules are made ahead this far.
        #[serde(with = "humantime_serde")]
        ahead: Duration = Duration::from_secs(2 * 86_400),
        /// Slots and duties older than this are dropped; those of days that `reading` no longer has are, too.
        #[serde(with = "humantime_serde")]
        keep: Duration = Duration::from_secs(400 * 86_400),
        /// Rows in one transaction, at most.
        batch_rows: usize = 5_000,
        /// Moments of schedules made or dropped at one look, at most; more at the next.
        slots_per_look: usize = 50_000,
        /// Moments closed in one transaction, at most; those that are over together stay together.
        moments_per_sweep: u32 = 4,
        /// Sweeps at one look, at most; more at the next.
        sweeps_per_look: u32 = 100,
        /// For one statement, also of a console's question.
        #[serde(with = "humantime_serde")]
        statement_timeout: Duration = Duration::from_secs(25),
        /// How often what was closed is counted again.
        #[serde(with = "humantime_serde")]
        check_every: Duration = Duration::from_secs(600),
        /// What is counted then: this long before the horizon.
        #[serde(with = "humantime_serde")]
        check_span: Duration = Duration::from_secs(3600),
        /// A horizon further back than this is a problem on the status screen.
        #[serde(with = "humantime_serde")]
        lag_warning: Duration = Duration::from_secs(900),
        /// Groups of one answer, at most.
        groups_max: u32 = 10_000,
    }
);

/// Above this a clock is so wrong that its node gets no lines; two nodes may be wrong in either direction.
const CLOCKS_APART: Duration = Duration::from_secs(60);
/// Statements of one transaction, each as long as it may be, with room.
const STATEMENTS: u32 = 10;

impl Mysql {
    fn contradiction(&self) -> Option<(&'static str, String, String)> {
        let kept = [
            ("mysql.retention", self.retention),
            ("mysql.missed_retention", self.missed_retention),
            ("mysql.raw_retention", self.raw_retention),
        ];
        if let Some((key, span)) = kept.into_iter().find(|(_, span)| span.as_secs() % days(1).as_secs() != 0) {
            return Some((key, format!("{span:?}"), "has to be whole days".to_owned()));
        }
        if let Some((key, path)) = self.tls_file_without_use() {
            let remedy = "needs mysql.tls = true, and certificate and key need each other".to_owned();
            return Some((key, path, remedy));
        }
        if self.keeper_every.is_zero() {
            return Some(("mysql.keeper_every", "0".to_owned(), "has to be longer".to_owned()));
        }
        let longest = self.statement_timeout * STATEMENTS + CLOCKS_APART;
        let remedy = format!("has to be at least ten times mysql.statement_timeout and a minute = {longest:?}");
        (self.rollup_grace < longest).then(|| ("mysql.rollup_grace", format!("{:?}", self.rollup_grace), remedy))
    }

    /// The first file that is named and would not be used.
    fn tls_file_without_use(&self) -> Option<(&'static str, String)> {
        let files = [
            ("mysql.tls_ca", &self.tls_ca, self.tls),
            ("mysql.tls_certificate", &self.tls_certificate, self.tls && self.tls_key.is_some()),
            ("mysql.tls_key", &self.tls_key, self.tls && self.tls_certificate.is_some()),
        ];
        files
            .into_iter()
            .filter(|(_, _, used)| !used)
            .find_map(|(key, path, _)| Some((key, path.as_ref()?.display().to_string())))
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not understood; the text names line, key and value.
    #[error("configuration {path}: {source}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A setting contradicts another or its own bounds.
    #[error("configuration {path}: {key} = {value}: {remedy}")]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The setting.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it has to be.
        remedy: String,
    },
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let config: Self = toml::from_str(&text)
            .map_err(|source| ConfigError::Malformed { path: path.to_owned(), source: Box::new(source) })?;
        config.contradiction().map_or(Ok(config), |(key, value, remedy)| {
            Err(ConfigError::Contradiction { path: path.to_owned(), key, value, remedy })
        })
    }

    /// The first setting that cannot stand beside the others: its key, value, and what it has to be.
    fn contradiction(&self) -> Option<(&'static str, String, String)> {
        let lease = &self.lease;
        let span = |d: Duration| format!("{d:?}");
        let margin = lease.dead_after.saturating_sub(lease.length);
        if self.node.name.trim().is_empty() {
            return Some(("node.name", "\"\"".to_owned(), "has to name the node".to_owned()));
        }
        if lease.heartbeat * 2 > lease.length {
            let remedy = format!("has to be at most half of lease.length = {:?}", lease.length);
            return Some(("lease.heartbeat", span(lease.heartbeat), remedy));
        }
        if lease.quorum_fresh >= margin {
            let remedy = format!("has to be less than lease.dead_after - lease.length = {margin:?}");
            return Some(("lease.quorum_fresh", span(lease.quorum_fresh), remedy));
        }
        if lease.quorum_every * 2 > lease.quorum_fresh {
            let remedy = format!("has to be at most half of lease.quorum_fresh = {:?}", lease.quorum_fresh);
            return Some(("lease.quorum_every", span(lease.quorum_every), remedy));
        }
        if self.raft.election_min < self.raft.heartbeat * 3 || self.raft.election_max <= self.raft.election_min {
            let remedy = "has to be at least three heartbeats, and less than raft.election_max".to_owned();
            return Some(("raft.election_min", span(self.raft.election_min), remedy));
        }
        let speaks_late = self.polling.unacked_limit + self.polling.speak_margin;
        if speaks_late + lease.heartbeat * 2 >= lease.length {
            let remedy = format!("with two heartbeats has to be less than lease.length = {:?}", lease.length);
            return Some(("polling.unacked_limit", span(self.polling.unacked_limit), remedy));
        }
        let speaks_late = self.units.unacked_limit + self.polling.speak_margin;
        if !self.dialin.is_empty() && speaks_late + lease.heartbeat * 2 >= lease.length {
            let remedy = format!("with two heartbeats has to be less than lease.length = {:?}", lease.length);
            return Some(("units.unacked_limit", span(self.units.unacked_limit), remedy));
        }
        if let Some(wrong) = self.mysql.contradiction() {
            return Some(wrong);
        }
        if let Some(wrong) = self.dialin.iter().find_map(DialIn::contradiction) {
            return Some(wrong);
        }
        if let Some(wrong) = self.sanity.contradiction() {
            return Some(wrong);
        }
        if let Some(wrong) = self.spool.contradiction() {
            return Some(wrong);
        }
        if let Some(wrong) = self.backfill.contradiction(self.mysql.retention) {
            return Some(wrong);
        }
        if self.membership.voters.is_multiple_of(2) {
            let remedy = "has to be odd".to_owned();
            return Some(("membership.voters", self.membership.voters.to_string(), remedy));
        }
        if self.spool.pull_bytes.as_u64().saturating_mul(2) > self.raft.message_bytes.as_u64() {
            let remedy = format!("has to be at most half of raft.message_bytes = {}", self.raft.message_bytes);
            return Some(("spool.pull_bytes", self.spool.pull_bytes.to_string(), remedy));
        }
        let kept = self.polling.silent_share_percent.saturating_add(self.polling.command_share_percent);
        if kept >= 100 {
            let remedy =
                "with polling.silent_share_percent has to be less than 100: something has to be left for readings";
            let value = self.polling.command_share_percent.to_string();
            return Some(("polling.command_share_percent", value, remedy.to_owned()));
        }
        let undecided = lease.clock_limit + self.raft.propose_timeout;
        if self.ledger.grace < undecided {
            let remedy = format!("has to be at least lease.clock_limit + raft.propose_timeout = {undecided:?}");
            return Some(("ledger.grace", span(self.ledger.grace), remedy));
        }
        if self.ledger.ahead < self.ledger.every * 4 {
            let remedy = format!("has to be at least four times ledger.every = {:?}", self.ledger.every);
            return Some(("ledger.ahead", span(self.ledger.ahead), remedy));
        }
        self.zero_limit().map(|key| (key, "0".to_owned(), "has to be at least 1".to_owned()))
    }

    /// The first limit that is zero, where zero would stop the node.
    fn zero_limit(&self) -> Option<&'static str> {
        let limits = [
            ("mysql.batch_rows", self.mysql.batch_rows),
            ("mysql.rollup_meters", self.mysql.rollup_meters),
            ("mysql.keeper_chunks", self.mysql.keeper_chunks),
            ("mysql.retention_drops", self.mysql.retention_drops),
            ("mysql.connections", self.mysql.connections),
            ("mysql.gather_rows", self.mysql.gather_rows),
            ("mysql.pulls_ahead", self.mysql.pulls_ahead),
            ("mysql.pulls_unacknowledged", self.mysql.pulls_unacknowledged),
            ("mysql.lane_records", self.mysql.lane_records as usize),
            ("mysql.hand_over", self.mysql.hand_over),
            ("mysql.history_queue", self.mysql.history_queue),
            ("spool.batch_records", self.spool.batch_records),
            ("spool.queue", self.spool.queue),
            ("spool.pull_records", self.spool.pull_records as usize),
            ("admin.import_rows", self.admin.import_rows),
            ("admin.overloaded_shown", self.admin.overloaded_shown),
            ("admin.policies", self.admin.policies),
            ("admin.watch_queue", self.admin.watch_queue),
            ("admin.watchers", self.admin.watchers),
            ("admin.exports", self.admin.exports),
            ("admin.export_part_rows", self.admin.export_part_rows),
            ("admin.export_queue", self.admin.export_queue),
            ("mysql.export_page_rows", self.mysql.export_page_rows),
            ("mysql.export_meters", self.mysql.export_meters),
            ("admin.status_per_second", self.admin.status_per_second as usize),
            ("assigner.moves_per_entry", self.assigner.moves_per_entry),
            ("polling.attempts_per_slot", self.polling.attempts_per_slot as usize),
            ("commands.attempts", self.commands.attempts as usize),
            ("polling.closed_slots", self.polling.closed_slots),
            ("polling.releases_per_entry", self.polling.releases_per_entry),
            ("polling.proposals", self.polling.proposals),
            ("polling.proposals_queue", self.polling.proposals_queue),
            ("polling.commands_per_line", self.polling.commands_per_line),
            ("trace.queue", self.trace.queue),
            ("survey.queue", self.survey.queue),
            ("survey.probes", self.survey.probes as usize),
            ("units.units_per_entry", self.units.units_per_entry),
            ("units.pieces", self.units.pieces),
            ("sanity.power_max_kw", self.sanity.power_max_kw as usize),
            ("sanity.flow_max_m3h", self.sanity.flow_max_m3h as usize),
            ("backfill.per_answer", self.backfill.per_answer as usize),
            ("backfill.meters_per_ask", self.backfill.meters_per_ask),
            ("backfill.freezes_per_ask", self.backfill.freezes_per_ask as usize),
            ("backfill.attempts", self.backfill.attempts as usize),
            ("sanity.own_factor", self.sanity.own_factor as usize),
            ("sanity.own_power_floor_kw", self.sanity.own_power_floor_kw as usize),
            ("sanity.own_flow_floor_m3h", self.sanity.own_flow_floor_m3h as usize),
            ("ledger.batch_rows", self.ledger.batch_rows),
            ("ledger.slots_per_look", self.ledger.slots_per_look),
            ("ledger.moments_per_sweep", self.ledger.moments_per_sweep as usize),
            ("ledger.sweeps_per_look", self.ledger.sweeps_per_look as usize),
            ("ledger.groups_max", self.ledger.groups_max as usize),
        ];
        limits.into_iter().find(|(_, value)| *value == 0).map(|(key, _)| key)
    }

    /// Where others reach this node, `host:port`.
    pub fn advertise(&self) -> String {
        self.node.advertise.clone().unwrap_or_else(|| self.node.listen.to_string())
    }
}
