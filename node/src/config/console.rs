//! What people ask for: the console, commands, traces, scans.
//!
//! Promises: each number has its unit in its name or text. Refuses: judging.

use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

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
        /// Committed readings kept for a watcher that has not taken them, before it is cut off; never less than
        /// `mysql.gather_rows`.
        watch_records: usize = 250_000,
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
