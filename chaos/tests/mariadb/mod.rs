//! A MariaDB server of the tests' own, on the loopback, its files in a folder of its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mysql_async::{Conn, Opts};

/// A fresh server is up within this time, even on a tired machine.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// A server that runs until it is dropped.
pub struct Server {
    process: Child,
    /// Of its database `hearth`, which nobody has made yet.
    pub url: String,
    _dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// `None` where the machine has no MariaDB, which is said.
    pub fn start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install.arg(format!("--datadir={}", data.display())).stdout(Stdio::null()).stderr(Stdio::null());
        if !install.status().is_ok_and(|status| status.success()) {
            let is_checked = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!is_checked, "mariadb-install-db or mariadbd is not installed");
            eprintln!("without a database: mariadb-install-db and mariadbd are not to be had here");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = server(&data, port).spawn().ok()?;
        Some(Self { process, url: format!("mysql://root@127.0.0.1:{port}/hearth"), _dir: dir })
    }

    /// A connection to no database, once it is up.
    pub async fn connect(&self) -> Conn {
        let options = Opts::from_url(self.url.trim_end_matches("hearth")).unwrap();
        let begun = Instant::now();
        loop {
            match Conn::new(options.clone()).await {
                Ok(conn) => return conn,
                Err(error) => assert!(begun.elapsed() < UP_WITHIN, "the server is not up: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn server(data: &Path, port: u16) -> Command {
    let mut command = Command::new("mariadbd");
    command.args(["--no-defaults", "--bind-address=127.0.0.1", "--user=root", &format!("--port={port}")]);
    command.arg(format!("--datadir={}", data.display())).arg(format!("--socket={}", data.join("s").display()));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}
