//! A MariaDB server of the tests' own, or any server that `HEARTH_TEST_DATABASE` names (`mysql://user:password@host:port`).
//!
//! Promises: its own server listens on the loopback only, keeps its files in a folder of its own, and is gone with the last
//! test that uses it; every test has a database to itself, which is dropped after it. Where there is no server a test
//! says that it was skipped; under `CI=true` it fails instead. A test that has to stop a server, or to change what
//! others see of it, says that it was skipped on a named one.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Row};
use tempfile::TempDir;

use super::writer::Statement;
use super::{Database, Writer};
use crate::config;

mod galera;

pub(crate) use galera::Galera;

const START_LIMIT: Duration = Duration::from_secs(60);

const NAMED: &str = "HEARTH_TEST_DATABASE";

/// A server that runs until it is dropped.
struct Server {
    /// `mysql://user:password@host:port`
    root: String,
    own: Option<Own>,
}

/// The files and the process of a server of the tests' own.
struct Own {
    dir: TempDir,
    port: u16,
    args: Vec<String>,
    /// A folder of programs it may call.
    programs: Option<PathBuf>,
    process: Mutex<Option<Child>>,
}

/// An empty database on a server.
pub(crate) struct Place {
    server: Arc<Server>,
    name: String,
}

static SHARED: tokio::sync::Mutex<Weak<Server>> = tokio::sync::Mutex::const_new(Weak::new());
static PLACES: AtomicU32 = AtomicU32::new(0);

impl Place {
    /// On the server that all tests running now share; `None` where no MariaDB is installed.
    pub(crate) async fn shared() -> Option<Self> {
        let mut shared = SHARED.lock().await;
        let server = match shared.upgrade() {
            Some(server) => server,
            None => Arc::new(Server::start(Vec::new()).await?),
        };
        *shared = Arc::downgrade(&server);
        drop(shared);
        Some(Self::on(server).await)
    }

    /// On a server of its own, which may be stopped and whose settings may be changed.
    pub(crate) async fn alone() -> Option<Self> {
        Self::alone_with(Vec::new()).await
    }

    /// On a server of its own that is started with these arguments.
    pub(crate) async fn alone_with(args: Vec<String>) -> Option<Self> {
        if std::env::var_os(NAMED).is_some() {
            eprintln!("skipped: the server of {NAMED} is not to be stopped or changed");
            return None;
        }
        Some(Self::on(Arc::new(Server::start(args).await?)).await)
    }

    /// On a server whose settings may be changed.
    pub(crate) async fn settable() -> Option<Self> {
        Self::alone().await
    }

    async fn on(server: Arc<Server>) -> Self {
        let name = format!("hearth{}_{}", std::process::id(), PLACES.fetch_add(1, Ordering::SeqCst));
        server.sql("", &format!("CREATE DATABASE {name}")).await;
        Self { server, name }
    }

    /// Ends the server at once, as a crash would.
    pub(crate) fn stop(&self) {
        self.server.own.as_ref().unwrap().stop();
    }

    /// The folder of its files, on a server of its own.
    pub(crate) fn files(&self) -> PathBuf {
        self.server.own.as_ref().unwrap().dir.path().join("data").join(&self.name)
    }

    /// The ways rows can go to it.
    pub(crate) async fn writers(&self) -> Vec<Writer> {
        let bulk = self.is_mariadb().await.then_some(Statement::Bulk);
        let files = (self.sql("SELECT @@local_infile").await == ["1"]).then_some(true);
        let statements = bulk.into_iter().chain([Statement::Text]);
        let ways = statements
            .flat_map(|statement| files.into_iter().chain([false]).map(move |files| Writer { files, statement }));
        ways.collect()
    }

    pub(crate) async fn is_mariadb(&self) -> bool {
        self.sql("SELECT VERSION()").await.concat().to_ascii_lowercase().contains("mariadb")
    }

    /// Starts it again, on the same port and files.
    pub(crate) async fn resume(&self) {
        self.server.own.as_ref().unwrap().resume().await;
    }

    /// `mysql://user:password@..` of this database for `user`, as in `root` or `me:secret`.
    pub(crate) fn url(&self, user: &str) -> String {
        let host = self.server.root.rsplit_once('@').unwrap().1;
        Server { root: format!("mysql://{user}@{host}"), own: None }.url(&self.name)
    }

    /// The port of its server, which is the tests' own.
    pub(crate) fn port(&self) -> u16 {
        self.server.own.as_ref().unwrap().port
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Settings that name this database.
    pub(crate) fn config(&self) -> config::Mysql {
        config::Mysql { endpoints: vec![self.server.url(&self.name)], ..config::Mysql::default() }
    }

    /// A connection to it, with all tables made.
    pub(crate) async fn migrated(&self) -> Database {
        let mut database = Database::connect(&self.config()).await.unwrap();
        database.migrate().await.unwrap();
        database
    }

    /// Runs a statement; its rows with columns joined by `|`.
    pub(crate) async fn sql(&self, statement: &str) -> Vec<String> {
        self.server.sql(&self.name, statement).await
    }
}

impl Server {
    async fn start(args: Vec<String>) -> Option<Self> {
        if let Ok(root) = std::env::var(NAMED) {
            let root = root.trim_end_matches('/').to_owned();
            return Some(Self { root, own: None });
        }
        let own = Own::start(args).await?;
        Some(Self { root: own.root(), own: Some(own) })
    }

    fn url(&self, database: &str) -> String {
        format!("{}/{database}?prefer_socket=false", self.root)
    }

    async fn sql(&self, database: &str, statement: &str) -> Vec<String> {
        self.try_sql(database, statement).await.unwrap()
    }

    async fn try_sql(&self, database: &str, statement: &str) -> mysql_async::Result<Vec<String>> {
        let mut conn = Conn::new(Opts::from_url(&self.url(database))?).await?;
        conn.query_drop("SET time_zone = '+00:00'").await?;
        let rows: Vec<Row> = conn.query(statement).await?;
        conn.disconnect().await?;
        Ok(rows.into_iter().map(|row| row.unwrap().iter().map(text).collect::<Vec<_>>().join("|")).collect())
    }
}

/// A named server outlives the tests: nothing of theirs does.
impl Drop for Place {
    fn drop(&mut self) {
        if self.server.own.is_some() {
            return;
        }
        let (url, drop) = (self.server.url(""), format!("DROP DATABASE {}", self.name));
        let dropping = async move {
            let mut conn = Conn::new(Opts::from_url(&url).unwrap()).await.unwrap();
            conn.query_drop(drop).await.unwrap();
        };
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // A test's own runtime cannot be waited for from inside it.
        let _ = std::thread::spawn(move || runtime().block_on(dropping)).join();
    }
}

impl Own {
    async fn start(args: Vec<String>) -> Option<Self> {
        let server = Self::install(args)?;
        server.resume().await;
        Some(server)
    }

    /// Its files, and no process.
    fn install(args: Vec<String>) -> Option<Self> {
        let Some(install) = program("mariadb-install-db").filter(|_| program("mariadbd").is_some()) else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "mariadbd is not installed");
            eprintln!("skipped: mariadbd is not installed");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let installed = Command::new(install)
            .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
            .arg(format!("--datadir={}", dir.path().join("data").display()))
            .arg(format!("--tmpdir={}", dir.path().display()))
            .args(as_root())
            .output()
            .unwrap();
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        Some(Self { dir, port: free_port(), args, programs: None, process: Mutex::new(None) })
    }

    fn stop(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    async fn resume(&self) {
        self.resume_with(&[]).await;
    }

    /// With these arguments, this once.
    async fn resume_with(&self, more: &[&str]) {
        let dir = self.dir.path();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut command = Command::new(program("mariadbd").unwrap());
        if let Some(programs) = &self.programs {
            let path = std::env::var("PATH").unwrap_or_default();
            command.env("PATH", format!("{}:{path}", programs.display()));
        }
        let process = command
            .args(["--no-defaults", "--bind-address=127.0.0.1"])
            .arg(format!("--datadir={}", dir.join("data").display()))
            .arg(format!("--socket={}", dir.join("socket").display()))
            .arg(format!("--tmpdir={}", dir.display()))
            .arg(format!("--pid-file={}", dir.join("pid").display()))
            .arg(format!("--port={}", self.port))
            .args(as_root())
            .args(&self.args)
            .args(more)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.process.lock().unwrap() = Some(process);
        let opts = Opts::from_url(&format!("{}/mysql?prefer_socket=false", self.root())).unwrap();
        let up = async {
            while Conn::new(opts.clone()).await.is_err() {
                let ended = self.process.lock().unwrap().as_mut().unwrap().try_wait().unwrap();
                assert_eq!(ended, None, "{}", std::fs::read_to_string(dir.join("log")).unwrap());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(START_LIMIT, up).await.is_err() {
            panic!("mariadbd does not start: {}", std::fs::read_to_string(dir.join("log")).unwrap());
        }
    }

    fn root(&self) -> String {
        format!("mysql://root@127.0.0.1:{}", self.port)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.stop();
    }
}

fn text(value: &mysql_async::Value) -> String {
    match value {
        mysql_async::Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => other.as_sql(true),
    }
}

fn as_root() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

fn program(name: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    places.map(|dir| Path::new(dir).join(name)).into_iter().find(|path| path.exists())
}

/// A port nobody uses now and nobody else in this process was given, below those the system gives to outgoing
/// connections: while the server is down, somebody who tries to reach it again and again would sooner or later be given
/// its very port, and meet himself there.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = (std::process::id() % 97 * 61) as u16;
    let candidates = std::iter::repeat_with(|| 26_000 + (NEXT.fetch_add(1, Ordering::Relaxed) + offset) % 6_000);
    candidates.take(6_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}
