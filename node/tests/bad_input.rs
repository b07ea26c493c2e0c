//! Every bad input gets an error that names the thing, the value and the remedy, and leaves everything as it was.

#![allow(clippy::indexing_slicing, reason = "tests know how many nodes they started")]

mod harness;

use std::io::Write as _;
use std::net::TcpListener;

use harness::{Node, cluster, complaint, import_lines, run};

fn serve(node: &Node) -> String {
    let output = run(&["serve", "--config", node.config.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    let text = complaint(&output);
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn an_unknown_key_a_wrong_unit_and_a_contradiction_are_named() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let cases = [
        ("[lease]\nlenght = \"4s\"\n", "lenght"),
        ("[lease]\nlength = \"4 parsecs\"\n", "length"),
        ("[lease]\nlength = \"4s\"\ndead_after = \"4s\"\n", "lease.quorum_fresh"),
        ("[spool]\nqueue = 0\n", "spool.queue = 0"),
        ("[backfill]\nshare_percent = 0\n", "backfill.share_percent = 0"),
    ];
    for (n, (extra, named)) in cases.into_iter().enumerate() {
        let text = serve(&Node::new(dir.path(), &format!("n{n}"), extra));
        assert!(text.contains("hearth.toml") && text.contains(named), "{named}: {text}");
    }
}

#[test]
fn a_missing_configuration_is_named() {
    let output = run(&["serve", "--config", "/nowhere/hearth.toml"]);
    assert!(complaint(&output).contains("/nowhere/hearth.toml"), "{}", complaint(&output));
}

#[test]
fn a_node_without_an_identity_says_how_to_get_one() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let text = serve(&Node::new(dir.path(), "n1", ""));
    assert!(text.contains("hearth init") && text.contains("hearth join"), "{text}");
}

#[test]
fn a_port_in_use_is_named_with_a_remedy() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let node = Node::new(dir.path(), "n1", "");
    node.init();
    let _holder = TcpListener::bind(("127.0.0.1", node.port)).expect("the port was free");
    let text = serve(&node);
    assert!(text.contains(&node.address()) && text.contains("choose a free port"), "{text}");
}

#[test]
fn an_address_open_to_others_needs_a_word_that_says_what_it_risks() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let node = Node::new(dir.path(), "n1", "");
    node.init();
    let text = std::fs::read_to_string(&node.config).expect("written").replace("127.0.0.1", "0.0.0.0");
    std::fs::write(&node.config, text).expect("written");
    let text = serve(&node);
    assert!(text.contains("--accept-unauthenticated-access"), "{text}");
}

#[test]
fn joining_where_no_node_is_served_says_so() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let nowhere = Node::new(dir.path(), "nowhere", "");
    let output = Node::new(dir.path(), "n2", "").join(&nowhere);
    let text = complaint(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&nowhere.address()) && text.contains("is a node served there?"), "{text}");
}

#[tokio::test]
async fn a_directory_in_use_and_a_damaged_log_are_named_and_nothing_is_lost() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let mut nodes = cluster(dir.path(), 1, "").await;
    import_lines(&nodes[0], 5).await;
    let mut twin = Node::new(&dir.path().join("twin"), "n1", "");
    twin.data_dir.clone_from(&nodes[0].data_dir);
    twin.change_port();
    let text = serve(&twin);
    assert!(text.contains(&*nodes[0].data_dir.to_string_lossy()), "{text}");
    nodes[0].kill();
    let file = newest_log_file(&nodes[0]);
    let sound = std::fs::read(&file).expect("readable");
    let mut damaged = sound.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xFF;
    std::fs::write(&file, &damaged).expect("written");
    let text = serve(&nodes[0]);
    assert!(text.contains(&*file.to_string_lossy()), "{text}");
    assert_eq!(std::fs::read(&file).expect("readable"), damaged, "the damaged file was touched");
    std::fs::write(&file, &sound).expect("written");
    nodes[0].start();
    assert_eq!(nodes[0].ready().await.meters, 5);
}

fn newest_log_file(node: &Node) -> std::path::PathBuf {
    let folder = node.data_dir.join("raft").join("log");
    let files = std::fs::read_dir(&folder).expect("the log's folder");
    let files = files.map(|file| file.expect("a file").path()).filter(|path| path.is_file());
    files.max_by_key(|path| path.metadata().expect("its size").len()).expect("a log file")
}

#[tokio::test]
async fn a_faulty_import_names_row_and_column_and_applies_nothing() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let nodes = cluster(dir.path(), 1, "").await;
    import_lines(&nodes[0], 2).await;
    let at = nodes[0].address();
    let mut file = tempfile::NamedTempFile::new().expect("a scratch file");
    write!(file, "name,line,dialect,address\nA1,L0,mbus,7\nA2,L0,mbus,7\nA3,L9,mbus,8\nA4,L0,mbus,banana\n")
        .expect("written");
    let output = run(&["meter", "import", file.path().to_str().expect("text"), "--at", &at]);
    assert_eq!(output.status.code(), Some(1));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), complaint(&output));
    assert!(said.contains("banana") && said.contains("address"), "{said}");
    assert_eq!(nodes[0].ready().await.meters, 2, "something was applied");
    let text = std::fs::read_to_string(file.path()).expect("readable").replace("banana", "9");
    std::fs::write(file.path(), text).expect("written");
    let output = run(&["meter", "import", file.path().to_str().expect("text"), "--at", &at]);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), complaint(&output));
    assert!(said.contains("A1") && said.contains("L9") && output.status.code() == Some(1), "{said}");
    assert_eq!(nodes[0].ready().await.meters, 2, "something was applied");
}

#[tokio::test]
async fn an_unknown_meter_is_named() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let nodes = cluster(dir.path(), 1, "").await;
    let output = run(&["command", "submit", "M77", "valve-close", "--at", &nodes[0].address()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("M77"), "{}", complaint(&output));
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_a_problem_with_a_remedy_and_the_node_goes_on() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let port = harness::free_port();
    let extra = format!("[mysql]\nendpoints = [\"mysql://hearth:s3cret@127.0.0.1:{port}/hearth\"]\n");
    let nodes = cluster(dir.path(), 1, &extra).await;
    import_lines(&nodes[0], 1).await;
    let noticed = || async {
        let problems = nodes[0].status(false).await?.problems;
        problems.into_iter().find(|problem| problem.what.contains(&port.to_string()))
    };
    let problem = harness::eventually("the problem is shown", noticed).await;
    assert!(!problem.remedy.is_empty() && !problem.what.contains("s3cret"), "{problem:?}");
    let log = std::fs::read_to_string(nodes[0].log()).expect("the log can be read");
    assert!(!log.contains("s3cret"), "the password was logged");
    let output = run(&["status", "--at", &nodes[0].address()]);
    let screen = String::from_utf8_lossy(&output.stdout);
    assert!(screen.contains(&problem.what) && screen.contains(&problem.remedy), "{screen}");
}

#[test]
fn a_database_address_that_is_none_is_named_before_anything_starts() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let node = Node::new(dir.path(), "n1", "[mysql]\nendpoints = [\"postgres://u:s3cret@h/d\"]\n");
    node.init_unchecked();
    let text = serve(&node);
    assert!(text.contains("mysql.endpoints") && !text.contains("s3cret"), "{text}");
}
