//! Exports by the program itself: from a real database, over a real node, into files that others read.

#![allow(clippy::indexing_slicing, reason = "tests know how many rows they stored")]

mod harness;
mod server;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use calamine::{Reader as _, Xlsx, open_workbook};
use harness::{Node, cluster, complaint, eventually, hearth, import_lines, run};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use server::Server;

/// A node that knows the meters M0 and M1, and a database that knows a meter more.
async fn plant(dir: &Path, settings: &str) -> Option<(Server, Vec<Node>)> {
    let server = Server::start(&dir.join("database"))?;
    let settings = format!("[mysql]\nendpoints = [\"{}\"]\nexport_page_rows = 100\n\n{settings}", server.url());
    let nodes = cluster(dir, 1, &settings).await;
    import_lines(&nodes[0], 2).await;
    let has_tables = || async { server.sql("SELECT 1 FROM reading_kwh LIMIT 1").is_some().then_some(()) };
    eventually("the tables are made", has_tables).await;
    Some((server, nodes))
}

/// Readings of meters 1, 2 and 77 at 2020-01-01, `slots` each, a minute apart; meter 2 missed its first.
fn fill(server: &Server, slots: u32) {
    let fill = format!(
        "SET time_zone = '+00:00'; \
         INSERT INTO reading (meter_id, slot, kind, read_at, node_id, line_id, epoch, energy_joule, supply_milli_celsius, \
         valve, quality, attempts, identity, raw) \
         SELECT m.id, '2020-01-01' + INTERVAL s.seq MINUTE, 1, '2020-01-01' + INTERVAL s.seq MINUTE, 1, m.id, 1, \
         3600000 * (s.seq + 1), -5, 1, 0, 1, '', '' \
         FROM seq_0_to_{} s, (SELECT 1 AS id UNION SELECT 2 UNION SELECT 77) m WHERE m.id <> 2 OR s.seq > 0; \
         INSERT INTO missed (meter_id, slot, kind, reason, detail, attempts, at, node_id, line_id, epoch) \
         VALUES (2, '2020-01-01', 1, 'no-answer', 'three, attempts', 3, '2020-01-01 00:01:00', 1, 2, 1)",
        slots - 1
    );
    server.sql(&fill).expect("the table is filled");
}

fn export(node: &Node, args: &[&str]) -> Command {
    let mut command = hearth();
    command.args(["reading", "export"]).args(args).args(["--at", &node.address()]);
    command
}

const YEAR: [&str; 4] = ["--from", "2020-01-01", "--to", "2021-01-01"];

fn text(path: &Path) -> &str {
    path.to_str().expect("paths in tests are text")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

#[tokio::test]
async fn every_format_has_every_row_that_is_stored() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let Some((server, nodes)) = plant(dir.path(), "").await else { return };
    fill(&server, 500);
    let out = dir.path().join("out");
    std::fs::create_dir(&out).expect("a folder");
    let path = |name: &str| out.join(name);
    for name in ["a.csv", "a.xlsx", "a.parquet"] {
        let output =
            export(&nodes[0], &[&[text(&path(name)), "--missed"][..], &YEAR].concat()).output().expect("it runs");
        assert!(output.status.success(), "{}", complaint(&output));
        assert!(output.stdout.is_empty() && complaint(&output).contains("1,500 rows in "), "{}", complaint(&output));
    }
    let mut csv = csv::Reader::from_path(path("a.csv")).expect("a file");
    let rows: Vec<Vec<String>> =
        csv.records().map(|row| row.expect("sound").iter().map(str::to_owned).collect()).collect();
    for (at, row) in rows.iter().enumerate() {
        let (meter, line) = [("M0", "L0"), ("M1", "L1"), ("#77", "#77")][at / 500];
        let minute = at % 500;
        let slot = format!("2020-01-01T{:02}:{:02}:00.000Z", minute / 60, minute % 60);
        if at == 500 {
            assert_eq!((row[0].as_str(), row[5].as_str(), row[18].as_str()), ("M1", "", ""));
            assert_eq!((row[4].as_str(), row[20].as_str()), ("2020-01-01T00:01:00.000Z", "no-answer: three, attempts"));
            continue;
        }
        let energy = (minute + 1).to_string();
        let expected = [meter, line, &slot, "scheduled", &slot, &energy, "", "", "", "", "-0.005"];
        assert_eq!(row[..11], expected, "row {at}");
        assert_eq!(row[11..], ["", "", "", "", "", "", "open", "0", "", ""], "row {at}");
    }
    assert_eq!(rows.len(), 1_500);
    let mut book: Xlsx<_> = open_workbook(path("a.xlsx")).expect("a workbook");
    let sheet = book.worksheet_range_at(0).expect("a sheet").expect("sound");
    assert_eq!(sheet.rows().count(), 1_501);
    for (row, shown) in rows.iter().zip(sheet.rows().skip(1)) {
        let (energy, missed) = (shown[5].to_string(), shown[20].to_string());
        assert_eq!((&row[0], &row[5], &row[20]), (&shown[0].to_string(), &energy, &missed));
    }
    let parquet = SerializedFileReader::new(File::open(path("a.parquet")).expect("a file")).expect("parquet");
    assert_eq!(parquet.metadata().file_metadata().num_rows(), 1_500);
    assert_eq!(files(&out).len(), 3, "nothing is left beside the files");

    let stdout =
        export(&nodes[0], &[&["-", "--format", "csv", "--missed"][..], &YEAR].concat()).output().expect("it runs");
    assert_eq!(stdout.stdout, std::fs::read(path("a.csv")).expect("a file"));
    for format in ["xlsx", "parquet"] {
        let args = [&["-", "--format", format, "--missed"][..], &YEAR].concat();
        let output = export(&nodes[0], &args).output().expect("it runs");
        let piped = path(&format!("piped.{format}"));
        std::fs::write(&piped, &output.stdout).expect("it can be written");
        if format == "xlsx" {
            let mut book: Xlsx<_> = open_workbook(&piped).expect("a workbook");
            assert_eq!(book.worksheet_range_at(0).expect("a sheet").expect("sound"), sheet);
        } else {
            assert_eq!(output.stdout, std::fs::read(path("a.parquet")).expect("a file"));
        }
    }
}

#[tokio::test]
async fn an_export_is_of_the_meters_and_slots_that_are_named_and_refuses_what_it_cannot_do() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let Some((server, nodes)) = plant(dir.path(), "").await else { return };
    fill(&server, 10);
    let count = |args: &[&str]| {
        let output = export(&nodes[0], &[&["-", "--format", "csv"], args].concat()).output().expect("it runs");
        assert!(output.status.success(), "{}", complaint(&output));
        String::from_utf8(output.stdout).expect("text").lines().count() - 1
    };
    assert_eq!(count(&YEAR), 29);
    assert_eq!(count(&[&YEAR[..], &["--line", "L0"]].concat()), 10);
    assert_eq!(count(&[&YEAR[..], &["--meter", "M1", "#77"]].concat()), 19);
    assert_eq!(count(&["--from", "2020-01-01T00:01:00Z", "--to", "2020-01-01T00:03:00Z", "--missed"]), 6);
    assert_eq!(count(&["--from", "2019-01-01", "--to", "2020-01-01", "--missed"]), 0);

    let path = dir.path().join("a.csv");
    std::fs::write(&path, "mine").expect("it can be written");
    let refused = |args: &[&str], code: i32, told: &str| {
        let output = export(&nodes[0], args).output().expect("it runs");
        assert!(output.status.code() == Some(code) && complaint(&output).contains(told), "{}", complaint(&output));
    };
    refused(&[text(&path)], 1, "overwrite it with --force");
    assert_eq!(std::fs::read(&path).expect("a file"), b"mine");
    refused(&[text(&path), "--force", "--meter", "M9"], 1, "meter M9 does not exist");
    refused(&[text(&path), "--force", "--line", "L9"], 1, "line L9 does not exist");
    refused(&[text(&path), "--force", "--line", "L0", "--meter", "M0"], 2, "cannot be used with");
    refused(&["a.txt"], 2, "--format");
    refused(&["/nowhere/a.csv"], 1, "No such file");
    assert_eq!(std::fs::read(&path).expect("a file"), b"mine");
    let output = export(&nodes[0], &[&[text(&path), "--force"][..], &YEAR].concat()).output().expect("it runs");
    assert!(output.status.success() && std::fs::read(&path).expect("a file").starts_with(b"meter,line"));
}

/// The folder of an export that has begun to write, while it is still under way.
async fn under_way(out: &Path) {
    let grows = || async {
        let sizes: u64 = files(out).iter().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
        (sizes > 0).then_some(())
    };
    eventually("rows are written", grows).await;
}

#[tokio::test]
async fn an_export_that_is_interrupted_or_loses_its_node_leaves_no_file() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    // Parts of one row: it takes long enough to be interrupted.
    let Some((server, mut nodes)) = plant(dir.path(), "[admin]\nexport_part_rows = 1\n").await else { return };
    fill(&server, 400_000);
    let out = dir.path().join("out");
    std::fs::create_dir(&out).expect("a folder");
    let path = out.join("a.csv");
    let start = |node: &Node| {
        let mut command = export(node, &[&[text(&path)][..], &YEAR].concat());
        command.stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let interrupted = start(&nodes[0]);
    under_way(&out).await;
    let signalled = Command::new("kill").args(["-INT", &interrupted.id().to_string()]).status().expect("kill runs");
    assert!(signalled.success());
    let output = interrupted.wait_with_output().expect("it ends");
    assert!(output.status.code() == Some(1) && complaint(&output).contains("interrupted"), "{}", complaint(&output));
    assert_eq!(files(&out), Vec::<PathBuf>::new());

    let cut_off = start(&nodes[0]);
    under_way(&out).await;
    nodes[0].kill();
    let output = cut_off.wait_with_output().expect("it ends");
    assert!(matches!(output.status.code(), Some(1 | 3)), "{:?}", output.status);
    assert_eq!(files(&out), Vec::<PathBuf>::new(), "{}", complaint(&output));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_holds_one_place_and_is_put_out_after_its_patience() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let settings = "[admin]\nexports = 1\nexport_part_rows = 50\nexport_patience = \"3s\"\n";
    let Some((server, nodes)) = plant(dir.path(), settings).await else { return };
    fill(&server, 200_000);
    // Somebody reads where its rows begin and no further: it stands still once the pipes are full.
    let args = [&["-", "--format", "csv"][..], &YEAR].concat();
    let mut slow = export(&nodes[0], &args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut begin = [0; 5];
    slow.stdout.as_mut().expect("it is piped").read_exact(&mut begin).expect("rows come");
    assert_eq!(&begin, b"meter");
    let small = ["-", "--format", "csv", "--line", "L0", "--to", "1980-01-01"];
    let second = export(&nodes[0], &small).output().expect("it runs");
    assert!(complaint(&second).contains("admin.exports"), "the only place is taken: {}", complaint(&second));
    let listed = run(&["reading", "list", "--to", "2021-01-01", "--at", &nodes[0].address()]);
    assert!(listed.status.success(), "other questions are answered: {}", complaint(&listed));
    let free = || async { export(&nodes[0], &small).output().expect("it runs").status.success().then_some(()) };
    eventually("the place is free again", free).await;
    slow.kill().expect("it can be killed");
    slow.wait().expect("it ended");
}
