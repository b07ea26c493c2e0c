//! A MariaDB server of a test's own: on loopback, with its files in the test's folder, gone when the test is.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::free_port;

const START_LIMIT: Duration = Duration::from_secs(60);

/// It runs until it is dropped, and has an empty database `hearth`.
pub struct Server {
    dir: PathBuf,
    port: u16,
    process: Child,
}

impl Server {
    /// `None` where no MariaDB is installed: the test is skipped, and says so; under `CI=true` it fails.
    pub fn start(dir: &Path) -> Option<Self> {
        let Some(install) = program("mariadb-install-db").filter(|_| program("mariadbd").is_some()) else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "mariadbd is not installed");
            eprintln!("skipped: mariadbd is not installed");
            return None;
        };
        std::fs::create_dir_all(dir).expect("a directory can be made");
        let installed = Command::new(install)
            .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
            .arg(format!("--datadir={}", dir.join("data").display()))
            .arg(format!("--tmpdir={}", dir.display()))
            .args(as_root())
            .output()
            .expect("it runs");
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let port = free_port();
        let process = Command::new(program("mariadbd").expect("it is installed"))
            .args(["--no-defaults", "--bind-address=127.0.0.1"])
            .arg(format!("--datadir={}", dir.join("data").display()))
            .arg(format!("--socket={}", dir.join("socket").display()))
            .arg(format!("--tmpdir={}", dir.display()))
            .arg(format!("--pid-file={}", dir.join("pid").display()))
            .arg(format!("--port={port}"))
            .args(as_root())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("log")).expect("a log can be made"))
            .spawn()
            .expect("mariadbd starts");
        let server = Self { dir: dir.to_owned(), port, process };
        let began = Instant::now();
        while server.ask("mysql", "CREATE DATABASE IF NOT EXISTS hearth").is_none() {
            assert!(began.elapsed() < START_LIMIT, "mariadbd does not start: see {}", dir.join("log").display());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    /// Where nodes find it.
    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/hearth", self.port)
    }

    /// Runs statements; what they print, or nothing where they fail.
    pub fn sql(&self, statements: &str) -> Option<String> {
        self.ask("hearth", statements)
    }

    fn ask(&self, database: &str, statements: &str) -> Option<String> {
        let output = Command::new(program("mariadb").expect("the client is installed"))
            .args(["--no-defaults", "--user=root", "--batch", "--skip-column-names"])
            .arg(format!("--socket={}", self.dir.join("socket").display()))
            .args([database, "--execute", statements])
            .output()
            .expect("it runs");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn as_root() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

fn program(name: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    places.map(|dir| Path::new(dir).join(name)).into_iter().find(|path| path.exists())
}
