use std::sync::Arc;

use mysql_async::{DriverError, Error, ServerError};

use crate::mysql::DatabaseError;

fn class(code: u16, state: &str, message: &str) -> &'static str {
    let error = ServerError { code, state: state.to_owned(), message: message.to_owned() };
    name(&DatabaseError::of(&Arc::from("db:3306/hearth"), Error::Server(error)))
}

fn name(error: &DatabaseError) -> &'static str {
    match error {
        DatabaseError::Lost(_) => "lost",
        DatabaseError::Retry(_) => "retry",
        DatabaseError::NextEndpoint(_) => "next",
        DatabaseError::Refused { .. } => "refused",
        DatabaseError::DiskFull(_) => "full",
        DatabaseError::TooBig(_) => "big",
        DatabaseError::Poison(_) => "poison",
    }
}

#[test]
fn every_error_number_that_was_met_has_its_class() {
    let classes: [(&str, &[u16]); 7] = [
        ("lost", &[1053, 1927, 2006, 2013]),
        ("retry", &[1213, 1205, 1040, 1158, 1159, 1160, 1161, 1317, 1969]),
        ("next", &[1290, 1836, 1047]),
        ("refused", &[1045, 1049, 1146, 1054, 1064, 3948, 1044, 1142]),
        ("full", &[1021, 1114]),
        ("big", &[1153]),
        ("poison", &[1264, 1366, 1406, 1048, 3140, 4025, 1292]),
    ];
    for (expected, codes) in classes {
        for code in codes {
            assert_eq!(class(*code, "HY000", ""), expected, "{code}");
        }
    }
}

#[test]
fn an_unknown_number_goes_by_its_state_and_never_costs_a_row_unless_it_speaks_of_data() {
    let states = [("08S01", "lost"), ("40001", "retry"), ("22001", "poison"), ("23000", "poison")];
    for (state, expected) in
        states.into_iter().chain([("42000", "refused"), ("28000", "refused"), ("HY000", "refused")])
    {
        assert_eq!(class(65_000, state, ""), expected, "{state}");
    }
}

#[test]
fn no_space_left_under_the_storage_engine_is_a_full_disk() {
    let message = "Got error 28 \"No space left on device\" from storage engine InnoDB";
    assert_eq!(class(1030, "HY000", message), "full");
    assert_eq!(class(1030, "HY000", "Got error 168 from storage engine"), "refused");
}

#[test]
fn a_transaction_too_large_for_a_galera_cluster_is_too_big() {
    assert_eq!(class(1180, "HY000", "wsrep_max_ws_rows exceeded"), "big");
    assert_eq!(class(1105, "HY000", "Maximum writeset size exceeded"), "big");
    assert_eq!(class(1180, "HY000", "Got error 168 during COMMIT"), "refused");
    assert_eq!(class(1105, "HY000", "Unknown error"), "refused");
}

#[test]
fn a_row_too_large_for_a_packet_is_too_big_and_a_closed_connection_is_lost() {
    let endpoint = Arc::from("db:3306/hearth");
    assert_eq!(name(&DatabaseError::of(&endpoint, Error::Driver(DriverError::PacketTooLarge))), "big");
    assert_eq!(name(&DatabaseError::of(&endpoint, Error::Driver(DriverError::ConnectionClosed))), "lost");
    let io = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    assert_eq!(name(&DatabaseError::of(&endpoint, Error::Io(io.into()))), "lost");
}
