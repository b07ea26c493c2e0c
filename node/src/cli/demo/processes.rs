//! One process of the demo: started, stopped, killed, and never left behind.
//!
//! ```text
//!   start --> runs --stop--> SIGTERM .. limit .. SIGKILL --> gone
//!              |  \--kill--> SIGKILL to its whole group   --> gone
//!              \---- the demo is dropped, or dies ----------> gone
//! ```
//!
//! Promises: each process leads a group of its own, so a key on the terminal never reaches it; dropping the handle kills
//! the group; where `setpriv` is at hand the kernel kills the process when the demo itself is killed. The last promise
//! is tied to the thread that starts a process, so the demo starts all of them from its main thread.
//! Refuses: a process without a log.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Lines of a log shown with an error.
const LOG_TAIL: usize = 8;
/// For the kernel to take a killed process away.
const REAP_LIMIT: Duration = Duration::from_secs(10);
/// Folders searched after those of PATH: a person's PATH often lacks the servers' folder.
const SERVER_FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"];

/// What to start.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// For people.
    pub(super) name: String,
    /// The file.
    pub(super) path: PathBuf,
    /// Its arguments.
    pub(super) args: Vec<OsString>,
    /// Where what it prints goes.
    pub(super) log: PathBuf,
}

/// A process of the demo.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    log: PathBuf,
    pid: Pid,
    child: Child,
}

impl Program {
    fn command(&self) -> Result<Command> {
        let mut command = guarded(&self.path);
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("log {}", self.log.display()))?;
        let too = log.try_clone().with_context(|| format!("log {}", self.log.display()))?;
        command.args(&self.args).stdin(Stdio::null()).stdout(log).stderr(too);
        command.process_group(0).kill_on_drop(true);
        Ok(command)
    }

    fn spawn(&self, mut command: Command) -> Result<Process> {
        let child =
            command.spawn().with_context(|| format!("{}: {} does not start", self.name, self.path.display()))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{} ended at once", self.name))?;
        Ok(Process { name: self.name.clone(), log: self.log.clone(), pid, child })
    }

    /// Starts it.
    pub(super) fn start(&self) -> Result<Process> {
        self.spawn(self.command()?)
    }

    /// Starts it; what it prints is handed over instead of logged.
    pub(super) fn start_listening(&self) -> Result<(Process, ChildStdout)> {
        let mut command = self.command()?;
        command.stdout(Stdio::piped());
        let mut process = self.spawn(command)?;
        let stdout = process.child.stdout.take().context("a pipe that was asked for")?;
        Ok((process, stdout))
    }

    /// Starts it and waits until it has ended well.
    pub(super) async fn run(&self, limit: Duration) -> Result<()> {
        let mut process = self.start()?;
        let Ok(ended) = timeout(limit, process.child.wait()).await else {
            bail!("{} did not end within {limit:?}{}", self.name, process.log_tail());
        };
        let status = ended.with_context(|| self.name.clone())?;
        if !status.success() {
            bail!("{} failed, {status}{}", self.name, process.log_tail());
        }
        Ok(())
    }
}

/// The program under the kernel's promise to kill it with its parent, where that can be had.
fn guarded(path: &Path) -> Command {
    let Some(setpriv) = find("setpriv") else { return Command::new(path) };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(path);
    command
}

impl Process {
    /// Its process id.
    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until it has ended.
    pub(super) async fn end(&mut self) -> Result<ExitStatus> {
        self.child.wait().await.with_context(|| self.name.clone())
    }

    /// Asks it to stop, and kills it where it has not after `limit`; answers whether it stopped by itself.
    pub(super) async fn stop(mut self, limit: Duration) -> Result<bool> {
        // Gone already is as good as asked.
        let _ = kill_process(self.pid, Signal::TERM);
        if timeout(limit, self.child.wait()).await.is_ok() {
            return Ok(true);
        }
        self.kill().await?;
        Ok(false)
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub(super) async fn kill(mut self) -> Result<()> {
        self.kill_group();
        let gone = timeout(REAP_LIMIT, self.child.wait()).await;
        gone.with_context(|| format!("{} is still there {REAP_LIMIT:?} after kill -9", self.name))?
            .with_context(|| self.name.clone())?;
        Ok(())
    }

    fn kill_group(&self) {
        let _ = kill_process_group(self.pid, Signal::KILL);
    }

    /// The end of what it printed, for an error's text.
    pub(super) fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let tail = lines.iter().rev().take(LOG_TAIL).rev().map(|line| format!("\n    {line}"));
        format!("; the end of {}:{}", self.log.display(), tail.collect::<String>())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that was waited for has given its id back: it may be another's by now.
        if self.child.id().is_some() {
            self.kill_group();
        }
    }
}

/// The file of a program by its name.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SERVER_FOLDERS.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::test_kill_process;

    fn shell(dir: &Path, script: &str) -> Program {
        let args = vec!["-c".into(), script.into()];
        Program { name: "shell".to_owned(), path: "/bin/sh".into(), args, log: dir.join("log") }
    }

    #[tokio::test]
    async fn a_process_that_obeys_is_stopped_and_one_that_does_not_is_killed() {
        let dir = tempfile::tempdir().expect("a directory");
        let obeys = shell(dir.path(), "exec sleep 60").start().expect("a process");
        assert!(obeys.stop(Duration::from_secs(20)).await.expect("stopped"));

        let (deaf, mut said) = shell(dir.path(), "trap '' TERM; echo deaf; while :; do sleep 1; done")
            .start_listening()
            .expect("a process");
        let mut word = [0; 4];
        tokio::io::AsyncReadExt::read_exact(&mut said, &mut word).await.expect("a word");
        let pid = deaf.pid;
        assert!(!deaf.stop(Duration::from_millis(50)).await.expect("killed"));
        assert!(test_kill_process(pid).is_err());
    }

    #[tokio::test]
    async fn dropping_a_process_kills_its_whole_group() {
        let dir = tempfile::tempdir().expect("a directory");
        let (process, mut said) =
            shell(dir.path(), "sleep 60 & echo started; wait").start_listening().expect("a process");
        let mut word = [0; 7];
        tokio::io::AsyncReadExt::read_exact(&mut said, &mut word).await.expect("a word");
        drop(process);
        // The pipe ends only when the last process that holds it is gone.
        let mut last = Vec::new();
        let rest = tokio::io::AsyncReadExt::read_to_end(&mut said, &mut last);
        timeout(Duration::from_secs(20), rest).await.expect("the group to be gone").expect("the end of the pipe");
    }

    #[tokio::test]
    async fn a_failed_run_shows_the_end_of_its_log() {
        let dir = tempfile::tempdir().expect("a directory");
        let failed = shell(dir.path(), "echo no luck >&2; exit 3").run(Duration::from_secs(20)).await;
        let text = failed.expect_err("a failure").to_string();
        assert!(text.contains("exit status: 3") && text.contains("no luck"), "{text}");
    }
}
