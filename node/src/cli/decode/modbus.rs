//! A Modbus frame as JSON and as a table.
//!
//! Promises: registers as they came, in hex digits and as numbers; a request is told as well, for a reply does not say
//! which registers it holds. Refuses: saying what registers mean: that is a profile's business.

use protocol::modbus::frame::{Direction, Frame};
use protocol::modbus::payload::{Reply, Request, Table, exception};

use super::fault::Fault;
use super::hex;
use super::json::Json;

type Fields = Vec<(&'static str, Json)>;

/// The fields of a frame, and its rows for people.
pub(super) fn told(frame: &Frame, direction: Direction) -> Result<(Fields, String), Fault> {
    let own = match direction {
        Direction::Requests => Request::decode(&frame.pdu).map(|request| of_request(&request)),
        Direction::Replies => match Reply::decode(&frame.pdu) {
            Some(Reply::Exception(_, code)) => return Err(Fault::new("refused", exception(code), 2)),
            reply => reply.map(|reply| of_reply(&reply)),
        },
    };
    let own = own.ok_or_else(|| Fault::new("undecodable", "its length does not fit what it says", 2))?;
    let word = if direction == Direction::Requests { "request" } else { "reply" };
    let mut fields = vec![
        ("protocol", Json::text("modbus")),
        ("unit", Json::number(frame.unit)),
        ("direction", Json::text(word)),
        ("function", Json::number(frame.pdu.first().copied().unwrap_or_default())),
    ];
    fields.extend(own);
    let rows: Vec<_> = fields.iter().map(|(name, value)| format!("{name:<10} {}", plain(value))).collect();
    Ok((fields, rows.join("\n")))
}

fn plain(value: &Json) -> String {
    match value {
        Json::Text(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) const fn table(table: Table) -> &'static str {
    match table {
        Table::Coils => "coils",
        Table::Inputs => "inputs",
        Table::Holding => "holding",
        Table::InputRegisters => "input-registers",
    }
}

fn of_request(request: &Request) -> Fields {
    let place = |of: Table, address: &u16| vec![("table", Json::text(table(of))), ("address", Json::number(address))];
    let with = |mut fields: Fields, name, value| {
        fields.push((name, value));
        fields
    };
    match request {
        Request::Read { table, start, count } => with(place(*table, start), "count", Json::number(count)),
        Request::WriteCoil { address, on } => with(place(Table::Coils, address), "bits", bits([*on])),
        Request::WriteRegister { address, value } => {
            with(place(Table::Holding, address), "registers", registers(&[*value]))
        }
        Request::WriteCoils { start, bits: on } => with(place(Table::Coils, start), "bits", bits(on.iter().copied())),
        Request::WriteRegisters { start, values } => with(place(Table::Holding, start), "registers", registers(values)),
    }
}

fn of_reply(reply: &Reply) -> Fields {
    match reply {
        Reply::Bits(of, bytes) => {
            let on = bytes.iter().flat_map(|byte| (0..8).map(move |place| byte >> place & 1 == 1));
            vec![("table", Json::text(table(*of))), ("bits", bits(on))]
        }
        Reply::Registers(of, values) => {
            let raw: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
            vec![("table", Json::text(table(*of))), ("registers", registers(values)), ("raw", Json::text(hex(&raw)))]
        }
        // What the second word of a write is depends on the function: a value or a count.
        Reply::Wrote(function, address, second) => {
            let name = if matches!(function, 5 | 6) { "value" } else { "count" };
            vec![("address", Json::number(address)), (name, Json::number(second))]
        }
        Reply::Exception(_, code) => vec![("exception", Json::number(code))],
    }
}

fn registers(values: &[u16]) -> Json {
    Json::list(values.iter().map(Json::number))
}

fn bits(on: impl IntoIterator<Item = bool>) -> Json {
    Json::list(on.into_iter().map(|on| Json::number(u8::from(on))))
}
