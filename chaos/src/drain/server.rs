//! The database server that is measured: a private MariaDB, or one that is named.
//!
//! Promises: a private server listens on the loopback only, and ends with this. Refuses: settings that make it less durable.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mysql_async::{Conn, Opts};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::tables::{self, Tables};
use crate::cpu;

const START_LIMIT: Duration = Duration::from_secs(60);
const LOAD_LIMIT: Duration = Duration::from_secs(15 * 60);

/// The server.
pub struct Server {
    /// `mysql://user:password@host:port`
    pub url: String,
    own: Option<Own>,
}

struct Own {
    port: u16,
    process: Child,
}

impl Server {
    pub fn named(url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), own: None }
    }

    /// The process of a private server.
    pub fn pid(&self) -> Option<u32> {
        self.own.as_ref()?.process.id()
    }

    /// The processor time it took since it was started; none of one that is named.
    pub fn cpu(&self) -> Option<Duration> {
        cpu::spent(self.pid()?)
    }

    pub async fn start(dir: &Path, pool_mib: u32) -> Result<Self> {
        std::fs::create_dir_all(dir).context("the database's folder")?;
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install.arg(format!("--datadir={}", dir.join("data").display())).stdout(Stdio::null()).stderr(Stdio::null());
        let installed = install.status().await.context("mariadb-install-db: install Debian's mariadb-server-core")?;
        ensure!(installed.success(), "mariadb-install-db failed in {}", dir.display());
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = std::fs::File::create(dir.join("log")).context("the database's log")?;
        let mut server = Command::new("mariadbd");
        server.args(["--no-defaults", "--bind-address=127.0.0.1", "--user=root", &format!("--port={port}")]);
        server
            .arg(format!("--datadir={}", dir.join("data").display()))
            .arg(format!("--socket={}", dir.join("s").display()));
        server.arg(format!("--innodb-buffer-pool-size={pool_mib}M"));
        server.stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let process = server.spawn().context("mariadbd")?;
        let url = format!("mysql://root@127.0.0.1:{port}");
        let began = Instant::now();
        while Conn::new(Opts::from_url(&url)?).await.is_err() {
            ensure!(
                began.elapsed() < START_LIMIT,
                "mariadbd does not answer within {START_LIMIT:?}: see {}",
                dir.display()
            );
            sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { url, own: Some(Own { port, process }) })
    }

    /// Has the rows in `file` loaded by one connection of the server's own client, or of this one for a named server; how
    /// long it took.
    pub async fn load(&self, file: &Path, tables: &mut Tables) -> Result<Duration> {
        let sql = tables::load_statement(file);
        let began = Instant::now();
        match &self.own {
            Some(own) => {
                let mut client = Command::new("mariadb");
                client.args(["--no-defaults", "--host=127.0.0.1", "--user=root", "--local-infile=1"]);
                client.args([&format!("--port={}", own.port), tables::NAME, "-e", &sql]).kill_on_drop(true);
                let done = timeout(LOAD_LIMIT, client.status()).await.context("LOAD DATA: no end")?;
                ensure!(done.context("mariadb")?.success(), "the mariadb client failed");
            }
            None => timeout(LOAD_LIMIT, tables.load(&sql)).await.context("LOAD DATA: no end")??,
        }
        Ok(began.elapsed())
    }
}
