//! `hearth profile`: what is known of meter models, and whether a file of one's own is sound.
//!
//! ```text
//!   check FILE..  --> its golden telegrams replayed, one line each --> exit code 1 if anything differs
//!   list, show    --> the built-in profiles and those of --profiles DIR
//! ```
//!
//! Promises: works without a cluster; what `show` writes is a file to start from. Refuses: changing a file.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use protocol::check::{Difference, check, is_covered};
use protocol::profile::{Catalogue, Entry};
use serde_json::{Value, json};

use super::failure::Failure;
use super::output::{Format, Out, table};
use crate::profiles;

/// What may be done with profiles.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replays the golden telegrams of profile files: exit code 1 if anything differs.
    Check {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Lists the profiles there are.
    List {
        #[command(flatten)]
        folder: Folder,
    },
    /// Shows a profile as the file it is: a start for one's own.
    Show {
        /// Its name.
        name: String,
        #[command(flatten)]
        folder: Folder,
    },
}

/// Where profiles are beside those built in.
#[derive(Debug, clap::Args)]
pub struct Folder {
    /// A folder of one's own profiles, beside those built in.
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
}

/// Carries it out.
pub fn run(command: &Command, format: Format) -> Result<(), Failure> {
    let out = Out::new(format);
    let all = |folder: &Folder| {
        profiles::load(folder.profiles.as_deref()).map_err(|error| Failure::Refused(error.to_string()))
    };
    match command {
        Command::Check { files } => check_all(files, format),
        Command::List { folder } => {
            let catalogue = all(folder)?;
            out.show(|| listed(&catalogue), || rows(&catalogue))
        }
        Command::Show { name, folder } => {
            let catalogue = all(folder)?;
            let unknown = || Failure::Refused(format!("profile {name} does not exist: see `hearth profile list`"));
            let entry = catalogue.named(name).ok_or_else(unknown)?;
            out.show(|| json!({"name": name, "origin": origin(entry), "text": entry.text}), || entry.text.clone())
        }
    }
}

fn origin(entry: &Entry) -> &str {
    entry.path.as_deref().unwrap_or("built-in")
}

/// In words, by what a meter is known as the model.
fn known_by(entry: &Entry) -> String {
    match entry.recognised_by() {
        Some(words) => words,
        None if entry.is_generic() => "every other meter".to_owned(),
        None => "name only".to_owned(),
    }
}

fn listed(catalogue: &Catalogue) -> Value {
    let profile = |entry: &Entry| {
        let about = &entry.about;
        json!({
            "name": about.name, "dialect": about.dialect.name(), "maker": about.maker, "model": about.model,
            "source": about.source, "recognised_by": entry.recognised_by(), "golden": about.golden.len(),
            "origin": origin(entry),
        })
    };
    json!({"profiles": catalogue.entries().map(profile).collect::<Vec<_>>()})
}

fn rows(catalogue: &Catalogue) -> String {
    let row = |entry: &Entry| {
        let about = entry.about.clone();
        let dialect = about.dialect.to_string();
        [about.name, dialect, about.maker, about.model, known_by(entry), origin(entry).to_owned(), about.source]
    };
    let header = ["NAME", "DIALECT", "MAKER", "MODEL", "RECOGNISED BY", "ORIGIN", "SOURCE"];
    table(header, &[], catalogue.entries().map(row))
}

/// A file and what became of its telegrams.
struct Checked {
    name: String,
    known_by: String,
    is_covered: bool,
    /// The action of each golden dialogue, and what differs.
    golden: Vec<(&'static str, Vec<Difference>)>,
}

impl Checked {
    fn is_sound(&self) -> bool {
        self.is_covered && self.golden.iter().all(|(_, differences)| differences.is_empty())
    }
}

fn check_all(files: &[PathBuf], format: Format) -> Result<(), Failure> {
    format.without_csv("what a check of profiles finds")?;
    let (mut told, mut is_sound) = (Vec::new(), true);
    for path in files {
        let checked = check_file(path);
        is_sound &= checked.as_ref().is_ok_and(Checked::is_sound);
        match format {
            Format::Json => told.push(as_json(path, checked)),
            Format::Table | Format::Csv => tell(path, checked)?,
        }
    }
    if format == Format::Json {
        Out::new(format).show(|| json!({"profiles": told}), String::new)?;
    }
    if is_sound { Ok(()) } else { Err(Failure::Told) }
}

fn check_file(path: &Path) -> anyhow::Result<Checked> {
    let (text, shown) = (profiles::read(path)?, path.display().to_string());
    let catalogue = Catalogue::with([(shown.as_str(), text.as_str())])?;
    let entry = catalogue.entries().find(|entry| entry.path.is_some()).context("the file holds no profile")?;
    let actions = entry.about.golden.iter().map(|golden| golden.action.name());
    let golden = actions.zip(check(&catalogue, entry)).collect();
    let (name, known_by) = (entry.about.name.clone(), known_by(entry));
    Ok(Checked { name, known_by, is_covered: is_covered(entry), golden })
}

/// What is missing where no telegram was ever held against a profile.
fn uncovered(name: &str) -> String {
    format!("{name} has no [[golden]] telegram: add one that a meter of the model was heard to say")
}

fn as_json(path: &Path, checked: anyhow::Result<Checked>) -> Value {
    let file = path.display().to_string();
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => return json!({"file": file, "ok": false, "error": format!("{error:#}"), "golden": []}),
    };
    let difference = |difference: &Difference| json!({"what": difference.what, "expected": difference.expected, "got": difference.got});
    let golden = checked.golden.iter().map(|(action, differences)| {
        let told: Vec<_> = differences.iter().map(difference).collect();
        json!({"action": action, "ok": differences.is_empty(), "differences": told})
    });
    let error = (!checked.is_covered).then(|| uncovered(&checked.name));
    json!({
        "file": file, "name": checked.name, "ok": checked.is_sound(), "error": error,
        "golden": golden.collect::<Vec<_>>(),
    })
}

fn tell(path: &Path, checked: anyhow::Result<Checked>) -> Result<(), Failure> {
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => {
            eprintln!("hearth: {error:#}");
            return Ok(());
        }
    };
    let mut lines = vec![format!("{}: {}, recognised by: {}", path.display(), checked.name, checked.known_by)];
    for (nth, (action, differences)) in (1..).zip(&checked.golden) {
        let verdict = if differences.is_empty() { "ok" } else { "differs" };
        lines.push(format!("  golden {nth}  {action}  {verdict}"));
        lines.extend(differences.iter().map(|difference| format!("    {difference}")));
    }
    if !checked.is_covered {
        lines.push(format!("  {}", uncovered(&checked.name)));
    }
    Out::new(Format::Table).show(|| Value::Null, || lines.join("\n"))
}
