//! Lines and meters, as they are imported and removed.

use super::*;

#[test]
fn a_second_meter_on_an_address_names_row_and_column_and_the_first() {
    let rows = vec![meter_spec("m5", "l1", 9), meter_spec("m6", "l1", 2)];
    faulty(&mut small_cluster(), &meters(rows), 2, "address", "2 belongs to meter m2 on line l1 already");
}

#[test]
fn two_rows_of_one_name_name_the_later() {
    let rows = vec![meter_spec("m5", "l1", 8), meter_spec("m6", "l1", 9), meter_spec("m5", "l2", 9)];
    let words = "m5 stands in row 1 already: keep one of them";
    faulty(&mut small_cluster(), &meters(rows), 3, "name", words);
}

#[test]
fn a_meter_on_an_unknown_line_names_row_and_column() {
    let rows = vec![meter_spec("m5", "l9", 1)];
    faulty(&mut small_cluster(), &meters(rows), 1, "line", "line l9 does not exist: import lines first");
}

#[test]
fn a_schedule_without_slots_is_refused() {
    let never = MeterSpec { schedule: Schedule { interval_s: 0, offset_s: 0 }, ..meter_spec("m5", "l1", 9) };
    let words = "an offset of 0 s is not less than the interval of 0 s";
    faulty(&mut small_cluster(), &meters(vec![never]), 1, "schedule", words);
}

#[test]
fn rows_may_exchange_addresses() {
    let mut state = small_cluster();
    let rows = vec![meter_spec("m1", "l1", 2), meter_spec("m2", "l1", 1)];
    assert_eq!(run(&mut state, &meters(rows)), Reply::Imported { created: 0, updated: 2, unchanged: 0 });
    let on_line: Vec<_> = state.registry.meters_of(L1).map(|meter| meter.name.as_str()).collect();
    assert_eq!(on_line, ["m2", "m1"]);
    assert_eq!(state.check(), Ok(()));
}

#[test]
fn an_import_says_what_it_made_changed_and_found() {
    let mut state = small_cluster();
    let rows = vec![meter_spec("m1", "l1", 1), meter_spec("m2", "l1", 7), meter_spec("m9", "l2", 9)];
    assert_eq!(run(&mut state, &meters(rows)), Reply::Imported { created: 1, updated: 1, unchanged: 1 });
}

#[test]
fn a_channel_is_one_line() {
    let words = "tcp://gateway.example:2 is the channel of line l2 already: a channel is one line";
    faulty(&mut small_cluster(), &lines(vec![line_spec("l3", 2)]), 1, "endpoint", words);
}

#[test]
fn lines_may_exchange_channels() {
    let mut state = small_cluster();
    let rows = vec![line_spec("l1", 2), line_spec("l2", 1)];
    assert_eq!(run(&mut state, &lines(rows)), Reply::Imported { created: 0, updated: 2, unchanged: 0 });
}

fn serial(name: &str, site: Option<&str>) -> LineSpec {
    let endpoint = Endpoint::Serial { path: "/dev/ttyS0".to_owned() };
    let requires = site.map(|site| ("site".to_owned(), site.to_owned())).into_iter().collect();
    LineSpec { endpoint, requires, ..line_spec(name, 0) }
}

#[test]
fn nodes_that_cannot_be_the_same_have_serial_ports_of_their_own() {
    let rows = vec![serial("north", Some("north")), serial("south", Some("south"))];
    all(&mut small_cluster(), [lines(rows)]);
}

#[test]
fn nodes_that_can_be_the_same_share_their_serial_ports() {
    let rows = vec![serial("north", Some("north")), serial("anywhere", None)];
    let words = "serial:///dev/ttyS0 is the channel of line north already: a channel is one line";
    faulty(&mut small_cluster(), &lines(rows), 2, "endpoint", words);
}

#[test]
fn a_line_with_meters_an_owner_or_open_commands_stays() {
    let mut state = small_cluster();
    let remove = Entry::RemoveLine { name: "l1".to_owned() };
    refused(&mut state, &remove, "line l1 has 2 meters: remove or move them first");
    all(&mut state, [submit(AT, "k", Action::ReadNow)]);
    let moved = vec![meter_spec("m1", "l2", 8), meter_spec("m2", "l2", 9)];
    all(&mut state, [meters(moved)]);
    refused(&mut state, &remove, "line l1 has an open command 1: cancel it or let it end first");
    all(&mut state, [Entry::Cancel { at: AT, command: C1 }, assign(0, N1)]);
    refused(&mut state, &remove, "line l1 is held by node 1: it has to be released first");
    all(&mut state, [release(N1, 1), remove]);
    assert!(state.assignment.lines.get(&L1).is_none());
}

#[test]
fn a_meter_with_an_open_command_stays() {
    let mut state = small_cluster();
    all(&mut state, [submit(AT, "k", Action::ReadNow)]);
    let words = "meter m1 has an open command 1: cancel it or let it end first";
    refused(&mut state, &Entry::RemoveMeter { name: "m1".to_owned() }, words);
}

#[test]
fn only_modbus_units_are_on_a_line_of_modbus_tcp() {
    let mut state = small_cluster();
    let endpoint = Endpoint::ModbusTcp { host: "plc.example".to_owned(), port: 502 };
    all(&mut state, [lines(vec![LineSpec { endpoint, ..line_spec("l3", 3) }])]);
    let primary = meters(vec![meter_spec("m9", "l3", 7)]);
    faulty(&mut state, &primary, 1, "address", "7 is no Modbus unit, and line l3 carries nothing else");
    let unit = MeterSpec { address: protocol::meter::Address::ModbusUnit(7), ..meter_spec("m9", "l3", 7) };
    all(&mut state, [meters(vec![unit])]);
    let endpoint = Endpoint::ModbusTcp { host: "plc.example".to_owned(), port: 503 };
    let moved = lines(vec![LineSpec { endpoint, ..line_spec("l1", 1) }]);
    let words = "modbus-tcp://plc.example:503 carries Modbus only, and meter m1 is no Modbus unit";
    faulty(&mut state, &moved, 1, "endpoint", words);
}
