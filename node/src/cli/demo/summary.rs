//! What the judge found, for people and for the exit code.
//!
//! Promises: the numbers are the judge's own, computed by a stranger from the meters' ledger and the tables; the demo is
//! as promised only if the judge says so **and** every promised number is zero. Refuses: rounding, explaining, forgiving.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::process::Command;
use tokio::time::timeout;

/// For the judge to come to its verdict.
const JUDGE_LIMIT: Duration = Duration::from_secs(300);
/// Findings shown.
const EXAMPLES: usize = 10;

/// The judge's report.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Report {
    answered: u64,
    accepted: u64,
    in_flight: u64,
    stored: u64,
    missing: u64,
    doubled: u64,
    wrong: u64,
    missed: u64,
    overlaps: u64,
    verdict: String,
    #[serde(default)]
    examples: Vec<serde_json::Value>,
}

/// Has the judge compare the field's ledger with the tables.
pub(super) async fn judge(chaos: &Path, field: &Path, database_url: &str) -> Result<Report> {
    let mut command = Command::new(chaos);
    command.arg("judge").arg("--dir").arg(field).args(["--mysql", database_url, "--json"]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(JUDGE_LIMIT, command.output()).await;
    let output = output.with_context(|| format!("chaos judge did not end within {JUDGE_LIMIT:?}"))?;
    let output = output.with_context(|| format!("chaos judge: {} does not start", chaos.display()))?;
    // A broken promise is told by the report, not by the exit code.
    match serde_json::from_slice(&output.stdout) {
        Ok(report) => Ok(report),
        Err(error) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            bail!("chaos judge gave no report ({error}), {}: {said}", output.status)
        }
    }
}

impl Report {
    /// The numbers that are promised to be zero.
    fn promised(&self) -> [(&'static str, u64); 4] {
        [
            ("missing", self.missing),
            ("doubled", self.doubled),
            ("wrong value", self.wrong),
            ("overlapping speakers", self.overlaps),
        ]
    }

    /// Whether every promise was kept, by a demo in which something happened.
    pub(super) fn is_kept(&self) -> bool {
        let nothing_broken = self.promised().iter().all(|(_, count)| *count == 0);
        nothing_broken && self.verdict == "kept" && self.answered > 0 && self.stored > 0
    }

    /// The summary, line by line.
    pub(super) fn lines(&self) -> Vec<String> {
        let told = [
            ("answered by the meters", self.answered),
            ("accepted by a node", self.accepted),
            ("under way at a cut", self.in_flight),
            ("stored", self.stored),
            ("slots marked missed", self.missed),
        ];
        let mut lines = vec!["the meters' own ledger against the tables:".to_owned()];
        lines.extend(told.iter().map(|(name, count)| format!("  {name:<24}{count:>9}")));
        lines.extend(self.promised().iter().map(|(name, count)| format!("  {name:<24}{count:>9}   promised: 0")));
        lines.extend(self.examples.iter().take(EXAMPLES).map(|example| format!("  {}", words(example))));
        lines.push(if self.is_kept() { "as promised" } else { "NOT as promised" }.to_owned());
        lines
    }
}

fn words(example: &serde_json::Value) -> String {
    let part = |name: &str| example.get(name).and_then(serde_json::Value::as_str).unwrap_or("?");
    format!("{} {}: {}", part("kind"), part("subject"), part("text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(change: impl FnOnce(&mut Report)) -> Report {
        let text = r#"{"answered":100,"accepted":99,"in_flight":1,"late":0,"stored":99,"missing":0,"denied":0,
            "doubled":0,"wrong":0,"missed":2,"unaccounted":0,"foreign":0,"overlaps":0,"verdict":"kept","examples":
            [{"kind":"denied","subject":"m1","text":"said so itself"}]}"#;
        let mut report = serde_json::from_str(text).expect("a report");
        change(&mut report);
        report
    }

    #[test]
    fn a_kept_report_is_as_promised_and_shows_every_number() {
        let report = report(|_| ());
        assert!(report.is_kept());
        let text = report.lines().join("\n");
        for part in ["stored                         99", "promised: 0", "denied m1: said so itself", "\nas promised"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn any_one_broken_promise_is_not_as_promised() {
        let breaks: [fn(&mut Report); 7] = [
            |report| report.missing = 1,
            |report| report.doubled = 1,
            |report| report.wrong = 1,
            |report| report.overlaps = 1,
            |report| report.stored = 0,
            |report| report.answered = 0,
            |report| report.verdict = "broken".to_owned(),
        ];
        for change in breaks {
            let report = report(change);
            assert!(!report.is_kept(), "{report:?}");
            assert_eq!(report.lines().last().map(String::as_str), Some("NOT as promised"));
        }
    }
}
