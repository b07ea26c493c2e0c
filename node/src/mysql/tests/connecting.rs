use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::config;
use crate::mysql::testing::Place;
use crate::mysql::{Database, DatabaseError};

fn config(endpoints: &[String]) -> config::Mysql {
    let connect_timeout = Duration::from_millis(300);
    config::Mysql { endpoints: endpoints.to_vec(), connect_timeout, ..config::Mysql::default() }
}

/// An address nobody listens on.
fn nobody() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("mysql://me:s3cret@127.0.0.1:{port}/hearth")
}

#[tokio::test]
async fn an_unreachable_database_is_named_with_a_remedy_and_without_its_password() {
    let error = Database::connect(&config(&[nobody()])).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Lost(_)), "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("127.0.0.1:") && text.contains("/hearth") && text.contains("mysql.endpoints"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_costs_no_more_than_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql://me@{}/hearth", listener.local_addr().unwrap());
    let started = Instant::now();
    let error = Database::connect(&config(&[url])).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Lost(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn without_an_endpoint_the_setting_is_named() {
    let error = Database::connect(&config(&[])).await.unwrap_err().to_string();
    assert!(error.contains("mysql.endpoints"), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_refused_without_being_shown() {
    let error = Database::connect(&config(&["postgres://me:s3cret@db/hearth".to_owned()])).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(error.needs_person() && text.contains("mysql://user:password@host:port/database"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_database_need_a_person_and_say_what_to_do() {
    let Some(place) = Place::shared().await else { return };
    let error = Database::connect(&config(&[place.url("root:s3cret")])).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Refused { .. }), "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("user and password") && text.contains("127.0.0.1") && !text.contains("s3cret"), "{text}");

    let unknown = place.url("root").replace("?", "_unknown?");
    let error = Database::connect(&config(&[unknown])).await.unwrap_err();
    assert!(error.needs_person() && error.to_string().contains("create the database"), "{error}");
}

#[tokio::test]
async fn the_first_endpoint_that_answers_is_taken_and_a_person_is_asked_only_when_none_does() {
    let Some(place) = Place::shared().await else { return };
    let database = Database::connect(&config(&[nobody(), place.url("root")])).await.unwrap();
    assert!(place.url("root").contains(database.endpoint()), "{}", database.endpoint());
    let error = Database::connect(&config(&[nobody(), place.url("root:wrong")])).await.unwrap_err();
    assert!(error.needs_person(), "{error}");
}

#[tokio::test]
async fn a_read_only_server_is_passed_over_for_the_next_endpoint() {
    let Some(place) = Place::alone().await else { return };
    place.sql("SET GLOBAL read_only = 1").await;
    let error = Database::connect(&place.config()).await.unwrap_err();
    assert!(matches!(error, DatabaseError::NextEndpoint(_)), "{error:?}");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_loses_the_connection_for_good() {
    let Some(place) = Place::shared().await else { return };
    let config = config::Mysql { statement_timeout: Duration::from_millis(200), ..place.config() };
    let mut database = Database::connect(&config).await.unwrap();
    let late = database.session.execute("SELECT SLEEP(30)").await;
    assert!(matches!(late, Err(DatabaseError::Lost(_))), "{late:?}");
    let after = database.session.execute("SELECT 1").await;
    assert!(matches!(after, Err(DatabaseError::Lost(_))), "a late answer would be taken for this one's: {after:?}");
}
