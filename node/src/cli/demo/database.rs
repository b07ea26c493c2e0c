//! The demo's private MariaDB: its own directory, its own port, its own user.
//!
//! Promises: nothing of the system's own database service is used, started or touched; the address and the data survive
//! a stop and a start; a started database greets. Refuses: a database that is not on this machine.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::place::{Place, random_hex};
use super::processes::{Process, Program, find};

/// For the system tables to be made.
const INSTALL_LIMIT: Duration = Duration::from_secs(120);
/// For the server to greet.
const START_LIMIT: Duration = Duration::from_secs(60);
/// For the server to write everything down and end.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Between two tries to be greeted.
const TRY_AGAIN: Duration = Duration::from_millis(50);
/// The name of the database, and of its user.
const NAME: &str = "hearth";
const REMEDY: &str = "install Debian's mariadb-server-core and mariadb-client-core (`make tools` does)";

/// A private MariaDB.
#[derive(Debug)]
pub(super) struct Database {
    dir: PathBuf,
    address: SocketAddr,
    password: String,
    process: Option<Process>,
}

fn program(name: &str) -> Result<PathBuf> {
    find(name).with_context(|| format!("{name} is not on this machine: {REMEDY}"))
}

/// The server refuses to be root by accident; here a whole private server is run by whoever runs the demo.
fn as_this_user() -> Option<OsString> {
    rustix::process::geteuid().is_root().then(|| "--user=root".into())
}

fn flag(name: &str, value: impl Into<OsString>) -> OsString {
    let mut flag = OsString::from(format!("--{name}="));
    flag.push(value.into());
    flag
}

impl Database {
    /// A database that is not there yet, with the address it will have.
    pub(super) fn plan(place: &Place) -> Result<Self> {
        let (dir, address) = (place.folder("database")?, place.free_address()?);
        Ok(Self { dir, address, password: random_hex(16)?, process: None })
    }

    /// Where it is reached.
    pub(super) fn url(&self) -> String {
        format!("mysql://{NAME}:{}@{}/{NAME}", self.password, self.address)
    }

    /// Its process id while it runs.
    pub(super) fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Makes its directory and its user.
    pub(super) async fn install(&self) -> Result<()> {
        let mut args: Vec<OsString> = vec!["--no-defaults".into(), flag("datadir", self.dir.join("data"))];
        args.extend(["--auth-root-authentication-method=normal".into(), "--skip-test-db".into()]);
        args.extend(as_this_user());
        let path = program("mariadb-install-db")?;
        let install = Program { name: "mariadb-install-db".to_owned(), path, args, log: self.dir.join("install.log") };
        install.run(INSTALL_LIMIT).await?;
        std::fs::write(self.first_words(), self.grants()).context("the database's first statements")
    }

    fn first_words(&self) -> PathBuf {
        self.dir.join("first.sql")
    }

    fn grants(&self) -> String {
        let (user, password) = (format!("'{NAME}'@'127.0.0.1'"), &self.password);
        format!(
            "CREATE DATABASE IF NOT EXISTS {NAME};\n\
             CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{password}';\n\
             GRANT ALL ON {NAME}.* TO {user};\n"
        )
    }

    fn server(&self) -> Result<Program> {
        let mut args: Vec<OsString> = vec!["--no-defaults".into(), flag("datadir", self.dir.join("data"))];
        args.extend([flag("bind-address", "127.0.0.1"), flag("port", self.address.port().to_string())]);
        // A relative path stays short enough for a socket, wherever the demo is kept.
        args.extend([flag("socket", "db.sock"), flag("pid-file", self.dir.join("pid"))]);
        args.extend([flag("init-file", self.first_words()), flag("innodb-buffer-pool-size", "64M")]);
        args.extend(["--skip-name-resolve", "--performance-schema=OFF", "--innodb-use-native-aio=0"].map(Into::into));
        args.extend(as_this_user());
        let log = self.dir.join("log");
        Ok(Program { name: "mariadbd".to_owned(), path: program("mariadbd")?, args, log })
    }

    /// The command line a person would start it with.
    pub(super) fn start_twin(&self) -> Result<String> {
        let server = self.server()?;
        let args = server.args.iter().map(|arg| arg.to_string_lossy().into_owned());
        Ok(std::iter::once(server.path.display().to_string()).chain(args).collect::<Vec<_>>().join(" "))
    }

    /// Starts it and waits until it greets.
    pub(super) async fn start(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("the database runs already");
        }
        let mut process = self.server()?.start()?;
        tokio::select! {
            greeted = timeout(START_LIMIT, greeting(self.address)) => {
                greeted.with_context(|| format!("mariadbd does not greet within {START_LIMIT:?}{}", process.log_tail()))?;
            }
            ended = process.end() => bail!("mariadbd ended, {}{}", ended?, process.log_tail()),
        }
        self.process = Some(process);
        Ok(())
    }

    /// Stops it; stopped already is as good.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let Some(process) = self.process.take() else { return Ok(()) };
        if !process.stop(STOP_LIMIT).await? {
            bail!("mariadbd did not stop within {STOP_LIMIT:?} and was killed");
        }
        Ok(())
    }
}

/// Comes back when somebody at `address` says the first byte.
async fn greeting(address: SocketAddr) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await
            && stream.read_u8().await.is_ok()
        {
            return;
        }
        sleep(TRY_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mysql_async::prelude::Queryable as _;

    #[tokio::test]
    async fn what_is_stored_survives_a_stop_and_a_start_and_nothing_is_left_behind() {
        let place = Place::make(None).expect("a place");
        let mut database = Database::plan(&place).expect("a plan");
        database.install().await.expect("installed");
        database.start().await.expect("started");

        let mut conn = mysql_async::Conn::from_url(database.url()).await.expect("a connection");
        conn.query_drop("CREATE TABLE t (n INT)").await.expect("a table");
        conn.query_drop("INSERT INTO t VALUES (7)").await.expect("a row");
        drop(conn);
        database.stop().await.expect("stopped");
        assert!(TcpStream::connect(database.address).await.is_err(), "a stopped database does not listen");

        database.start().await.expect("started again");
        let mut conn = mysql_async::Conn::from_url(database.url()).await.expect("a connection");
        assert_eq!(conn.query_first::<i32, _>("SELECT n FROM t").await.expect("the row"), Some(7));
        drop(conn);

        let address = database.address;
        let pid = database.pid().and_then(rustix::process::Pid::from_raw).expect("a process");
        drop(database);
        drop(place);
        // The runtime takes the dead process away in its own time.
        let gone = async {
            while rustix::process::test_kill_process(pid).is_ok() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), gone).await.expect("the process to be gone");
        assert!(TcpStream::connect(address).await.is_err(), "a dropped database does not listen");
    }
}
